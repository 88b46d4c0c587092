"""`full_backup_job`: every server's backup; a run of it is asked for one server."""

from collections.abc import Iterable

import dagster as dg

from chom_pipelines.defs.backups.assets import FULL_BACKUP
from chom_pipelines.defs.jobs import asset_job
from chom_pipelines.inventory.models import Server

FULL_BACKUP_JOB = "full_backup_job"


def full_backup_job(servers: Iterable[Server]) -> dg.Definitions:
    """Of these servers."""
    return asset_job(
        FULL_BACKUP_JOB,
        FULL_BACKUP,
        servers,
        "Takes a full backup of today and checks it. Select one server's asset: its run can be retried alone.",
    )
