"""`monitoring_job`: what is measured of every server each day; a run of it is asked for one server."""

from collections.abc import Iterable

import dagster as dg

from chom_pipelines.defs.kinds import asset_key
from chom_pipelines.defs.monitoring.assets import INDEX_USAGE, TABLE_GROWTH
from chom_pipelines.defs.monitoring.fleet import FLEET_GROWTH
from chom_pipelines.inventory.models import Server

MONITORING_JOB = "monitoring_job"


def monitoring_job(servers: Iterable[Server]) -> dg.Definitions:
    """Of these servers, and of all of them together; alone in definitions, as Dagster exports no type of its own."""
    keys = [asset_key(server.name, kind) for server in servers for kind in (TABLE_GROWTH, INDEX_USAGE)]
    if keys:
        keys.append(dg.AssetKey(FLEET_GROWTH))
    job = dg.define_asset_job(
        MONITORING_JOB,
        selection=dg.AssetSelection.assets(*keys),
        executor_def=dg.in_process_executor,
        description="Reads the sizes of tables and how often indexes were read; every question has a time limit.",
    )
    return dg.Definitions(jobs=[job])
