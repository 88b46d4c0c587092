"""`pitr_drill_job`: every server's drill; a run of it is asked for one server."""

from collections.abc import Iterable

import dagster as dg

from chom_pipelines.defs.drills.assets import PITR_DRILL
from chom_pipelines.defs.jobs import asset_job
from chom_pipelines.inventory.models import Server

PITR_DRILL_JOB = "pitr_drill_job"


def pitr_drill_job(servers: Iterable[Server]) -> dg.Definitions:
    """Of these servers."""
    return asset_job(
        PITR_DRILL_JOB,
        PITR_DRILL,
        servers,
        "Restores a random second of a week by two ways on private servers, which have to agree.",
    )
