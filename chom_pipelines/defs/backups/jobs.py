"""`full_backup_job`: every server's backup; a run of it is asked for one server."""

from collections.abc import Iterable
from typing import TypeAlias

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from chom_pipelines.defs.backups.assets import FULL_BACKUP
from chom_pipelines.inventory.models import Server

Job: TypeAlias = UnresolvedAssetJobDefinition
"""What dg.define_asset_job returns, which Dagster exports no name for."""


def asset_job(name: str, asset: str, servers: Iterable[Server], description: str) -> Job:
    """The job of one kind of asset, its checks included.

    In the run's own process: the work is one step of child processes, and another process in between only costs time.
    """
    return dg.define_asset_job(
        name,
        selection=dg.AssetSelection.assets(*(dg.AssetKey([server.name, asset]) for server in servers)),
        executor_def=dg.in_process_executor,
        description=description,
    )


def full_backup_job(servers: Iterable[Server]) -> Job:
    """Of these servers."""
    return asset_job(
        "full_backup_job",
        FULL_BACKUP,
        servers,
        "Takes a full backup of today and checks it. Select one server's asset: its run can be retried alone.",
    )
