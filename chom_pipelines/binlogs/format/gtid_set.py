"""Sets of MySQL's GTIDs: each transaction by itself."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby

from chom_pipelines.errors import InvalidGtidError

_UUID = re.compile(r"\{?([0-9a-f]{8})-?([0-9a-f]{4})-?([0-9a-f]{4})-?([0-9a-f]{4})-?([0-9a-f]{12})\}?")
_TAG = re.compile(r"[a-z_][a-z0-9_]{0,31}")
_INTERVAL = re.compile(r"(\d+)(?:-(\d+))?")
_LAST_NUMBER = (1 << 63) - 2  # numbers are below 2^63 - 1 (MySQL's manual, "GTID Format and Storage")
_SPACE = re.compile(r"\s+")

Interval = tuple[int, int]
"""First and last number, both included."""


@dataclass(frozen=True)
class GtidSet:
    """A set of MySQL's GTIDs.

    `intervals` has, for each source (`uuid` or `uuid:tag`), its numbers: in order, without overlap, not adjacent.
    """

    intervals: Mapping[str, tuple[Interval, ...]] = field(default_factory=dict)

    @staticmethod
    def parse(text: str) -> GtidSet:
        """Read what servers and people write: any white space, any case, intervals in any order.

        Raises InvalidGtidError.
        """
        collected: dict[str, list[Interval]] = {}
        for part in _SPACE.sub("", text).lower().split(","):
            if part:
                for source, interval in _part(part, text):
                    collected.setdefault(source, []).append(interval)
        return GtidSet._merged(collected)

    @staticmethod
    def _merged(collected: Mapping[str, Iterable[Interval]]) -> GtidSet:
        merged = {source: _merge(intervals) for source, intervals in sorted(collected.items())}
        return GtidSet({source: intervals for source, intervals in merged.items() if intervals})

    def __str__(self) -> str:
        """Return the canonical text, on one line: that of the server without its line breaks."""
        parts = []
        for uuid, sources in groupby(self.intervals, key=lambda source: source.partition(":")[0]):
            tagged = (":".join([*source.split(":")[1:], *map(_text, self.intervals[source])]) for source in sources)
            parts.append(f"{uuid}:{':'.join(tagged)}")
        return ",".join(parts)

    def __hash__(self) -> int:
        """Equal sets have equal texts."""
        return hash(str(self))

    def __bool__(self) -> bool:
        """Whether there is any GTID in it."""
        return bool(self.intervals)

    def __len__(self) -> int:
        """Return the number of GTIDs."""
        return sum(last - first + 1 for intervals in self.intervals.values() for first, last in intervals)

    def with_gtid(self, gtid: str) -> GtidSet:
        """Add one (or several). Raises InvalidGtidError."""
        return self.union(GtidSet.parse(gtid))

    def union(self, other: GtidSet) -> GtidSet:
        """All GTIDs that are in either."""
        sources = self.intervals.keys() | other.intervals.keys()
        return GtidSet._merged(
            {source: self.intervals.get(source, ()) + other.intervals.get(source, ()) for source in sources}
        )

    def difference(self, other: GtidSet) -> GtidSet:
        """Those that are not in `other`."""
        return GtidSet._merged(
            {source: _subtract(mine, other.intervals.get(source, ())) for source, mine in self.intervals.items()}
        )

    def covers(self, other: GtidSet) -> bool:
        """Whether every GTID of `other` is in this set."""
        return not other.difference(self)


def _part(part: str, text: str) -> Iterator[tuple[str, Interval]]:
    head, *rest = part.split(":")
    uuid = _UUID.fullmatch(head)
    if uuid is None or not rest:
        raise _invalid_set(text, part)
    source = "-".join(uuid.groups())
    for piece in rest:
        interval = _INTERVAL.fullmatch(piece)
        if interval is not None:
            first = int(interval[1])
            last = int(interval[2] or first)
            if not 1 <= first <= _LAST_NUMBER or last > _LAST_NUMBER:
                raise _invalid_set(text, part)
            yield source, (first, last)
        elif _TAG.fullmatch(piece):
            source = "-".join(uuid.groups()) + f":{piece}"
        else:
            raise _invalid_set(text, part)


def _invalid_set(text: str, part: str) -> InvalidGtidError:
    return InvalidGtidError(
        f"{text[:200]!r} is no set of GTIDs, because of {part[:80]!r}",
        "write it as MySQL does: 3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5:7",
    )


def _text(interval: Interval) -> str:
    first, last = interval
    return str(first) if first == last else f"{first}-{last}"


def _merge(intervals: Iterable[Interval]) -> tuple[Interval, ...]:
    merged: list[Interval] = []
    for first, last in sorted(intervals):
        if last < first:
            continue  # what servers take for an empty interval
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(merged[-1][1], last))
        else:
            merged.append((first, last))
    return tuple(merged)


def _subtract(mine: tuple[Interval, ...], others: tuple[Interval, ...]) -> Iterator[Interval]:
    waiting = iter(others)
    other = next(waiting, None)
    for begin, last in mine:
        first = begin
        while other is not None and other[1] < first:
            other = next(waiting, None)
        while other is not None and other[0] <= last:
            if first < other[0]:
                yield first, other[0] - 1
            first = other[1] + 1
            if other[1] >= last:
                break
            other = next(waiting, None)
        if first <= last:
            yield first, last


@dataclass
class GtidCollector:
    """A set that grows by one GTID after the other, fast where they come in order."""

    _intervals: dict[str, list[Interval]]

    @staticmethod
    def beginning_with(before: GtidSet) -> GtidCollector:
        """Collect on top of a set, which stays as it is."""
        return GtidCollector({source: list(intervals) for source, intervals in before.intervals.items()})

    def add(self, source: str, number: int) -> None:
        """Add `source:number`, where the source is `uuid` or `uuid:tag` in lower case."""
        intervals = self._intervals.setdefault(source, [])
        if intervals and intervals[-1][1] == number - 1:
            intervals[-1] = (intervals[-1][0], number)
            return
        at = bisect_left(intervals, (number, number))
        low = max(0, at - 1)
        intervals[low : at + 1] = _merge([*intervals[low : at + 1], (number, number)])

    def gtids(self) -> GtidSet:
        """Return what has been collected so far."""
        return GtidSet({source: tuple(intervals) for source, intervals in sorted(self._intervals.items())})
