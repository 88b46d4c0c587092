"""Where the clock of a server was wrong while it wrote its log, as far as the archive's files tell; pure.

A file that ends later than a later one begins was written by a clock that was ahead, or the later one by a clock that
was behind. Which of the two it was, nothing tells: both are in doubt, with what has times between theirs, and the
times up to their neighbours. How long a clock was wrong before and after that, no file tells. One that was wrong for
less than a file is found in the file itself, by `stopping.refuse_wrong_clock`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import groupby

from chom_pipelines.binlogs.archive.segments import Segment
from chom_pipelines.binlogs.recovery.targets import AtTime, Target
from chom_pipelines.errors import RestoreRefusedError

_SKEW = timedelta(seconds=2)
"""By which a clock is set back on ordinary days."""


@dataclass(frozen=True)
class Uncertain:
    """What the log says was committed from `start` to `end` may have been committed at another time."""

    start: datetime
    end: datetime
    why: str

    @property
    def line(self) -> str:
        """For people."""
        return f"times from {AtTime(self.start)} to {AtTime(self.end)} are not certain: {self.why}"


@dataclass(frozen=True)
class _File:
    """When a file begins and ends, as two of its times say, one of which alone may be a session's own.

    A transaction's time may be that of its source, or when a long statement began, and so may the file's own be.
    """

    name: str
    begin: datetime
    end: datetime

    @classmethod
    def of(cls, pieces: Sequence[Segment]) -> _File:
        first = next((each.first_event for each in pieces if each.first_event), None)
        last = next((each.last_event for each in reversed(pieces) if each.last_event), None)
        opened, closed = pieces[0].opened, pieces[-1].closed or pieces[-1].as_of
        return cls(pieces[0].file, begin=max(opened, first or closed), end=min(closed, last or opened))


def uncertain(segments: Sequence[Segment]) -> tuple[Uncertain, ...]:
    """What of the times of segments that follow each other is in doubt, the oldest first."""
    files = [_File.of([*pieces]) for _, pieces in groupby(segments, key=lambda each: each.file)]
    found: list[Uncertain] = []
    for each in _uncertain(files):
        if found and each.start <= found[-1].end:
            found[-1] = replace(found[-1], start=min(found[-1].start, each.start), end=max(found[-1].end, each.end))
        else:
            found.append(each)
    return tuple(found)


def refuse_uncertain(target: Target, segments: Sequence[Segment]) -> None:
    """Raise RestoreRefusedError where the place of a moment cannot be told by the times in these segments."""
    if not isinstance(target, AtTime):
        return
    for each in uncertain(segments):
        if each.start <= target.moment <= each.end:
            what = f"where {target} is in the log cannot be told: {each.line}"
            raise RestoreRefusedError(what, "name the place with --before or --gtid; `chom events` tells places")


def _uncertain(files: Sequence[_File]) -> Iterator[Uncertain]:
    latest, explained = 0, -1
    for number, file in enumerate(files):
        ahead = files[latest]
        if latest < number and latest != explained and file.begin < ahead.end - _SKEW:
            ends, begins = AtTime(ahead.end), AtTime(file.begin)
            why = f"{ahead.name} ends at {ends}, and {file.name}, behind it, begins at {begins}"
            yield Uncertain(*_around(files, latest, number), f"{why}: the server's clock was wrong")
            explained = latest
        if file.end > ahead.end:
            latest = number


def _around(files: Sequence[_File], ahead: int, behind: int) -> tuple[datetime, datetime]:
    """All times that may be meant where the clock was wrong in either, or beside them."""
    low, high = files[behind].begin, files[ahead].end
    before, after = ahead - 1, behind + 1
    while before >= 0 and files[before].end >= low:
        before -= 1
    while after < len(files) and files[after].end <= high:
        after += 1
    start = files[before].end if before >= 0 else files[0].begin
    end = files[after].begin if after < len(files) else files[-1].end
    return min(low, start), max(high, end)
