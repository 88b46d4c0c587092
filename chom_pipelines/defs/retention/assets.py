"""The asset `retention` of each server."""

from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg

from chom_pipelines.backups.days import refuse_other_days
from chom_pipelines.defs.binlogs.reporting import report_windows
from chom_pipelines.defs.kinds import asset_of, server_of
from chom_pipelines.defs.resources import Chom
from chom_pipelines.defs.retention.metadata import numbers, rows
from chom_pipelines.defs.retries import failures
from chom_pipelines.defs.schedules import freshness
from chom_pipelines.inventory.audit import record
from chom_pipelines.inventory.models import Server
from chom_pipelines.inventory.opening import existing_repository, keyring_of
from chom_pipelines.retention.pruning import prune

RETENTION = "retention"
_LATE = timedelta(days=1)

_TABLE = dg.TableSchema(
    [
        dg.TableColumn("what", "string", description="a backup, or segments that follow each other"),
        dg.TableColumn("count", "int"),
        dg.TableColumn("MB", "float", description="as stored"),
        dg.TableColumn("decision", "string"),
        dg.TableColumn("why", "string"),
    ],
)


@dg.op(name=RETENTION, config_schema={})
def _apply(context: dg.AssetExecutionContext, chom: Chom) -> dg.MaterializeResult[Any]:
    """Deletes of one server what its retention no longer keeps."""
    window, now = context.partition_time_window, datetime.now(UTC)
    with failures(context):
        refuse_other_days(context.partition_key, window.start, window.end, now, "a plan is of what is there now")
        inventory = chom.inventory()
        server = inventory.server(server_of(context.asset_key))
        repository, keyring = existing_repository(inventory.repository), keyring_of(inventory.repository, server.backup)
        applied = prune(repository, server, keyring, now)
        gone = sorted(f"{each.stream}/{each.id}" for each in applied.gone)
        record(inventory.repository, "prune", server.name, run=context.run.run_id, deleted=gone)
        for row in rows(applied):
            context.log.info("%(decision)s: %(what)s (%(count)d, %(MB).3f MB): %(why)s", row)
        report_windows(context.instance, server, inventory)
        if applied.problem:
            raise applied.problem
    table = dg.MetadataValue.table([dg.TableRecord(row) for row in rows(applied)], schema=_TABLE)
    metadata = {**numbers(applied), "plan": table}
    if applied.plan.nothing_because:
        raise dg.Failure(f"nothing is deleted: {applied.plan.nothing_because}", metadata, allow_retries=False)
    return dg.MaterializeResult(metadata=metadata)


def retention(server: Server) -> dg.AssetsDefinition:
    """The asset of one server."""
    return asset_of(
        _apply,
        server,
        description=(
            f"What of `{server.name}` was deleted that day, what stayed and why. Backups and segments of the binary "
            "log go when they are older than the retention of chom.yaml says and nothing needs them; after a full "
            "backup that failed, or is overdue, nothing goes, and the run fails. `chom prune --dry-run` shows the plan."
        ),
        pool=None,
        freshness=freshness(server.schedules.retention, server.schedules.timezone, _LATE),
    )
