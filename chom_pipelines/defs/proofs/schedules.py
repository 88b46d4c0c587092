"""When backups are restored to prove them: a schedule for each cron and time zone, one run for each server of it."""

from collections.abc import Iterable, Sequence
from datetime import datetime

import dagster as dg

from chom_pipelines.defs.proofs.checks import VERIFICATION_RESTORE
from chom_pipelines.defs.proofs.jobs import VERIFICATION_JOB
from chom_pipelines.defs.resources import Chom
from chom_pipelines.defs.schedules import schedule
from chom_pipelines.errors import RepositoryError
from chom_pipelines.inventory.cadence import buckets
from chom_pipelines.inventory.models import Server
from chom_pipelines.inventory.opening import repository_of
from chom_pipelines.repository.repository import Repository


def verification_schedules(servers: Iterable[Server], status: dg.DefaultScheduleStatus) -> list[dg.ScheduleDefinition]:
    """Each server's newest backup, of whatever day it is."""
    return [
        schedule(
            VERIFICATION_RESTORE, "Verification restores", bucket, VERIFICATION_JOB, status, partitions=newest_days
        )
        for bucket in buckets(servers, lambda schedules: schedules.verification)
    ]


def newest_days(chom: Chom, servers: Sequence[str], tick: datetime) -> dict[str, str]:
    """The day of each server's newest backup in the repository; raises ConfigurationError.

    Not simply today: the dump that was begun an hour ago may still be running.
    """
    repository = repository_of(chom.inventory().repository)
    return {server: _newest(repository, server) or f"{tick:%Y-%m-%d}" for server in servers}


def _newest(repository: Repository, server: str) -> str | None:
    """None where there is none that can be seen: the run of today then fails, and says why."""
    try:
        moments = [entry.time for entry in repository.backups(server) if entry.time]
    except RepositoryError:
        return None
    return f"{max(moments):%Y-%m-%d}" if moments else None
