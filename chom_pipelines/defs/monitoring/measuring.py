"""The runs of the assets of monitoring. Imported by a run alone, as what it needs takes time to import."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from typing import Any, TypeVar

import dagster as dg

from chom_pipelines.backups.verdicts import Verdict
from chom_pipelines.defs.checks import check_result
from chom_pipelines.defs.kinds import RESULT, server_of
from chom_pipelines.defs.monitoring import metadata
from chom_pipelines.defs.monitoring.assets import EVERY_TABLE, READS, ROOM
from chom_pipelines.defs.resources import Chom
from chom_pipelines.defs.retries import failures
from chom_pipelines.errors import ServerError
from chom_pipelines.inventory.models import Inventory, Server
from chom_pipelines.inventory.opening import existing_repository, repository_of
from chom_pipelines.monitoring.growth.charts import drawn
from chom_pipelines.monitoring.growth.kept import INDEX_READS, STATEMENTS, TABLE_SIZES, KindOfRecord, days_kept, keep
from chom_pipelines.monitoring.growth.measuring import is_measurable, measure_indexes, measure_tables
from chom_pipelines.monitoring.growth.report import GrowthReport, IndexReport, growth_of, indexes_of
from chom_pipelines.outcome import Outcome
from chom_pipelines.repository.repository import Repository

_Told = TypeVar("_Told", GrowthReport, IndexReport)


def tables_measured(context: dg.AssetExecutionContext, chom: Chom) -> dg.MaterializeResult[Any]:
    """Measure, keep and tell; raises dg.Failure where that day cannot be measured, and was not."""

    def measure(repository: Repository, server: Server, day: date) -> None:
        record = measure_tables(server.endpoint(), server.databases, day)
        context.log.info("kept in %s", keep(repository, TABLE_SIZES, record))

    with failures(context):
        server, report = _measured(context, chom, measure, growth_of)
        newest = _newest(chom, server, TABLE_SIZES, growth_of) or report
    _warn(context, report.problems)
    key = context.asset_key_for_output(RESULT)
    return dg.MaterializeResult(
        metadata={**metadata.of_tables(report, _chart(context, server.name, report))},
        check_results=[
            check_result(key, EVERY_TABLE, _seen(newest.now.lacks, "the size of every table was told")),
            check_result(key, ROOM, metadata.room(newest, server.thresholds.days_to_full)),
        ],
    )


def indexes_measured(context: dg.AssetExecutionContext, chom: Chom) -> dg.MaterializeResult[Any]:
    """The same of indexes; the statements are kept beside."""

    def measure(repository: Repository, server: Server, day: date) -> None:
        record, queries = measure_indexes(server.endpoint(), server.databases, day)
        keep(repository, STATEMENTS, queries)
        context.log.info("kept in %s", keep(repository, INDEX_READS, record))

    with failures(context):
        server, report = _measured(context, chom, measure, indexes_of)
        newest = _newest(chom, server, INDEX_READS, indexes_of) or report
    _warn(context, report.problems)
    key = context.asset_key_for_output(RESULT)
    told = f"reads are counted by {newest.now.source or 'nothing'}"
    return dg.MaterializeResult(
        metadata=metadata.of_indexes(report), check_results=[check_result(key, READS, _seen(newest.now.lacks, told))]
    )


def fleet_metadata(inventory: Inventory, day: date) -> dict[str, Any]:
    """What was measured of each server that day. Raises RepositoryError."""
    repository = existing_repository(inventory.repository)
    found = {server.name: growth_of(repository, server.name, day) for server in inventory.servers}
    last = {
        name: max(days_kept(repository, TABLE_SIZES, name), default=None) for name, told in found.items() if not told
    }
    return metadata.of_fleet(found, last)


def _measured(
    context: dg.AssetExecutionContext,
    chom: Chom,
    measure: Callable[[Repository, Server, date], None],
    tell: Callable[[Repository, str, date], _Told | None],
) -> tuple[Server, _Told]:
    inventory, day = chom.inventory(), date.fromisoformat(context.partition_key)
    server = inventory.server(server_of(context.asset_key_for_output(RESULT)))
    repository, now = repository_of(inventory.repository), datetime.now(UTC)
    repository.create()
    report = None
    if day != now.date():
        report = tell(repository, server.name, day)
        if report is not None:
            context.log.info("shown as it was measured on %s", report.now.taken)
    if report is None and is_measurable(day, now):
        measure(repository, server, day)
        report = tell(repository, server.name, day)
    if report is None:
        what = f"of {day} nothing was kept, and it cannot be measured now: a server tells how it is, not how it was"
        raise ServerError(what, f"materialise {now.date()}; {day} stays without")
    return server, report


def _newest(
    chom: Chom, server: Server, kind: KindOfRecord[Any], tell: Callable[[Repository, str, date], _Told | None]
) -> _Told | None:
    """The last day's: a check is of the asset and not of a partition, so that a day of last week must not answer it."""
    repository = repository_of(chom.inventory().repository)
    last = max(days_kept(repository, kind, server.name), default=None)
    return tell(repository, server.name, last) if last else None


def _seen(lacks: Sequence[str], otherwise: str) -> Verdict:
    if not lacks:
        return Verdict(Outcome.PASSED, otherwise)
    return Verdict(Outcome.NOT_VERIFIED, lacks[0], failures=tuple(lacks))


def _warn(context: dg.AssetExecutionContext, problems: Sequence[Exception]) -> None:
    for problem in problems:
        context.log.warning("left out: %s", problem)


def _chart(context: dg.AssetExecutionContext, server: str, report: GrowthReport) -> bytes | None:
    try:
        return drawn(server, report.totals, report.forecast)
    except Exception as error:  # noqa: BLE001  (a library's; what was measured is not lost for a picture)
        context.log.warning("without a chart: %s: %s", type(error).__name__, error)
        return None
