"""The asset `incremental_backup` of each server whose data files are backed up, its job and its schedules."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg

from chom_pipelines.backups.days import refuse_other_hours
from chom_pipelines.defs.backups.assets import FULL_BACKUP
from chom_pipelines.defs.backups.checks import report_checks
from chom_pipelines.defs.backups.taking import PolicyConfig, taken
from chom_pipelines.defs.jobs import asset_job
from chom_pipelines.defs.kinds import HOURS_TO_NOW, asset_of, server_of
from chom_pipelines.defs.resources import Chom
from chom_pipelines.defs.retries import failures
from chom_pipelines.defs.schedules import freshness, schedule
from chom_pipelines.inventory.cadence import buckets
from chom_pipelines.inventory.models import Server
from chom_pipelines.repository.layout import Kind
from chom_pipelines.repository.payloads import Method

INCREMENTAL_BACKUP = "incremental_backup"
INCREMENTAL_BACKUP_JOB = "incremental_backup_job"
_LATE = timedelta(hours=1)


@dg.op(name=INCREMENTAL_BACKUP, ins={FULL_BACKUP: dg.In(dg.Nothing)})
def _back_up(context: dg.AssetExecutionContext, config: PolicyConfig, chom: Chom) -> dg.MaterializeResult[Any]:
    """Takes the pages that were changed since the newest physical backup, and proves the chain."""
    window = context.partition_time_window
    with failures(context):
        refuse_other_hours(context.partition_key, window.start, window.end, datetime.now(UTC))
    result = taken(context, chom, Kind.INCREMENTAL, config.knobs())
    with failures(context):  # it is the newest backup now, of which the checks of full_backup ask
        inventory = chom.inventory()
        report_checks(context.instance, inventory.server(server_of(context.asset_key)), inventory)
    return result


def with_chains(servers: Iterable[Server]) -> list[Server]:
    """Those whose data files are backed up by chom.yaml."""
    return [server for server in servers if server.backup.method is Method.PHYSICAL]


def incremental_backup(server: Server) -> dg.AssetsDefinition:
    """The asset of one server."""
    return asset_of(
        _back_up,
        server,
        description=(
            f"The pages of `{server.name}` that were changed since its newest physical backup, full or incremental "
            "(MariaDB), begun that hour (UTC). It is restored with all that it builds on, and proved with that as "
            "`verification` says. After a restart of the server a full backup has to come first. Only this hour's can "
            "be materialised: a backup is a snapshot of now."
        ),
        pool=server.pool,
        freshness=freshness(server.schedules.incremental, server.schedules.timezone, _LATE),
        partitions=HOURS_TO_NOW,
    )


def incremental_backup_job(servers: Iterable[Server]) -> dg.Definitions:
    """Of these servers, where there is one with chains."""
    chains = with_chains(servers)
    if not chains:
        return dg.Definitions()
    return asset_job(
        INCREMENTAL_BACKUP_JOB,
        INCREMENTAL_BACKUP,
        chains,
        "Takes the pages that were changed since the newest physical backup.",
    )


def incremental_backup_schedules(
    servers: Iterable[Server], status: dg.DefaultScheduleStatus
) -> list[dg.ScheduleDefinition]:
    """Each server's hour of the tick; none where no server asks for it."""
    return [
        schedule(
            INCREMENTAL_BACKUP,
            "Incremental physical backups",
            bucket,
            INCREMENTAL_BACKUP_JOB,
            status,
            partitions=_this_hour,
        )
        for bucket in buckets(with_chains(servers), lambda schedules: schedules.incremental)
    ]


def _this_hour(_chom: Chom, servers: Sequence[str], tick: datetime) -> dict[str, str]:
    return dict.fromkeys(servers, f"{tick:%Y-%m-%d-%H}:00")
