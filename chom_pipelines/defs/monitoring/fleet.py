"""The asset `fleet_growth`: what all servers hold, and which were not measured."""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, timedelta
from typing import Any

import dagster as dg

from chom_pipelines.defs.kinds import DAYS, asset_key
from chom_pipelines.defs.monitoring.assets import TABLE_GROWTH
from chom_pipelines.defs.resources import Chom
from chom_pipelines.defs.retries import failures
from chom_pipelines.inventory.models import Server

FLEET_GROWTH = "fleet_growth"
_CRON = "0 1 * * *"


def fleet_growth(servers: Iterable[Server]) -> dg.AssetsDefinition:
    """Of these servers."""

    @dg.asset(
        name=FLEET_GROWTH,
        deps=[asset_key(server.name, TABLE_GROWTH) for server in servers],
        partitions_def=DAYS,
        group_name="fleet",
        kinds={"sql"},
        description=(
            "What all servers held on that day (UTC), by what was measured of each: the repository tells it, and no "
            "server is asked. Where one was not measured, there is no total, and the table says which."
        ),
    )
    def summed(context: dg.AssetExecutionContext, chom: Chom) -> dg.MaterializeResult[Any]:
        from chom_pipelines.defs.monitoring.measuring import fleet_metadata

        with failures(context):
            return dg.MaterializeResult(
                metadata=fleet_metadata(chom.inventory(), date.fromisoformat(context.partition_key))
            )

    return summed


def fleet_schedules(
    servers: Sequence[Server], job: str, status: dg.DefaultScheduleStatus
) -> list[dg.ScheduleDefinition]:
    """For the day that is over, where any server is measured."""
    if not any(server.schedules.monitoring for server in servers):
        return []

    @dg.schedule(
        name=f"{FLEET_GROWTH}_schedule",
        job_name=job,
        cron_schedule=_CRON,
        execution_timezone="UTC",
        default_status=status,
        description="What all servers held on the day before.",
    )
    def request(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        day = context.scheduled_execution_time.astimezone(UTC) - timedelta(days=1)
        return dg.RunRequest(
            run_key=f"{day:%Y-%m-%d}", partition_key=f"{day:%Y-%m-%d}", asset_selection=[dg.AssetKey(FLEET_GROWTH)]
        )

    return [request]
