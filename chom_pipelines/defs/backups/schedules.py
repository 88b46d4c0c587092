"""When full backups are taken: a schedule for each cron and time zone, one run for each server of it."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC

import dagster as dg

from chom_pipelines.defs.backups.assets import FULL_BACKUP
from chom_pipelines.defs.backups.jobs import FULL_BACKUP_JOB
from chom_pipelines.defs.kinds import asset_key
from chom_pipelines.defs.resources import Chom
from chom_pipelines.inventory.cadence import Bucket, buckets
from chom_pipelines.inventory.models import Server

Days = Callable[[Chom, Sequence[str], str], Mapping[str, str]]
"""days(chom, servers, today): of which day (UTC, YYYY-MM-DD) each server's run is."""


def full_backup_schedules(servers: Iterable[Server], status: dg.DefaultScheduleStatus) -> list[dg.ScheduleDefinition]:
    """Each server's today."""
    return [
        schedule(
            FULL_BACKUP,
            "Full backups",
            bucket,
            FULL_BACKUP_JOB,
            status,
            days=lambda _chom, names, today: dict.fromkeys(names, today),
        )
        for bucket in buckets(servers, lambda schedules: schedules.full)
    ]


def schedule(
    asset: str,
    title: str,
    bucket: Bucket,
    job: str,
    status: dg.DefaultScheduleStatus,
    *,
    days: Days,
) -> dg.ScheduleDefinition:
    """One run for each server of the bucket."""

    @dg.schedule(
        name=f"{asset}_schedule_{bucket.slug}",
        job_name=job,
        cron_schedule=bucket.cron,
        execution_timezone=bucket.timezone,
        default_status=status,
        description=f"{title} at {bucket.cron} ({bucket.timezone}) of {', '.join(bucket.servers)}.",
    )
    def requests(context: dg.ScheduleEvaluationContext, chom: Chom) -> Iterator[dg.RunRequest]:
        tick = context.scheduled_execution_time.astimezone(UTC)
        for server, day in days(chom, bucket.servers, f"{tick:%Y-%m-%d}").items():
            yield dg.RunRequest(
                # of the tick and not of the day: a cron that fires twice a day means two backups a day
                run_key=f"{server}:{tick:%Y-%m-%dT%H:%M}",
                partition_key=day,
                asset_selection=[asset_key(server, asset)],
                tags={"chom/server": server},
            )

    return requests
