"""When servers are measured: a schedule for each cron and time zone, one run for each server of it."""

from collections.abc import Sequence

import dagster as dg

from chom_pipelines.defs.monitoring.assets import INDEX_USAGE, TABLE_GROWTH
from chom_pipelines.defs.monitoring.fleet import fleet_schedules
from chom_pipelines.defs.monitoring.jobs import MONITORING_JOB
from chom_pipelines.defs.schedules import schedule, todays
from chom_pipelines.inventory.cadence import buckets
from chom_pipelines.inventory.models import Server


def monitoring_schedules(servers: Sequence[Server], status: dg.DefaultScheduleStatus) -> list[dg.ScheduleDefinition]:
    """Each server's today, its tables and indexes in one run; and all of them together, when the day is over."""
    return [
        *(
            schedule(
                *(TABLE_GROWTH, "Sizes of tables and uses of indexes", bucket, MONITORING_JOB, status),
                partitions=todays,
                beside=(INDEX_USAGE,),
            )
            for bucket in buckets(servers, lambda schedules: schedules.monitoring)
        ),
        *fleet_schedules(servers, MONITORING_JOB, status),
    ]
