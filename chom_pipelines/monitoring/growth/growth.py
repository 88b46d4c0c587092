"""How tables grow, and when there is no room left; by the records of the days. Pure.

A table that was renamed is one that is gone and another that is new: servers do not tell which was which. The totals do
not change by it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import pairwise
from statistics import median

from chom_pipelines.log_lines import amount, size
from chom_pipelines.monitoring.growth.record import Place, TablesOfDay
from chom_pipelines.monitoring.growth.trend import trend
from chom_pipelines.monitoring.readers.tables import TableSize

WINDOW = timedelta(days=90)
"""What forecasts look back at."""

SPANS = (1, 7, 30)
"""Days over which changes are told."""

FEWEST_DAYS = 7
_WEEK, _MONTH = 8, 31
"""Days of records, for seven and thirty days in between."""
_FASTER = 1.2
"""So many times the trend is another pace, and told as such."""
_SLACK = {1: 0, 7: 1, 30: 3}
_DAY = timedelta(days=1)
_CENTURY = 36_500
_INNODB = "INNODB"


@dataclass(frozen=True)
class Total:
    """A day's sums, in bytes. `files` is None where the server does not tell them; `is_whole`: of all tables."""

    day: date
    taken: datetime
    tables: int
    rows: int
    data: int
    index: int
    reclaimable: int
    files: int | None
    is_whole: bool

    @property
    def bytes(self) -> int:
        """Data and indexes."""
        return self.data + self.index


@dataclass(frozen=True)
class Change:
    """A table, and by how many bytes it is larger than so many days before; None: there is no record to tell by.

    `is_new`: it was not there in the record before. `before` is by SPANS.
    """

    size: TableSize
    file: int | None
    before: tuple[int | None, ...]
    is_new: bool


@dataclass(frozen=True)
class Step:
    """What the total jumped by, once, on a day: a table that was dropped or loaded."""

    day: date
    bytes: float


@dataclass(frozen=True)
class Forecast:
    """`per_day` in bytes; None: it cannot be told, for the `reason`. `steps` are no part of it."""

    per_day: float | None
    source: str
    days: int
    since: date | None = None
    steps: tuple[Step, ...] = ()
    reason: str = ""
    recent: float | None = None
    """By how much it grew a day in the last days, where that can be told: a change of pace shows there first."""

    @property
    def words(self) -> str:
        """By what it was told, for people."""
        if self.per_day is None:
            return self.reason
        steps = "".join(f", without the jump of {_signed(step.bytes)} on {step.day}" for step in self.steps)
        return f"{_signed(self.per_day)} a day, by {self.days} days of {self.source} since {self.since}{steps}"


@dataclass(frozen=True)
class Filling:
    """`days` until there is no room; None: it cannot be told, or never, for the `reason`."""

    days: float | None
    is_known: bool
    reason: str


def total_of(record: TablesOfDay) -> Total:
    """The sums of a record."""
    return Total(
        record.day,
        record.taken,
        tables=len(record.tables),
        rows=sum(row[6] for row in record.tables),
        data=sum(row[3] for row in record.tables),
        index=sum(row[4] for row in record.tables),
        reclaimable=sum(row[5] for row in record.tables),
        files=_on_disk(record),
        is_whole=record.is_whole,
    )


def _on_disk(record: TablesOfDay) -> int | None:
    """None where some of InnoDB's tables have no files of their own: what they share is not told table by table."""
    if not record.file_source:
        return None
    sizes = [
        row[3] + row[4] if row[7] is None and row[2].upper() != _INNODB else row[7]  # others tell their files' sizes
        for row in record.tables
    ]
    return None if None in sizes else sum(size or 0 for size in sizes)


def earlier_day(days: Collection[date], now: date, span: int) -> date | None:
    """The day of the record that tells what was so many days before: that day's, or one a little earlier."""
    wanted = now - span * _DAY
    fit = [day for day in days if wanted - _SLACK.get(span, 0) * _DAY <= day <= wanted]
    return max(fit, default=None)


