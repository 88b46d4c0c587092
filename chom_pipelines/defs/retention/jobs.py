"""`retention_job`: every server's retention; a run of it is asked for one server."""

from collections.abc import Iterable

import dagster as dg

from chom_pipelines.defs.jobs import asset_job
from chom_pipelines.defs.retention.assets import RETENTION
from chom_pipelines.inventory.models import Server

RETENTION_JOB = "retention_job"


def retention_job(servers: Iterable[Server]) -> dg.Definitions:
    """Of these servers."""
    return asset_job(
        RETENTION_JOB,
        RETENTION,
        servers,
        "Deletes backups and archived binary logs that the retention of chom.yaml lets go.",
    )
