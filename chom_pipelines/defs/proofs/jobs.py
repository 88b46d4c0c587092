"""`verification_job`: every server's verification restore; a run of it is asked for one server."""

from collections.abc import Iterable

import dagster as dg

from chom_pipelines.defs.jobs import asset_job
from chom_pipelines.defs.proofs.checks import VERIFICATION_RESTORE
from chom_pipelines.inventory.models import Server

VERIFICATION_JOB = "verification_job"


def verification_job(servers: Iterable[Server]) -> dg.Definitions:
    """Of these servers."""
    return asset_job(
        VERIFICATION_JOB,
        VERIFICATION_RESTORE,
        servers,
        "Restores that day's last backup on a private server of this machine and compares it, table by table.",
    )
