"""The asset `benchmark_report` of each server."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import dagster as dg
from pydantic import Field

from chom_pipelines.defs.backups.assets import FULL_BACKUP
from chom_pipelines.defs.kinds import RESULT, WEEKS, asset_key, asset_of
from chom_pipelines.defs.resources import Chom
from chom_pipelines.defs.retries import failures
from chom_pipelines.defs.schedules import freshness
from chom_pipelines.inventory.models import Server

BENCHMARK_REPORT = "benchmark_report"
NOTHING_SLOWER = "nothing_slower"
POOL = "benchmarks"
"""One at a time: two on the same cores would measure each other."""

_LATE = timedelta(days=1)


class BenchmarkConfig(dg.Config):
    """What is measured with."""

    size: str = Field(default="", description="how much data to generate, as 200MB; empty: use the latest backup's")
    tables: int | None = Field(default=None, ge=1, le=1000, description="how many tables are generated; else 5")
    rows: str = Field(default="", description="how many rows they have together, as 10M; empty: as a shop's")
    rounds: int = Field(default=3, ge=1, le=100, description="how often each thing is measured")
    against: str = Field(default="", description="other tools to measure, as mydumper,mariadb-backup")


@dg.op(
    name=BENCHMARK_REPORT,
    ins={FULL_BACKUP: dg.In(dg.Nothing)},
    out={name: dg.Out() for name in (RESULT, NOTHING_SLOWER)},
)
def _measure(
    context: dg.AssetExecutionContext, config: BenchmarkConfig, chom: Chom
) -> Iterator[dg.AssetCheckResult | dg.MaterializeResult[Any]]:
    """Measures compression and restores on private servers."""
    from chom_pipelines.benchmarks.sources import asked
    from chom_pipelines.defs.benchmarks.measuring import measured

    with failures(context):
        wishes = asked(**config.model_dump())
    yield from measured(context, chom, wishes)


def benchmark_report(server: Server) -> dg.AssetsDefinition:
    """The asset of one server."""
    key = asset_key(server.name, BENCHMARK_REPORT)
    return asset_of(
        _measure,
        server,
        description=(
            f"What compression and restores take on this machine, measured that week (from Monday, UTC) with the data "
            f"of the latest backup of `{server.name}`, or with generated ones, on private servers. Each copy was "
            "compared with its original before its time counted; what was not measured is named. Meanwhile the data "
            "lie unencrypted in memory and in a private directory below TMPDIR. Only this week's can be materialised."
        ),
        pool=POOL,
        freshness=freshness(server.schedules.benchmark, server.schedules.timezone, _LATE),
        checks=(
            dg.AssetCheckSpec(
                NOTHING_SLOWER,
                asset=key,
                description="Nothing takes longer than in earlier reports of the same kind.",
            ),
        ),
        partitions=WEEKS,
    )
