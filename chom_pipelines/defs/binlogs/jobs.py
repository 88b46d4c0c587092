"""`binlog_archive_job`: every server's archive; a run of it is asked for one server."""

from collections.abc import Iterable

import dagster as dg

from chom_pipelines.defs.binlogs.assets import BINLOG_ARCHIVE
from chom_pipelines.defs.jobs import asset_job
from chom_pipelines.inventory.models import Server

BINLOG_ARCHIVE_JOB = "binlog_archive_job"


def binlog_archive_job(servers: Iterable[Server]) -> dg.Definitions:
    """Of these servers."""
    return asset_job(
        BINLOG_ARCHIVE_JOB,
        BINLOG_ARCHIVE,
        servers,
        "Archives the binary log up to the end of an hour, and tells what can be recovered. A backfill of hours that "
        "are archived adds nothing.",
    )
