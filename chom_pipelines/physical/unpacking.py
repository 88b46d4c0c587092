"""Writing the files of a backup: its parts are decoded by several threads, and each chunk goes to its place at once.

Decoding and writing let go of the interpreter's lock. Whether the files are whole is known when the last part was read,
so the directory has to be one that nobody uses before that.
"""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from chom_pipelines.physical.chunks import Chunk, Extent
from chom_pipelines.physical.contents import FileContents
from chom_pipelines.physical.file_order import Files
from chom_pipelines.progress import Report, counted
from chom_pipelines.repository.files import reported

_FILE, _FOLDER = 0o660, 0o700
"""Modes, as the server gives its own files and folders; the umask takes from the first what it takes."""


def unpack(contents: FileContents, directory: Path, threads: int, report: Report) -> Files:
    """Write all files into an empty directory of ours, each byte authenticated before it is used.

    Raises DamagedError where a part is not what was stored, or the parts are not whole files; DiskFullError.
    """
    files, unpacking = Files(), _Unpacking(contents, directory, report)
    pool = ThreadPoolExecutor(threads, "unpack")
    try:
        for extents in pool.map(unpacking.part, contents.physical.parts):  # in the order of the stream
            for extent in extents:
                files.add(extent)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    files.refuse_unfinished()
    return files


class _Unpacking:
    def __init__(self, contents: FileContents, directory: Path, report: Report) -> None:
        self._contents, self._directory = contents, directory
        self._lock, self._folders = threading.Lock(), {directory}
        self._progress = counted(report, contents.manifest.raw_bytes, f"unpack {contents.manifest.id}")

    def part(self, path: str) -> list[Extent]:
        """Write one part; where its chunks belong, in their order."""
        extents = []
        for chunk in self._contents.chunks(path):
            self._write(chunk)
            extents.append(chunk.extent)
            with self._lock:
                self._progress(chunk.size)
        return extents

    def _write(self, chunk: Chunk) -> None:
        file = self._directory / chunk.extent.path
        with reported(file):
            self._make(file.parent)
            descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, _FILE)
            try:
                offset = chunk.extent.offset
                for piece in chunk.pieces:
                    rest = memoryview(piece)
                    while rest:
                        written = os.pwrite(descriptor, rest, offset)
                        offset, rest = offset + written, rest[written:]
            finally:
                os.close(descriptor)

    def _make(self, folder: Path) -> None:
        with self._lock:
            if folder not in self._folders:
                folder.mkdir(_FOLDER, parents=True, exist_ok=True)
                self._folders.add(folder)
