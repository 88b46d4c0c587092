"""Which indexes nothing reads, by what servers counted over weeks, restarts and changes of tables. Pure.

A counter that fell was begun anew: what it shows now was counted since, and the time before its last reading and after
the reading before is not known to have been watched. What was counted and lost between two readings shows in no count.
A server's counts are its own: an index that only a replica's queries read looks unused on its source.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TypeAlias

from chom_pipelines.log_lines import amount, size
from chom_pipelines.monitoring.growth.record import IndexesOfDay, IndexRow
from chom_pipelines.monitoring.readers.indexes import Index
from chom_pipelines.server.identifiers import qualified, quote

ENOUGH_DAYS = 30
"""So long an index is watched before it is called unused: what runs once a month has run."""

WINDOW = timedelta(days=90)
"""What is looked back at: an index that was read last before that is unused today."""

_SAME_START = timedelta(minutes=2)
_DAY = timedelta(days=1)

IndexKey: TypeAlias = tuple[str, str, str]


class Use(StrEnum):
    """What the records say of an index."""

    NEEDED = "needed"
    USED = "used"
    UNUSED = "unused"
    TOO_EARLY = "too early to tell"
    NOT_COUNTED = "not counted"


@dataclass(slots=True)
class _Watched:
    """What was counted of an index in `days` in which a read would have been seen; `before`: what it began with.

    Changed in place: of 250,000 indexes there is one for each, for each of ninety days.
    """

    row: IndexRow
    before: int
    reads: int = 0
    days: float = 0.0
    restarts: int = 0
    resets: int = 0


@dataclass(frozen=True)
class IndexVerdict:
    """An index with what its records say, and the evidence for that."""

    index: Index
    use: Use
    reads: int | None
    days: float
    evidence: str


def verdicts(records: Iterable[IndexesOfDay], enough_days: float = ENOUGH_DAYS) -> tuple[IndexVerdict, ...]:
    """Of each index of the last record; oldest first. One that was changed, or was not there a day, begins anew."""
    watched: dict[IndexKey, _Watched] = {}
    before: IndexesOfDay | None = None
    for record in records:
        interval = _interval(before, record)
        watched = {row[:3]: _go_on(watched.get(row[:3]), row, interval) for row in record.indexes}
        before = record
    return tuple(_verdict(each, enough_days) for each in watched.values())


def try_without(index: Index, *, is_mariadb: bool) -> str:
    """The statement that keeps the index and has no query use it, to be undone at once where something gets slow."""
    word = "IGNORED" if is_mariadb else "INVISIBLE"
    return f"ALTER TABLE {qualified(index.database, index.table)} ALTER INDEX {quote(index.name)} {word};"


@dataclass(frozen=True, slots=True)
class _Interval:
    """Between two records: the `days` that the counters of the later one speak for, and whether they began anew."""

    days: float
    was_restarted: bool


def _interval(before: IndexesOfDay | None, record: IndexesOfDay) -> _Interval | None:
    """None: the two cannot be compared."""
    if before is None or before.source != record.source:
        return None
    was_restarted = abs(record.started - before.started) > _SAME_START
    since = max(record.started, before.taken) if was_restarted else before.taken
    return _Interval(max(record.taken - since, timedelta()) / _DAY, was_restarted)


def _go_on(known: _Watched | None, row: IndexRow, interval: _Interval | None) -> _Watched:
    now = row[6]  # the reads; 3 and 4 are the columns, and whether it is unique
    if known is None or interval is None or known.row[3:5] != row[3:5]:
        return _Watched(row, now or 0)
    last, known.row = known.row[6], row
    if now is None or last is None:
        known.reads += now or 0
    elif interval.was_restarted:
        known.reads += now
        known.days += interval.days
        known.restarts += 1
    elif now < last:
        known.reads += now
        known.resets += 1
    else:
        known.reads += now - last
        known.days += interval.days
    return known


def _verdict(watched: _Watched, enough_days: float) -> IndexVerdict:
    index = Index(*watched.row)
    is_enough = watched.days >= enough_days
    reads = watched.reads if is_enough else watched.reads + watched.before
    if index.is_needed:
        use = Use.NEEDED
    elif reads:
        use = Use.USED
    elif index.reads is None:
        use = Use.NOT_COUNTED
    else:
        use = Use.UNUSED if is_enough else Use.TOO_EARLY
    counted = None if index.reads is None and not reads else reads
    return IndexVerdict(
        index, use, counted, watched.days, "; ".join(_evidence(index, watched, counted, use, enough_days))
    )


def _evidence(index: Index, watched: _Watched, counted: int | None, use: Use, enough: float) -> Iterable[str]:
    if counted is None:
        yield "the server does not count what reads it"
    elif counted == watched.reads:
        yield f"{amount(counted, 'read')} in {amount(int(watched.days), 'day')}{_over(watched)}"
    else:
        yield f"{amount(counted, 'read')}, {watched.before:,} of them before the records begin{_over(watched)}"
    if use is Use.UNUSED and index.reads:
        yield f"its counter stands still at {index.reads:,}, as it would if its table were made anew and read as often"
    if use is Use.TOO_EARLY:
        yield f"it takes {enough:g} days to tell"
    if index.name == "PRIMARY":
        yield "the primary key"
    elif index.is_unique:
        yield "unique"
    elif index.is_needed:
        yield "a foreign key or AUTO_INCREMENT rests on it"
    else:
        yield "not unique; no foreign key rests on it"
    if index.bytes is not None:
        yield size(index.bytes)


def _over(watched: _Watched) -> str:
    parts = [amount(count, word) for count, word in ((watched.restarts, "restart"), (watched.resets, "reset")) if count]
    return f" over {' and '.join(parts)}" if parts else ""
