"""`offsite_job`: every server's second copy; a run of it is asked for one server."""

from collections.abc import Iterable

import dagster as dg

from chom_pipelines.defs.jobs import asset_job
from chom_pipelines.defs.offsite.assets import OFFSITE_COPY, with_second_copy
from chom_pipelines.inventory.models import Server

OFFSITE_JOB = "offsite_job"


def offsite_job(servers: Iterable[Server]) -> dg.Definitions:
    """Of these servers, where there is one with a second copy."""
    copied = with_second_copy(servers)
    if not copied:
        return dg.Definitions()
    return asset_job(
        OFFSITE_JOB, OFFSITE_COPY, copied, "Copies into the second copy what that lacks of backups and binary logs."
    )
