"""When full backups are taken: a schedule for each cron and time zone, one run for each server of it."""

from collections.abc import Iterable

import dagster as dg

from chom_pipelines.defs.backups.assets import FULL_BACKUP
from chom_pipelines.defs.backups.jobs import FULL_BACKUP_JOB
from chom_pipelines.defs.schedules import schedule, todays
from chom_pipelines.inventory.cadence import buckets
from chom_pipelines.inventory.models import Server


def full_backup_schedules(servers: Iterable[Server], status: dg.DefaultScheduleStatus) -> list[dg.ScheduleDefinition]:
    """Each server's today."""
    return [
        schedule(FULL_BACKUP, "Full backups", bucket, FULL_BACKUP_JOB, status, partitions=todays)
        for bucket in buckets(servers, lambda schedules: schedules.full)
    ]
