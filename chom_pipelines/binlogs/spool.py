"""Files of an archived binary log, put together again from their segments in a private directory, for a replay."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path

from chom_pipelines.binlogs.archive import History
from chom_pipelines.binlogs.scanning import Scanner
from chom_pipelines.binlogs.segments import Segment
from chom_pipelines.binlogs.stopping import Located
from chom_pipelines.errors import DamagedError
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.objects import read_object
from chom_pipelines.repository.payloads import BinlogPayload


def log_of(history: History, segment: Segment, keyring: Keyring | None) -> Iterator[bytes]:
    """The bytes of the log in a segment, as the server wrote them: authenticated, and compared with what was sent.

    Raises DamagedError, KeyUnavailableError.
    """
    entry = history.entry(segment)
    manifest = entry.manifest(keyring)
    payload = manifest.payload
    found = [each for each in manifest.objects if isinstance(payload, BinlogPayload) and each.path == payload.log]
    if not isinstance(payload, BinlogPayload) or not found:
        raise DamagedError(f"{entry.where}: the manifest names no log")
    digest = hashlib.sha256()
    for piece in read_object(entry.folder, found[0], entry.data_key(keyring)):
        digest.update(piece)
        yield piece
    if digest.hexdigest() != payload.digest:
        raise DamagedError(f"{entry.where}: the log is not what the server sent")


@dataclass(frozen=True)
class Spool:
    """A directory with whole files of the log."""

    directory: Path

    def transactions(
        self, history: History, segments: tuple[Segment, ...], keyring: Keyring | None, report: Callable[[int], None]
    ) -> Generator[Located]:
        """Write the files of these segments, from their beginnings, and yield their transactions, in order.

        Whoever stops early closes it: then the file that was begun is still written to its end. `report` is told bytes.
        Raises DamagedError, BinlogDamagedError, KeyUnavailableError, and OSError.
        """
        for file in dict.fromkeys(each.file for each in segments):
            scanner = Scanner(file)
            pieces = (piece for segment in history.of_file(file) for piece in log_of(history, segment, keyring))
            with (self.directory / file).open("xb") as opened:
                try:
                    for piece in pieces:
                        opened.write(piece)
                        report(len(piece))
                        yield from (Located(file, each) for each in scanner.feed(piece))
                finally:
                    for piece in pieces:  # where it was closed early
                        opened.write(piece)
                        report(len(piece))
            scanner.finish()
