"""The sensor of new backups and segments: it asks for the second copy of the server that has them."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

import dagster as dg

from chom_pipelines.defs.backups.assets import FULL_BACKUP
from chom_pipelines.defs.backups.incremental import INCREMENTAL_BACKUP
from chom_pipelines.defs.binlogs.assets import BINLOG_ARCHIVE
from chom_pipelines.defs.kinds import asset_key
from chom_pipelines.defs.offsite.assets import OFFSITE_COPY, with_second_copy
from chom_pipelines.defs.offsite.jobs import OFFSITE_JOB
from chom_pipelines.inventory.models import Server

_SECONDS = 60
_KINDS = (FULL_BACKUP, INCREMENTAL_BACKUP, BINLOG_ARCHIVE)
_WAITING = [dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.QUEUED]


def offsite_sensors(servers: Iterable[Server], status: dg.DefaultScheduleStatus) -> list[dg.SensorDefinition]:
    """One for all servers with a second copy, where there are any."""
    names = [server.name for server in with_second_copy(servers)]
    return [_sensor(names, status)] if names else []


def _sensor(names: list[str], status: dg.DefaultScheduleStatus) -> dg.SensorDefinition:
    @dg.sensor(
        name="offsite_wanted",
        job_name=OFFSITE_JOB,
        minimum_interval_seconds=_SECONDS,
        default_status=dg.DefaultSensorStatus[status.name],
        description="Asks for the second copy of each server that has got a backup, or a piece of its binary log.",
    )
    def wanted(context: dg.SensorEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
        before = int(context.cursor) if context.cursor else None
        newest, found = _materialised(context.instance, names, before)
        context.update_cursor(str(newest))
        if before is None:
            yield dg.SkipReason("what comes from now on is copied when it comes; the schedule copies what is there")
            return
        waiting = _waiting(context.instance)
        for name in found:
            if name not in waiting:
                yield dg.RunRequest(
                    run_key=f"{name}:{newest}",
                    partition_key=f"{datetime.now(UTC):%Y-%m-%d}",
                    asset_selection=[asset_key(name, OFFSITE_COPY)],
                    tags={"chom/server": name},
                )
        if not set(found) - waiting:
            yield dg.SkipReason("no server has anything new that no run waits to copy")

    return wanted


def _materialised(instance: dg.DagsterInstance, names: list[str], before: int | None) -> tuple[int, list[str]]:
    """The last event of all, and the servers with materialisations after the one of that number."""
    keys = {asset_key(name, kind): name for name in names for kind in _KINDS}
    events = {
        record.asset_entry.asset_key: record.asset_entry.last_materialization_record
        for record in instance.get_asset_records(list(keys))
    }
    known: dict[str, int] = {}
    for key, event in events.items():
        if event:
            known[keys[key]] = max(known.get(keys[key], 0), event.storage_id)
    newest = max((*known.values(), before or 0))
    return newest, [name for name in names if known.get(name, 0) > (before or 0)]


def _waiting(instance: dg.DagsterInstance) -> set[str]:
    """Servers for which a run waits to begin: that one will copy what is new as well."""
    runs = instance.get_runs(dg.RunsFilter(job_name=OFFSITE_JOB, statuses=_WAITING))
    return {key.path[0] for run in runs for key in run.asset_selection or ()}
