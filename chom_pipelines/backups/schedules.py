"""When full backups are taken: a schedule for each cron and time zone, one run for each server of it."""

from collections.abc import Callable, Iterable, Iterator
from datetime import timezone

import dagster as dg

from chom_pipelines.backups.assets import FULL_BACKUP
from chom_pipelines.backups.jobs import Job
from chom_pipelines.inventory.cadence import Bucket, buckets
from chom_pipelines.inventory.models import Server
from chom_pipelines.inventory.resources import Chom

DayOf = Callable[[str, str, Chom], str]


def full_backup_schedules(
    servers: Iterable[Server], job: Job, status: dg.DefaultScheduleStatus
) -> list[dg.ScheduleDefinition]:
    """Each server's today."""
    return [
        schedule(FULL_BACKUP, "Full backups", bucket, job, status, day_of=lambda _server, today, _chom: today)
        for bucket in buckets(servers, lambda schedules: schedules.full)
    ]


def schedule(
    asset: str,
    title: str,
    bucket: Bucket,
    job: Job,
    status: dg.DefaultScheduleStatus,
    *,
    day_of: DayOf,
) -> dg.ScheduleDefinition:
    """One run for each server of the bucket; `day_of(server, today, chom)` says of which day (UTC), as YYYY-MM-DD."""

    @dg.schedule(
        name=f"{asset}_schedule_{bucket.slug}",
        job=job,
        cron_schedule=bucket.cron,
        execution_timezone=bucket.timezone,
        default_status=status,
        description=f"{title} at {bucket.cron} ({bucket.timezone}) of {', '.join(bucket.servers)}.",
    )
    def requests(context: dg.ScheduleEvaluationContext, chom: Chom) -> Iterator[dg.RunRequest]:
        tick = context.scheduled_execution_time.astimezone(timezone.utc)
        for server in bucket.servers:
            yield dg.RunRequest(
                # of the tick and not of the day: a cron that fires twice a day means two backups a day
                run_key=f"{server}:{tick:%Y-%m-%dT%H:%M}",
                partition_key=day_of(server, f"{tick:%Y-%m-%d}", chom),
                asset_selection=[dg.AssetKey([server, asset])],
                tags={"chom/server": server},
            )

    return requests