def changes(now: TablesOfDay, before: Mapping[int, TablesOfDay | None]) -> tuple[Change, ...]:
    """Of each table of the record; `before` has the earlier records by SPANS."""
    earlier = [(record, record.sizes if record else {}) for record in (before.get(span) for span in SPANS)]
    files = now.files
    return tuple(
        Change(
            size,
            files.get(place),
            tuple(_larger(size, record, sizes.get(place)) for record, sizes in earlier),
            is_new=_is_new(place, *earlier[0]),
        )
        for place, size in now.sizes.items()
    )


def gone(now: TablesOfDay, before: TablesOfDay | None) -> tuple[TableSize, ...]:
    """The tables that an earlier record has and this one has not, largest first; none where this one is not whole."""
    if before is None or not now.is_whole:
        return ()
    here = now.sizes
    found = [size for place, size in before.sizes.items() if place not in here]
    return tuple(sorted(found, key=lambda each: (-each.total, each.database, each.table)))


def forecast(totals: Sequence[Total], source: str, files_source: str = "") -> Forecast:
    """From totals, oldest first; with `files_source` of the files' sizes, which is what fills a disk.

    Days of which not all is known are left out. It takes a week of days.
    """
    whole = [total for total in totals if total.is_whole]
    values = [(total, total.files if files_source else total.bytes) for total in whole]
    told = [(total, float(value)) for total, value in values if value is not None]
    said = files_source or source
    if len(told) < FEWEST_DAYS or told[-1][0].taken - told[0][0].taken < (FEWEST_DAYS - 1.5) * _DAY:
        reason = f"too early to tell: {amount(len(told), 'day')} known, and it takes {FEWEST_DAYS}"
        return Forecast(None, said, len(told), reason=reason)
    begin = told[0][0].taken
    line = trend([(total.taken - begin) / _DAY for total, _ in told], [value for _, value in told])
    steps = tuple(Step(told[step.at][0].day, step.size) for step in line.steps)
    recent = _recent([((total.taken - begin) / _DAY, value) for total, value in told])
    return Forecast(line.slope, said, len(told), told[0][0].day, steps, recent=recent)


def _recent(points: Sequence[tuple[float, float]]) -> float:
    """The faster of two paces: that of the last week, and the trend of the last month.

    Of a week it is the usual one from day to day, or from its begin to its end where that is less: neither a single
    load nor what is purged once a week is a pace.
    """
    week, month = points[-_WEEK:], points[-_MONTH:]
    usual = median((after - before) / (later - earlier) for (earlier, before), (later, after) in pairwise(week))
    (first, before), (last, after) = week[0], week[-1]
    return max(min(usual, (after - before) / (last - first)), trend([x for x, _ in month], [y for _, y in month]).slope)


def filling(growth: Forecast, free: int | None, free_source: str) -> Filling:
    """When the room is used up, if it goes on like that."""
    if free is None:
        return Filling(None, is_known=False, reason=f"how much room is left is {free_source}")
    if free <= 0:
        return Filling(0.0, is_known=True, reason=f"no room is left ({free_source})")
    if growth.per_day is None:
        return Filling(None, is_known=False, reason=growth.reason)
    pace = max(growth.per_day, growth.recent or growth.per_day)
    if pace <= 0 or free / pace > _CENTURY:
        return Filling(
            None, is_known=True, reason=f"it does not grow into the {size(free)} that are left ({free_source})"
        )
    days = free / pace
    of = "growth" if pace <= _FASTER * growth.per_day else f"growth as in the last days, {_signed(pace)} a day"
    return Filling(days, is_known=True, reason=f"{size(free)} are left ({free_source}): {days:,.0f} days of {of}")


def _larger(now: TableSize, record: TablesOfDay | None, before: TableSize | None) -> int | None:
    if before is not None:
        return now.total - before.total
    return now.total if record is not None and record.is_whole else None


def _is_new(place: Place, record: TablesOfDay | None, sizes: Mapping[Place, TableSize]) -> bool:
    return record is not None and record.is_whole and place not in sizes


def _signed(count: float) -> str:
    return f"{'-' if count < 0 else '+'}{size(abs(count))}"
