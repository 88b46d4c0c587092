"""The asset `benchmark_report` of each server."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
from pydantic import Field

from chom_pipelines.benchmarks.markdown import markdown
from chom_pipelines.benchmarks.publishing import publish
from chom_pipelines.benchmarks.report import Report
from chom_pipelines.benchmarks.running import Wishes, run_benchmark
from chom_pipelines.benchmarks.sizes_asked import parsed_size
from chom_pipelines.benchmarks.weeks import refuse_other_weeks
from chom_pipelines.benchmarks.words import compared
from chom_pipelines.defs.backups.assets import FULL_BACKUP
from chom_pipelines.defs.benchmarks.metadata import data_url, ladder, numbers, words
from chom_pipelines.defs.kinds import RESULT, WEEKS, asset_key, asset_of, server_of
from chom_pipelines.defs.resources import Chom
from chom_pipelines.defs.retries import failures
from chom_pipelines.defs.schedules import freshness
from chom_pipelines.inventory.models import Server
from chom_pipelines.inventory.opening import repository_of
from chom_pipelines.log_lines import LogLines
from chom_pipelines.outcome import Outcome

BENCHMARK_REPORT = "benchmark_report"
NOTHING_SLOWER = "nothing_slower"
POOL = "benchmarks"
"""One at a time: two on the same cores would measure each other."""

_LATE = timedelta(days=1)


class BenchmarkConfig(dg.Config):
    """What is measured with."""

    size: str = Field(default="", description="generate so much data, as 200MB; empty: the latest backup's are used")
    tables: int = Field(default=5, ge=1, le=1000, description="how many tables are generated")
    rounds: int = Field(default=3, ge=1, le=100, description="how often each thing is measured")

    def wishes(self) -> Wishes:
        """As the command line has them; raises ConfigurationError."""
        return Wishes(size=parsed_size(self.size) if self.size else None, tables=self.tables, rounds=self.rounds)


@dg.op(
    name=BENCHMARK_REPORT,
    ins={FULL_BACKUP: dg.In(dg.Nothing)},
    out={name: dg.Out() for name in (RESULT, NOTHING_SLOWER)},
)
def _measure(
    context: dg.AssetExecutionContext, config: BenchmarkConfig, chom: Chom
) -> Iterator[dg.AssetCheckResult | dg.MaterializeResult[Any]]:
    """Measures compression and restores on private servers."""
    key, window = context.asset_key_for_output(RESULT), context.partition_time_window
    with failures(context):
        refuse_other_weeks(context.partition_key, window.start, window.end, datetime.now(UTC))
        inventory, wishes = chom.inventory(), config.wishes()
        server = inventory.server(server_of(key))
        report = run_benchmark(inventory, server, wishes, LogLines(context.log.info), context.log.info)
        report, charts, where = publish(repository_of(inventory.repository), report)
    metadata = {
        **words(report),
        **numbers(report),
        "restores": dg.MetadataValue.table([dg.TableRecord(row) for row in ladder(report)]),
        "report": dg.MetadataValue.md(markdown(report, data_url(charts.ladder), data_url(charts.compression))),
        "file": dg.MetadataValue.path(where),
    }
    result = _nothing_slower(key, report)
    if report.outcome is Outcome.FAILED:
        yield result
        raise dg.Failure("; ".join(report.reasons), metadata, allow_retries=False)
    yield dg.MaterializeResult(metadata=metadata, check_results=[result])


def benchmark_report(server: Server) -> dg.AssetsDefinition:
    """The asset of one server."""
    key = asset_key(server.name, BENCHMARK_REPORT)
    return asset_of(
        _measure,
        server,
        description=(
            f"What compression and restores take on this machine, measured that week (from Monday, UTC) with the data "
            f"of the latest backup of `{server.name}`, or with generated ones, on private servers. Each copy was "
            "compared with its original before its time counted; what was not measured is named. Only this week's can "
            "be materialised."
        ),
        pool=POOL,
        freshness=freshness(server.schedules.benchmark, server.schedules.timezone, _LATE),
        checks=(
            dg.AssetCheckSpec(
                NOTHING_SLOWER, asset=key, description="Nothing takes longer than in earlier reports of the same kind."
            ),
        ),
        partitions=WEEKS,
    )


def _nothing_slower(key: dg.AssetKey, report: Report) -> dg.AssetCheckResult:
    """A warning at most: that a machine is slower than it was loses nobody's data."""
    outcome = Outcome.FAILED if report.regressions else Outcome.PASSED
    if not report.compared_with:
        outcome = Outcome.NOT_VERIFIED
    slower = {f"times_{each.name}": round(each.slower, 2) for each in report.regressions}
    return dg.AssetCheckResult(
        asset_key=key,
        check_name=NOTHING_SLOWER,
        passed=outcome is Outcome.PASSED,
        severity=dg.AssetCheckSeverity.WARN,
        description=compared(report),
        metadata={"outcome": outcome.value, **slower},
    )
