"""Which pieces of an archived log lack what the server did not write into it, and for which time; pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from chom_pipelines.binlogs.archive.chain import Run
from chom_pipelines.binlogs.archive.segments import FIRST, Segment
from chom_pipelines.server.binlog_settings import AS_TEXT, TEXT_OF_OTHERS, Lack, lacks


@dataclass(frozen=True)
class Unlogged:
    """Segments that follow each other, all with the same lack; `start` is when the first of them was begun."""

    start: datetime
    last: Segment
    lack: Lack

    @property
    def line(self) -> str:
        """For people: what is not in the log, and from when to when."""
        span = f"{self.start:%Y-%m-%d %H:%M:%S} to {self.last.as_of:%Y-%m-%d %H:%M:%S} UTC"
        return f"not in the log from {span}: {self.lack.what}"

    @property
    def said(self) -> str:
        """The same, with what it costs, and what mends it."""
        doubt = "whether the log has all that was done to what is backed up is not certain"
        return f"{self.line}; {'no restore has it' if self.lack.matters else doubt}; {self.lack.remedy}"


def unlogged(segments: Sequence[Segment], databases: Sequence[str] | None) -> Iterator[Unlogged]:
    """What some segments lack that follow each other; `databases` are backed up, None: all are."""
    began = _begins(segments)
    found: dict[Lack, list[int]] = {}
    for number, segment in enumerate(segments):
        for lack in _lacks(segment, databases):
            found.setdefault(lack, []).append(number)
    for lack, having in found.items():
        for _, group in groupby(enumerate(having), key=lambda pair: pair[1] - pair[0]):
            numbers = [number for _, number in group]
            yield Unlogged(began[numbers[0]], segments[numbers[-1]], lack)


def _lacks(segment: Segment, databases: Sequence[str] | None) -> Iterator[Lack]:
    if segment.logging:
        yield from lacks(segment.logging, databases)
        if segment.textual and set(segment.logging.formats) == {"ROW"}:  # MIXED logs as text what is safe so
            yield AS_TEXT
        elif segment.textual and databases is not None:
            yield TEXT_OF_OTHERS


def unlogged_of(runs: Iterable[Run], databases: Sequence[str] | None) -> tuple[Unlogged, ...]:
    """What is lacking in all runs, the oldest first."""
    found = (each for run in runs for each in unlogged(run.segments, databases))
    return tuple(sorted(found, key=lambda each: (each.start, each.last.as_of)))


def _begins(segments: Sequence[Segment]) -> list[datetime]:
    """From when on something can be in each: a piece of a file goes on where the one before ends."""
    befores = [None, *segments[:-1]] if segments else []
    return [
        before.as_of if before and each.start != FIRST else each.opened
        for before, each in zip(befores, segments, strict=True)
    ]
