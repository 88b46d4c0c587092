"""What the records in the repository tell of a server's growth and of its indexes, up to a day."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import chain

from chom_pipelines.errors import RepositoryError
from chom_pipelines.monitoring.growth.growth import (
    SPANS,
    WINDOW,
    Change,
    Filling,
    Forecast,
    Total,
    changes,
    earlier_day,
    filling,
    forecast,
    gone,
    total_of,
)
from chom_pipelines.monitoring.growth.index_verdicts import WINDOW as INDEX_WINDOW
from chom_pipelines.monitoring.growth.index_verdicts import IndexVerdict, Use, verdicts
from chom_pipelines.monitoring.growth.kept import INDEX_READS, TABLE_SIZES, days_kept, record_of, records_of
from chom_pipelines.monitoring.growth.record import IndexesOfDay, TablesOfDay
from chom_pipelines.monitoring.readers.tables import TableSize
from chom_pipelines.repository.repository import Repository


@dataclass(frozen=True)
class GrowthReport:
    """Of the day of `now`; `totals` oldest first. `problems` are days that cannot be read, and so count for nothing."""

    now: TablesOfDay
    totals: tuple[Total, ...]
    changes: tuple[Change, ...]
    gone: tuple[TableSize, ...]
    forecast: Forecast
    filling: Filling
    problems: tuple[RepositoryError, ...]

    @property
    def total(self) -> Total:
        """Of the day."""
        return self.totals[-1]

    def grown(self, span: int) -> int | None:
        """Bytes of data and indexes more than so many days before; None: there is no whole record to tell by."""
        by_day = {total.day: total for total in self.totals if total.is_whole}
        day = earlier_day(by_day, self.now.day, span)
        if day is None or not self.total.is_whole:
            return None
        return self.total.bytes - by_day[day].bytes

    @property
    def largest(self) -> list[Change]:
        """All tables, largest first."""
        return sorted(self.changes, key=lambda each: (-each.size.total, each.size.database, each.size.table))

    @property
    def fastest(self) -> list[Change]:
        """The tables that have grown, by the longest time that is known of them, fastest first."""
        rates = [(_rate(each), each) for each in self.changes]
        growing = [(rate, each) for rate, each in rates if rate > 0]
        growing.sort(key=lambda pair: (-pair[0], pair[1].size.database, pair[1].size.table))
        return [each for _, each in growing]


@dataclass(frozen=True)
class IndexReport:
    """Of the day of `now`."""

    now: IndexesOfDay
    verdicts: tuple[IndexVerdict, ...]
    problems: tuple[RepositoryError, ...]

    def of(self, use: Use) -> list[IndexVerdict]:
        """Those with that verdict, largest first."""
        found = [each for each in self.verdicts if each.use is use]
        return sorted(found, key=lambda each: -(each.index.bytes or 0))


def growth_of(repository: Repository, server: str, day: date | None = None) -> GrowthReport | None:
    """Up to that day, or the last one; None: there is no record of it. Raises what `record_of` raises."""
    days = days_kept(repository, TABLE_SIZES, server)
    last = _last(days, day)
    if last is None:
        return None
    now = record_of(repository, TABLE_SIZES, server, last)
    earlier = [each for each in days if last - WINDOW <= each < last]
    wanted = {span: earlier_day(earlier, last, span) for span in SPANS}
    kept: dict[date, TablesOfDay] = {}
    totals, problems = [], []
    for record in records_of(repository, TABLE_SIZES, server, earlier):
        if isinstance(record, RepositoryError):
            problems.append(record)
            continue
        totals.append(total_of(record))
        if record.day in wanted.values():
            kept[record.day] = record  # of the others the sums do: there may be 50,000 tables
    totals.append(total_of(now))
    before = {span: kept.get(each) if each else None for span, each in wanted.items()}
    growth = forecast(totals, now.source, now.file_source if _are_files_told(totals) else "")
    return GrowthReport(
        now,
        tuple(totals),
        changes(now, before),
        gone(now, before[SPANS[0]]),
        growth,
        filling(growth, now.free, now.free_source),
        tuple(problems),
    )


def indexes_of(repository: Repository, server: str, day: date | None = None) -> IndexReport | None:
    """Up to that day, or the last one; None: there is no record of it. Raises what `record_of` raises."""
    days = days_kept(repository, INDEX_READS, server)
    last = _last(days, day)
    if last is None:
        return None
    now = record_of(repository, INDEX_READS, server, last)
    problems: list[RepositoryError] = []
    earlier = [each for each in days if last - INDEX_WINDOW <= each < last]
    before = _readable(records_of(repository, INDEX_READS, server, earlier), problems)
    told = verdicts(chain(before, (now,)))
    return IndexReport(now, told, tuple(problems))


def _readable(
    records: Iterable[IndexesOfDay | RepositoryError], problems: list[RepositoryError]
) -> Iterator[IndexesOfDay]:
    for record in records:
        if isinstance(record, RepositoryError):
            problems.append(record)
        else:
            yield record


def _are_files_told(totals: Sequence[Total]) -> bool:
    """Now, and of so many days that they tell at least as much of the growth as the server's estimates."""
    whole = [total for total in totals if total.is_whole]
    told = sum(total.files is not None for total in whole)
    return totals[-1].files is not None and 2 * told >= len(whole)


def _last(days: Sequence[date], day: date | None) -> date | None:
    if day is None:
        return days[-1] if days else None
    return day if day in days else None


def _rate(change: Change) -> float:
    """Bytes a day."""
    told = [grown / span for grown, span in zip(change.before, SPANS, strict=True) if grown is not None]
    return told[-1] if told else 0.0
