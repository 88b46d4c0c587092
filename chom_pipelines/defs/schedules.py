"""The schedule of a kind of asset for the servers of one cron and time zone: one run for each."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache

import dagster as dg

from chom_pipelines.defs.kinds import asset_key
from chom_pipelines.defs.resources import Chom
from chom_pipelines.inventory.cadence import Bucket, longest_gap

Partitions = Callable[[Chom, Sequence[str], datetime], Mapping[str, str]]
"""partitions(chom, servers, tick): of which partition each server's run is; the tick is in UTC, as partitions are."""


def todays(_chom: Chom, servers: Sequence[str], tick: datetime) -> dict[str, str]:
    """The day of the tick, for what is of now."""
    return dict.fromkeys(servers, f"{tick:%Y-%m-%d}")


_TICK = "chom/tick"
_MINUTE = "%Y-%m-%dT%H:%M"


def tick_of(run: dg.DagsterRun) -> datetime | None:
    """When the schedule was due that has asked for the run; None: a person has."""
    tick = run.tags.get(_TICK)
    return datetime.strptime(tick, _MINUTE).replace(tzinfo=UTC) if tick else None


@cache  # a fleet has few of them
def freshness(cron: str | None, zone: str, late: timedelta) -> dg.FreshnessPolicy | None:
    """As old as this schedule lets it get, and `late`; that a second tick was missed fails. None: no schedule."""
    if cron is None:
        return None
    gap = longest_gap(cron, zone)
    return dg.FreshnessPolicy.time_window(warn_window=gap + late, fail_window=2 * gap + late)


def schedule(
    asset: str,
    title: str,
    bucket: Bucket,
    job: str,
    status: dg.DefaultScheduleStatus,
    *,
    partitions: Partitions,
    beside: Sequence[str] = (),
) -> dg.ScheduleDefinition:
    """One run for each server of the bucket; of its assets `beside` as well."""

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
        for server, partition in partitions(chom, bucket.servers, tick).items():
            yield dg.RunRequest(
                # of the tick and not of the day: a cron that fires twice a day means two backups a day
                run_key=f"{server}:{tick:{_MINUTE}}",
                partition_key=partition,
                asset_selection=[asset_key(server, kind) for kind in (asset, *beside)],
                tags={"chom/server": server, _TICK: f"{tick:{_MINUTE}}"},
            )

    return requests
