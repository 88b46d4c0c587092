"""Files of an archived binary log, put together again from their segments in a private directory, for a replay."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path

from chom_pipelines.binlogs.archive.histories import History
from chom_pipelines.binlogs.archive.segment_objects import log_of
from chom_pipelines.binlogs.archive.segments import Segment
from chom_pipelines.binlogs.format.scanning import Scanner
from chom_pipelines.binlogs.recovery.stop_place import Located
from chom_pipelines.errors import ArchiveDamagedError
from chom_pipelines.repository.keys import Keyring


@dataclass(frozen=True)
class LogFile:
    """A whole file of a binary log on disk, and which of its positions are replayed: from its beginning, to its end."""

    path: Path
    start: int | None = None
    stop: int | None = None


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
            opened = parts[0].none_before
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
