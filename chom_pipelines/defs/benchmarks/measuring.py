"""The run of a `benchmark_report`. Imported by a run alone: what it needs takes a tenth of a second to import."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from chom_pipelines.benchmarks.markdown import markdown
from chom_pipelines.benchmarks.publishing import publish
from chom_pipelines.benchmarks.report import Report
from chom_pipelines.benchmarks.running import run_benchmark
from chom_pipelines.benchmarks.sources import Wishes
from chom_pipelines.benchmarks.weeks import refuse_other_weeks
from chom_pipelines.benchmarks.words import compared
from chom_pipelines.defs.benchmarks.assets import NOTHING_SLOWER
from chom_pipelines.defs.benchmarks.metadata import data_url, ladder, numbers, slug, words
from chom_pipelines.defs.kinds import RESULT, server_of
from chom_pipelines.defs.resources import Chom
from chom_pipelines.defs.retries import failures
from chom_pipelines.inventory.audit import record
from chom_pipelines.inventory.opening import repository_of
from chom_pipelines.log_lines import LogLines
from chom_pipelines.outcome import Outcome


def measured(
    context: dg.AssetExecutionContext, chom: Chom, wishes: Wishes
) -> Iterator[dg.AssetCheckResult | dg.MaterializeResult[Any]]:
    """Measure, keep the report, and tell Dagster of it; raises dg.Failure where a copy was wrong."""
    key, window = context.asset_key_for_output(RESULT), context.partition_time_window
    with failures(context):
        refuse_other_weeks(context.partition_key, window.start, window.end, datetime.now(UTC))
        inventory = chom.inventory()
        server = inventory.server(server_of(key))
        report = run_benchmark(inventory, server, wishes, LogLines(context.log.info), context.log.info)
        report, charts, where = publish(repository_of(inventory.repository), report)
        record(inventory.repository, "benchmark", server.name, run=context.run.run_id)
    metadata = {
        **words(report),
        "report": dg.MetadataValue.md(markdown(report, data_url(charts.ladder), data_url(charts.compression))),
        "restores": dg.MetadataValue.table([dg.TableRecord(row) for row in ladder(report)]),
        "file": dg.MetadataValue.path(where),
        **numbers(report),
    }
    result = _nothing_slower(key, report)
    if report.outcome is Outcome.FAILED:
        yield result
        raise dg.Failure("; ".join(report.reasons), metadata, allow_retries=False)
    yield dg.MaterializeResult(metadata=metadata, check_results=[result])


def _nothing_slower(key: dg.AssetKey, report: Report) -> dg.AssetCheckResult:
    """A warning at most: that a machine is slower than it was loses nobody's data."""
    outcome = report.comparison.outcome
    slower = {f"times_{slug(each.name)}": round(each.slower, 2) for each in report.comparison.slower}
    return dg.AssetCheckResult(
        asset_key=key,
        check_name=NOTHING_SLOWER,
        passed=outcome is Outcome.PASSED,
        severity=dg.AssetCheckSeverity.WARN,
        description=compared(report),
        metadata={"outcome": outcome.value, **slower},
    )
