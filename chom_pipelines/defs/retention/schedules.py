"""When retention is applied: a schedule for each cron and time zone, one run for each server of it."""

from collections.abc import Iterable

import dagster as dg

from chom_pipelines.defs.retention.assets import RETENTION
from chom_pipelines.defs.retention.jobs import RETENTION_JOB
from chom_pipelines.defs.schedules import schedule, todays
from chom_pipelines.inventory.cadence import buckets
from chom_pipelines.inventory.models import Server


def retention_schedules(servers: Iterable[Server], status: dg.DefaultScheduleStatus) -> list[dg.ScheduleDefinition]:
    """Each server's today."""
    return [
        schedule(RETENTION, "Retention", bucket, RETENTION_JOB, status, partitions=todays)
        for bucket in buckets(servers, lambda schedules: schedules.retention)
    ]
