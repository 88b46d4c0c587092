"""`full_backup_job`: every server's backup; a run of it is asked for one server."""

from collections.abc import Iterable

import dagster as dg

from chom_pipelines.defs.backups.assets import FULL_BACKUP
from chom_pipelines.defs.kinds import asset_key
from chom_pipelines.inventory.models import Server

FULL_BACKUP_JOB = "full_backup_job"


def asset_job(name: str, kind: str, servers: Iterable[Server], description: str) -> dg.Definitions:
    """The job of one kind of asset, its checks included; alone in definitions, as Dagster exports no type of its own.

    In the run's own process: the work is one step of child processes, and another process in between only costs time.
    """
    job = dg.define_asset_job(
        name,
        selection=dg.AssetSelection.assets(*(asset_key(server.name, kind) for server in servers)),
        executor_def=dg.in_process_executor,
        description=description,
    )
    return dg.Definitions(jobs=[job])


def full_backup_job(servers: Iterable[Server]) -> dg.Definitions:
    """Of these servers."""
    return asset_job(
        FULL_BACKUP_JOB,
        FULL_BACKUP,
        servers,
        "Takes a full backup of today and checks it. Select one server's asset: its run can be retried alone.",
    )
