"""`benchmark_job`: every server's benchmark; a run of it is asked for one server."""

from collections.abc import Iterable

import dagster as dg

from chom_pipelines.defs.benchmarks.assets import BENCHMARK_REPORT
from chom_pipelines.defs.jobs import asset_job
from chom_pipelines.inventory.models import Server

BENCHMARK_JOB = "benchmark_job"


def benchmark_job(servers: Iterable[Server]) -> dg.Definitions:
    """Of these servers."""
    return asset_job(
        BENCHMARK_JOB,
        BENCHMARK_REPORT,
        servers,
        "Measures compression, and restores by every way there is, on private servers of this machine.",
    )
