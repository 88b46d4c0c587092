"""When backups are restored to prove them: a schedule for each cron and time zone, one run for each server of it."""

from collections.abc import Iterable

import dagster as dg

from chom_pipelines.backups.jobs import Job
from chom_pipelines.backups.schedules import schedule
from chom_pipelines.inventory.cadence import buckets
from chom_pipelines.inventory.models import Server
from chom_pipelines.inventory.resources import Chom, failures
from chom_pipelines.proofs.checks import VERIFICATION_RESTORE


def verification_schedules(
    servers: Iterable[Server], job: Job, status: dg.DefaultScheduleStatus
) -> list[dg.ScheduleDefinition]:
    """Each server's newest backup, of whatever day it is."""
    return [
        schedule(VERIFICATION_RESTORE, "Verification restores", bucket, job, status, day_of=newest_day)
        for bucket in buckets(servers, lambda schedules: schedules.verification)
    ]


def newest_day(server: str, today: str, chom: Chom) -> str:
    """The day of the newest backup in the repository; where there is none today, so that the run fails and says so.

    Not simply today: the dump that was begun an hour ago may still be running.
    """
    with failures():
        moments = [entry.time for entry in chom.repository().backups(server) if entry.time]
    return f"{max(moments):%Y-%m-%d}" if moments else today
