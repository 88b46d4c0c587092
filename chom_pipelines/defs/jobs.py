"""The job of a kind of asset, which every domain makes one of."""

from collections.abc import Iterable

import dagster as dg

from chom_pipelines.defs.kinds import asset_key
from chom_pipelines.inventory.models import Server


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
