"""The asset `pitr_drill` of each server."""

from collections.abc import Iterator
from datetime import UTC, timedelta
from typing import Any

import dagster as dg

from chom_pipelines.backups.verdicts import Verdict
from chom_pipelines.benchmarks.rates import known_rates
from chom_pipelines.defs.binlogs.assets import BINLOG_ARCHIVE
from chom_pipelines.defs.binlogs.reporting import report_windows
from chom_pipelines.defs.checks import check_result
from chom_pipelines.defs.kinds import RESULT, WEEKS, asset_key, asset_of, server_of
from chom_pipelines.defs.proofs.assets import POOL
from chom_pipelines.defs.resources import Chom
from chom_pipelines.defs.retries import failures
from chom_pipelines.defs.schedules import freshness
from chom_pipelines.defs.timings import times
from chom_pipelines.inventory.audit import record
from chom_pipelines.inventory.models import Server
from chom_pipelines.inventory.opening import existing_repository, keyring_of
from chom_pipelines.log_lines import LogLines
from chom_pipelines.outcome import Outcome
from chom_pipelines.proofs.drill import run_drill
from chom_pipelines.repository.drill import Drill

PITR_DRILL = "pitr_drill"
WAYS_AGREE = "ways_agree"
_LATE = timedelta(days=1)


@dg.op(
    name=PITR_DRILL,
    ins={BINLOG_ARCHIVE: dg.In(dg.Nothing)},
    out={name: dg.Out() for name in (RESULT, WAYS_AGREE)},
    config_schema={},
)
def _drill(context: dg.AssetExecutionContext, chom: Chom) -> Iterator[dg.AssetCheckResult | dg.MaterializeResult[Any]]:
    """Restores a random second of that week by two ways, and compares them."""
    key, window = context.asset_key_for_output(RESULT), context.partition_time_window
    with failures(context):
        inventory = chom.inventory()
        server = inventory.server(server_of(key))
        repository, keyring = existing_repository(inventory.repository), keyring_of(inventory.repository, server.backup)
        record(inventory.repository, "drill", server.name, run=context.run.run_id)
        within = (window.start.astimezone(UTC), window.end.astimezone(UTC))
        rates = known_rates(repository, server.name, keyring)
        report, threads = LogLines(context.log.info), server.backup.threads
        entry, drill = run_drill(repository, server.name, keyring, report, threads=threads, within=within, rates=rates)
        report_windows(context.instance, server, inventory)
    said = drill.reason or f"{drill.tables} tables, {drill.rows} rows and {drill.definitions} definitions are equal"
    result = check_result(key, WAYS_AGREE, Verdict(drill.outcome, said, failures=drill.failures))
    metadata = {**_described(drill), "directory": dg.MetadataValue.path(entry.where)}
    if drill.outcome is not Outcome.PASSED:
        yield result
        raise dg.Failure(f"{drill.moment:%Y-%m-%d %H:%M:%S} UTC: {drill.outcome.value}: {drill.reason}", metadata)
    yield dg.MaterializeResult(metadata=metadata, check_results=[result])


def pitr_drill(server: Server) -> dg.AssetsDefinition:
    """The asset of one server."""
    key = asset_key(server.name, PITR_DRILL)
    return asset_of(
        _drill,
        server,
        description=(
            f"A random second of that week (from Monday, UTC) of `{server.name}` was restored on private servers by "
            "two ways, by replication and through the clients or from two full backups, and both came to the same. A "
            "drill that failed or could not be verified is no materialisation: the check says why."
        ),
        pool=POOL,
        freshness=freshness(server.schedules.drill, server.schedules.timezone, _LATE),
        checks=(
            dg.AssetCheckSpec(
                WAYS_AGREE, asset=key, description="Every row and definition is the same, by whichever way restored."
            ),
        ),
        partitions=WEEKS,
    )


def _described(drill: Drill) -> dict[str, Any]:
    end = f"{drill.end.file}:{drill.end.position}" if drill.end else "none"
    return {
        "moment": dg.MetadataValue.timestamp(drill.moment),
        "outcome": drill.outcome.value,
        "from": drill.backup,
        "binlog_position": end + (f", GTID {drill.end.gtid}" if drill.end and drill.end.gtid else ""),
        "ways": "; ".join(drill.lines),
        "transactions": drill.transactions,
        "tables": drill.tables,
        "rows": drill.rows,
        "seconds": round(drill.seconds, 2),
        **{f"seconds_{phase.replace(' ', '_')}": round(seconds, 2) for phase, seconds in drill.phases.items()},
        **times(drill.restored),
        **({"transactions_per_second": round(drill.rate, 1)} if drill.rate else {}),
    }
