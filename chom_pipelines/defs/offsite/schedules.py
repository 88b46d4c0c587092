"""When the second copy is brought up to date, whatever the sensor has done: one run for each server."""

from collections.abc import Iterable

import dagster as dg

from chom_pipelines.defs.offsite.assets import OFFSITE_COPY, with_second_copy
from chom_pipelines.defs.offsite.jobs import OFFSITE_JOB
from chom_pipelines.defs.schedules import schedule, todays
from chom_pipelines.inventory.cadence import buckets
from chom_pipelines.inventory.models import Server


def offsite_schedules(servers: Iterable[Server], status: dg.DefaultScheduleStatus) -> list[dg.ScheduleDefinition]:
    """Each server's today."""
    return [
        schedule(OFFSITE_COPY, "Second copies", bucket, OFFSITE_JOB, status, partitions=todays)
        for bucket in buckets(with_second_copy(servers), lambda schedules: schedules.offsite)
    ]
