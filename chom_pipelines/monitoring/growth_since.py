"""What the records of earlier days add to a look at tables and indexes now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from chom_pipelines.errors import ChomError
from chom_pipelines.inventory.models import Inventory, Server
from chom_pipelines.inventory.opening import repository_of
from chom_pipelines.monitoring.growth import earlier_day
from chom_pipelines.monitoring.growth_record import TablesOfDay
from chom_pipelines.monitoring.index_verdicts import WINDOW, IndexVerdict, verdicts
from chom_pipelines.monitoring.kept_growth import INDEX_READS, TABLE_SIZES, days_kept, record_of, records_of
from chom_pipelines.monitoring.redundant import Place
from chom_pipelines.monitoring.screen_tables import Grown
from chom_pipelines.monitoring.tables import TableSize

NONE_YET = "no sizes of earlier days are kept: the asset table_growth keeps them, once a day"


def growth_since(
    inventory: Inventory, server: Server, now: Sequence[TableSize], at: datetime
) -> Mapping[tuple[str, str], Grown] | str:
    """By how much each table is larger than it was; or why that is not known. Raises nothing for what is kept."""
    try:
        repository = repository_of(inventory.repository)
        days = days_kept(repository, TABLE_SIZES, server.name) if repository.store.is_there() else []
        spans = [earlier_day(days, at.date(), span) for span in (1, 7)]
        if not any(spans):
            return NONE_YET
        day, week = (record_of(repository, TABLE_SIZES, server.name, each) if each else None for each in spans)
    except ChomError as error:
        return error.what
    return {(size.database, size.table): Grown(_larger(size, day), _larger(size, week)) for size in now}


def index_evidence(inventory: Inventory, server: Server, at: datetime) -> Mapping[Place, IndexVerdict]:
    """What the records of the last days say of each index; nothing where there are none, or one cannot be read."""
    try:
        repository = repository_of(inventory.repository)
        days = days_kept(repository, INDEX_READS, server.name) if repository.store.is_there() else []
        recent = [day for day in days if day >= (at - WINDOW).date()]
        records = list(records_of(repository, INDEX_READS, server.name, recent))
    except ChomError:
        return {}
    kept = [record for record in records if not isinstance(record, ChomError)]
    if len(kept) < 2:  # noqa: PLR2004  (one alone says what the server says itself)
        return {}
    return {(each.index.database, each.index.table, each.index.name): each for each in verdicts(kept)}


def _larger(size: TableSize, before: TablesOfDay | None) -> int | None:
    if before is None:
        return None
    earlier = before.sizes.get((size.database, size.table))
    if earlier is None:
        return size.total if before.is_whole else None
    return size.total - earlier.total
