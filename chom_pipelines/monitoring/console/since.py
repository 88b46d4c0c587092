"""What the records of earlier days add to a look at tables and indexes now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from chom_pipelines.errors import ChomError
from chom_pipelines.inventory.models import Inventory, Server
from chom_pipelines.inventory.opening import repository_of
from chom_pipelines.monitoring.console.screen_tables import Grown, Growth
from chom_pipelines.monitoring.growth.growth import earlier_day
from chom_pipelines.monitoring.growth.index_verdicts import IndexVerdict, Use
from chom_pipelines.monitoring.growth.kept import TABLE_SIZES, days_kept, record_of
from chom_pipelines.monitoring.growth.record import Place as TablePlace
from chom_pipelines.monitoring.growth.record import TablesOfDay
from chom_pipelines.monitoring.growth.report import growth_of, indexes_of
from chom_pipelines.monitoring.readers.redundant import Place
from chom_pipelines.monitoring.readers.tables import TableSize

NONE_YET = "no sizes of earlier days are kept: the asset table_growth keeps them, once a day"


@dataclass(frozen=True)
class Earlier:
    """The records of a day, and of a week, before; `outlook` is for people, of the server as a whole."""

    day: TablesOfDay | None
    week: TablesOfDay | None
    outlook: tuple[str, ...]

    def growth(self, now: Iterable[TableSize]) -> Growth:
        """By how much each table is larger than it was."""
        day, week = self._sizes
        found = {
            (size.database, size.table): Grown(_larger(size, self.day, day), _larger(size, self.week, week))
            for size in now
        }
        return Growth(found, self.outlook)

    @cached_property
    def _sizes(self) -> tuple[Mapping[TablePlace, TableSize], Mapping[TablePlace, TableSize]]:
        return (self.day.sizes if self.day else {}), (self.week.sizes if self.week else {})


def read_earlier(inventory: Inventory, server: Server, at: datetime) -> Earlier | str:
    """What is kept, or why nothing is known of it; `at` is aware. Raises nothing for what cannot be read."""
    try:
        repository = repository_of(inventory.repository)
        days = days_kept(repository, TABLE_SIZES, server.name) if repository.store.is_there() else []
        if not days:
            return NONE_YET
        spans = [earlier_day(days, at.date(), span) for span in (1, 7)]
        day, week = (record_of(repository, TABLE_SIZES, server.name, each) if each else None for each in spans)
        report = growth_of(repository, server.name)
    except ChomError as error:
        return error.what
    outlook = [f"in all: {report.forecast.words}"] if report else []
    if report and report.filling.days is not None:
        outlook.append(f"full in {report.filling.days:,.0f} days: {report.filling.reason}")
    elif report and report.filling.reason not in outlook[0]:
        outlook.append(f"room: {report.filling.reason}")
    return Earlier(day, week, tuple(outlook))


def index_evidence(inventory: Inventory, server: Server) -> Mapping[Place, IndexVerdict]:
    """What the records of the last days say of each index; nothing where they say no more than the server does."""
    try:
        repository = repository_of(inventory.repository)
        report = indexes_of(repository, server.name) if repository.store.is_there() else None
    except ChomError:
        return {}
    return {
        (each.index.database, each.index.table, each.index.name): each
        for each in (report.verdicts if report else ())
        if each.days >= 1 or each.use is Use.USED
    }


def _larger(size: TableSize, before: TablesOfDay | None, sizes: Mapping[TablePlace, TableSize]) -> int | None:
    if before is None:
        return None
    earlier = sizes.get((size.database, size.table))
    if earlier is None:
        return size.total if before.is_whole else None
    return size.total - earlier.total
