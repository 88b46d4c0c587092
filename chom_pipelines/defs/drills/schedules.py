"""When drills are held: a schedule for each cron and time zone, one run for each server of it."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

import dagster as dg

from chom_pipelines.defs.drills.assets import PITR_DRILL
from chom_pipelines.defs.drills.jobs import PITR_DRILL_JOB
from chom_pipelines.defs.resources import Chom
from chom_pipelines.defs.schedules import schedule
from chom_pipelines.inventory.cadence import buckets
from chom_pipelines.inventory.models import Server

_WEEK = timedelta(days=7)


def pitr_drill_schedules(servers: Iterable[Server], status: dg.DefaultScheduleStatus) -> list[dg.ScheduleDefinition]:
    """Each server's last week that is over."""
    return [
        schedule(PITR_DRILL, "Drills", bucket, PITR_DRILL_JOB, status, partitions=_last_week)
        for bucket in buckets(servers, lambda schedules: schedules.drill)
    ]


def _last_week(_chom: Chom, servers: Sequence[str], tick: datetime) -> dict[str, str]:
    monday = tick - timedelta(days=tick.weekday()) - _WEEK
    return dict.fromkeys(servers, f"{monday:%Y-%m-%d}")
