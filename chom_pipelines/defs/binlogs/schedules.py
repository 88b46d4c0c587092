"""When binary logs are archived: a schedule for each cron and time zone, one run for each server of it."""

from collections.abc import Iterable, Sequence
from datetime import datetime

import dagster as dg

from chom_pipelines.defs.binlogs.assets import BINLOG_ARCHIVE
from chom_pipelines.defs.binlogs.hours import HOUR, partition_of
from chom_pipelines.defs.binlogs.jobs import BINLOG_ARCHIVE_JOB
from chom_pipelines.defs.resources import Chom
from chom_pipelines.defs.schedules import schedule
from chom_pipelines.inventory.cadence import buckets
from chom_pipelines.inventory.models import Server


def binlog_archive_schedules(
    servers: Iterable[Server], status: dg.DefaultScheduleStatus
) -> list[dg.ScheduleDefinition]:
    """Each server's last hour that is over. With it everything before is archived, too."""
    return [
        schedule(
            BINLOG_ARCHIVE,
            "Archives of the binary log",
            bucket,
            BINLOG_ARCHIVE_JOB,
            status,
            partitions=_last_hour,
        )
        for bucket in buckets(servers, lambda schedules: schedules.binlogs)
    ]


def _last_hour(_chom: Chom, servers: Sequence[str], tick: datetime) -> dict[str, str]:
    return dict.fromkeys(servers, partition_of(tick.replace(minute=0, second=0, microsecond=0) - HOUR))
