"""A stream of data files as it passes by: stored in parts, and what it says of itself kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import PurePosixPath

from chom_pipelines.errors import BackupFailedError, DefinitionChangedError
from chom_pipelines.physical.chunks import Chunk
from chom_pipelines.physical.file_order import Files
from chom_pipelines.physical.notes import is_note, is_position
from chom_pipelines.physical.part_writer import PartStorage, PartWriter
from chom_pipelines.physical.parts import parts
from chom_pipelines.progress import Report
from chom_pipelines.repository.manifest import Position
from chom_pipelines.repository.objects import StoredObject
from chom_pipelines.server.facts import SYSTEM_DATABASES

_LINK = ".isl"
"""Files that say where a table's file lies outside of the data directory."""

_VIEW = b"TYPE=VIEW"
_SMALL = 64 << 10
"""Bytes of a file that may come twice."""

REPORT = "run again; report it if it happens again; nothing was published"

WITHOUT_DDL = "run again, at a time without changes of definitions; nothing was published"


@dataclass
class Streamed:
    """What has come through the stream: its files, the notes among them, and the moment that they are of."""

    files: Files = field(default_factory=Files)
    notes: dict[str, bytes] = field(default_factory=dict)
    tables: int = 0
    """And sequences; without views and the server's own."""
    as_of: datetime | None = None
    objects: tuple[StoredObject, ...] = ()
    _heads: dict[str, bytes] = field(default_factory=dict)
    """Of the first chunk of each small file, its `identity`."""

    def seen(self, stream: Iterator[Chunk]) -> Iterator[Chunk]:
        """The same chunks, each looked at."""
        for chunk in stream:
            extent = chunk.extent
            if self.files.is_whole(extent.path) and self._is_repeated(chunk):
                continue
            if not extent.offset and not extent.ends and extent.length < _SMALL:
                self._heads[extent.path] = chunk.identity
            self.files.add(extent)
            if extent.path.endswith(_LINK):
                what = f"the table {extent.path.removesuffix(_LINK)} has its DATA DIRECTORY elsewhere"
                remedy = "use method: logical, or give the table no DATA DIRECTORY; nothing was published"
                raise BackupFailedError(what, remedy)
            self.tables += _defines_table(chunk)
            if is_note(extent.path):
                self.notes[extent.path] = self.notes.get(extent.path, b"") + chunk.payload
            if extent.ends and is_position(extent.path):  # which is written while commits are held up
                self.as_of = datetime.now(UTC)
            yield chunk

    def _is_repeated(self, chunk: Chunk) -> bool:
        """Whether it is all of a file that has been there already, as db.opt of a database that was made meanwhile is.

        The program reads such files once more, and of two that are alike one is enough. Raises DefinitionChangedError
        where they are not: who unpacks parts at once could not tell which comes last.
        """
        extent = chunk.extent
        if extent.ends or chunk.identity == self._heads.get(extent.path):
            return True
        raise DefinitionChangedError(f"{extent.path} was changed while it was read", WITHOUT_DDL)


def _defines_table(chunk: Chunk) -> bool:
    """Whether a table's definition begins with it; a view's is text, and says so first."""
    path = PurePosixPath(chunk.extent.path)
    if path.suffix != ".frm" or len(path.parts) == 1 or path.parts[0] in SYSTEM_DATABASES:
        return False
    begins = bool(chunk.extent.length) and not chunk.extent.offset
    return begins and not path.name.startswith("#sql") and not chunk.payload.startswith(_VIEW)


@dataclass(frozen=True)
class FilesRead:
    """A server's files as they were stored: `from_lsn` and `to_lsn` as in the manifest, `end` in the binary log."""

    objects: tuple[StoredObject, ...]
    files: int
    tables: int
    as_of: datetime
    end: Position | None
    from_lsn: int
    to_lsn: int
    program: str
    """What read them, with its version."""


@dataclass(frozen=True)
class Sink:
    """Where a stream goes: stored so, by so many threads; `report` is told of it as of this server's."""

    storing: PartStorage
    threads: int
    server: str
    report: Report

    def stored(self, stream: Iterator[Chunk], found: Streamed, confirmed: Callable[[], None]) -> None:
        """Store the stream to its end, which has to be `confirmed`; raises DamagedError where it is none."""
        done = 0
        with PartWriter(self.storing, self.threads) as writer:
            for part in parts(found.seen(stream)):
                writer.write(part)
                done += sum(chunk.size for chunk in part)
                self.report(done, None, f"read the files of {self.server}")
            confirmed()
            found.files.refuse_unfinished()
            found.objects = writer.finish()
