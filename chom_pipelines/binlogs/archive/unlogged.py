"""Which pieces of an archived log lack what the server did not write into it, and for which time; pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import groupby

from chom_pipelines.binlogs.archive.chain import Run
from chom_pipelines.binlogs.archive.segments import FIRST, Segment
from chom_pipelines.binlogs.format.events import FormatDescription
from chom_pipelines.repository.log_name import LogName
from chom_pipelines.server.binlog_settings import BinlogSettings, Lack, lacks

_ROUNDED = timedelta(seconds=2)
"""By which a start may seem later than it was: it is told by two numbers of whole seconds."""


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
        cost = "no restore has it" if self.lack.matters else "whether there was any on what is backed up is not known"
        return f"{self.line}; {cost}; {self.lack.remedy}"


@dataclass(frozen=True)
class Asked:
    """What a server says of its settings, and since when those hold that take a restart: the time of its start."""

    settings: BinlogSettings
    since: datetime

    def when_written(
        self, file: str, head: FormatDescription, opened: datetime, archived: Iterable[Segment]
    ) -> BinlogSettings | None:
        """Those with which a file was written; `archived` is what the archive has. None: not known.

        What was begun before the server started was written with what was known then. binlog_format changes while a
        file is written, so that what it was when the file before was archived counts as well.
        """
        base, number = LogName.of(file)
        near = [each for each in archived if each.base == base and number - 1 <= each.number <= number]
        known = [each for each in sorted(near, key=lambda each: each.order) if each.logging]
        last = known[-1].logging if known else None
        # one that followed another file in the very second of the start may be from before it, or from after
        unclear = opened == self.since and not head.begun_by_start
        if opened < self.since - _ROUNDED:
            return None if head.begun_by_start else last  # another start, with settings that nobody asked for
        if opened < self.since and not head.begun_by_start:
            return last
        if unclear and last is None:
            return None
        own = [each.logging.formats for each in known if each.logging and each.file == file]
        before = [
            each.logging.formats[-1:] for each in known[-1:] if each.logging and (unclear or each.opened >= self.since)
        ]
        now = self.settings.formats[-1]
        earlier = dict.fromkeys(name for formats in own or before for name in formats)
        return replace(
            last if unclear and last else self.settings, formats=(*(name for name in earlier if name != now), now)
        )


def unlogged(segments: Sequence[Segment], databases: Sequence[str] | None) -> Iterator[Unlogged]:
    """What some segments lack that follow each other; `databases` are backed up, None: all are."""
    began = _begins(segments)
    found: dict[Lack, list[int]] = {}
    for number, segment in enumerate(segments):
        for lack in lacks(segment.logging, databases) if segment.logging else ():
            found.setdefault(lack, []).append(number)
    for lack, having in found.items():
        for _, group in groupby(enumerate(having), key=lambda pair: pair[1] - pair[0]):
            numbers = [number for _, number in group]
            yield Unlogged(began[numbers[0]], segments[numbers[-1]], lack)


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
