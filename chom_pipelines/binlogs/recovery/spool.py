"""Files of an archived binary log, put together again from their segments in a private directory, for a replay."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from chom_pipelines.binlogs.archive.histories import History
from chom_pipelines.binlogs.archive.segments import Segment
from chom_pipelines.binlogs.format.scanning import Scanner
from chom_pipelines.binlogs.recovery.stopping import Located
from chom_pipelines.errors import ArchiveDamagedError
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.objects import read_object
from chom_pipelines.repository.payloads import BinlogPayload
from chom_pipelines.server.facts import Flavour


def log_of(history: History, segment: Segment, keyring: Keyring | None) -> Iterator[bytes]:
    """The bytes of the log in a segment, as the server wrote them: authenticated, and compared with what was sent.

    Raises DamagedError, KeyUnavailableError.
    """
    where, pieces = object_of(history, segment, "log", keyring)
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
        yield piece
    if digest.hexdigest() != segment.digest:
        raise ArchiveDamagedError(f"{where}: the log is not what the server sent")


def object_of(
    history: History, segment: Segment, what: Literal["log", "index"], keyring: Keyring | None
) -> tuple[str, Iterator[bytes]]:
    """Where one of a segment's objects is, for people, and its bytes, authenticated as they are read.

    Raises DamagedError, KeyUnavailableError.
    """
    entry = history.entry(segment)
    manifest = entry.manifest(keyring)
    payload = manifest.payload
    path = getattr(payload, what) if isinstance(payload, BinlogPayload) else None
    stored = next((each for each in manifest.objects if each.path == path), None)
    if stored is None:
        raise ArchiveDamagedError(f"{entry.where}: the manifest names no {what}")
    return entry.folder.where(stored.path), read_object(entry.folder, stored, entry.data_key(keyring))


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
            scanner, parts = Scanner(file), history.of_file(file)
            if missing := {each.id for each in segments if each.file == file} - {each.id for each in parts}:
                what = f"{file} of the history {history.name} is not there from its beginning up to {min(missing)}"
                raise ArchiveDamagedError(what, "`chom windows` tells the gap; restore to a moment before it")
            opened = parts[0].opened if parts[0].flavour is Flavour.MARIADB else None
            pieces = (piece for segment in parts for piece in log_of(history, segment, keyring))
            with (self.directory / file).open("xb") as whole:
                try:
                    for piece in pieces:
                        whole.write(piece)
                        report(len(piece))
                        yield from (Located(file, each, opened) for each in scanner.feed(piece))
                except GeneratorExit:
                    for piece in pieces:
                        whole.write(piece)
                        report(len(piece))
                    raise
            scanner.finish()
