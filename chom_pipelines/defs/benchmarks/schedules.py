"""When benchmarks are run: a schedule for each cron and time zone, one run for each server of it."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

import dagster as dg

from chom_pipelines.defs.benchmarks.assets import BENCHMARK_REPORT
from chom_pipelines.defs.benchmarks.jobs import BENCHMARK_JOB
from chom_pipelines.defs.resources import Chom
from chom_pipelines.defs.schedules import schedule
from chom_pipelines.inventory.cadence import buckets
from chom_pipelines.inventory.models import Server


def benchmark_schedules(servers: Iterable[Server], status: dg.DefaultScheduleStatus) -> list[dg.ScheduleDefinition]:
    """Each server's week of the tick; none where no server asks for it."""
    return [
        schedule(BENCHMARK_REPORT, "Benchmarks", bucket, BENCHMARK_JOB, status, partitions=_this_week)
        for bucket in buckets(servers, lambda schedules: schedules.benchmark)
    ]


def _this_week(_chom: Chom, servers: Sequence[str], tick: datetime) -> dict[str, str]:
    return dict.fromkeys(servers, f"{tick - timedelta(days=tick.weekday()):%Y-%m-%d}")
