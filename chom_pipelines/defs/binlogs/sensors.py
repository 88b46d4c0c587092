"""The sensor of gaps: where what is archived leads nowhere without a new full backup, it asks for one, once."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

import dagster as dg

from chom_pipelines.backups.exposure import UNBROKEN, answers
from chom_pipelines.binlogs.archive.chain import Gap
from chom_pipelines.defs.backups.assets import FULL_BACKUP
from chom_pipelines.defs.backups.jobs import FULL_BACKUP_JOB
from chom_pipelines.defs.binlogs.reporting import RECOVERABLE_WINDOWS, read_windows, report_windows
from chom_pipelines.defs.kinds import asset_key
from chom_pipelines.defs.resources import Chom
from chom_pipelines.errors import ChomError
from chom_pipelines.inventory.models import Inventory, Server
from chom_pipelines.outcome import Outcome

GAP = "chom/gap"
"""The tag of a run that was asked for because of a gap, with what identifies it."""

_SECONDS = 600
_OVER = {dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED}
_UNDER_WAY = [status for status in dg.DagsterRunStatus if status not in _OVER]


def gap_sensor(status: dg.DefaultScheduleStatus) -> dg.SensorDefinition:
    """One for all servers."""

    @dg.sensor(
        name="binlog_gaps",
        job_name=FULL_BACKUP_JOB,
        minimum_interval_seconds=_SECONDS,
        default_status=dg.DefaultSensorStatus[status.name],
        description=(
            "Asks for a full backup, once for each gap in the archive of a server's binary log: what is archived after "
            "a gap leads nowhere without one."
        ),
    )
    def gaps(context: dg.SensorEvaluationContext, chom: Chom) -> Iterator[dg.RunRequest | dg.SkipReason]:
        inventory = chom.inventory()
        told, asked = [], False
        for server in _broken(context.instance, inventory):
            found = _answer(context.instance, inventory, server)
            if isinstance(found, dg.RunRequest):
                asked = True
                context.log.info("%s: a full backup is asked for: %s", server.name, found.tags[GAP])
                yield found
            else:
                told.append(f"{server.name}: {found}")
        for line in told if asked else ():
            context.log.info(line)
        if not asked:
            yield dg.SkipReason("; ".join(told) or "no archive has a gap that no full backup has mended")

    return gaps


def _broken(instance: dg.DagsterInstance, inventory: Inventory) -> Iterable[Server]:
    """The servers whose check failed when it was last told, which each archive and each backup does.

    Reading all manifests of all servers would take minutes where there are hundreds.
    """
    keys = {
        each.name: dg.AssetCheckKey(asset_key(each.name, RECOVERABLE_WINDOWS), UNBROKEN) for each in inventory.servers
    }
    records = instance.event_log_storage.get_latest_asset_check_execution_by_key(list(keys.values()))
    for server in inventory.servers:
        record = records.get(keys[server.name])
        evaluation = record.evaluation if record else None
        if evaluation and evaluation.metadata["outcome"].value == Outcome.FAILED.value:
            yield server


def _answer(instance: dg.DagsterInstance, inventory: Inventory, server: Server) -> dg.RunRequest | str:
    """A request, or why there is none; what is wrong with one server keeps no other's from being looked at."""
    try:
        found = read_windows(inventory, server)
    except ChomError as error:
        return f"cannot be looked at: {error.what}"
    gaps = found.open_gaps
    if not gaps:
        verdict = answers(found, server, datetime.now(UTC))[UNBROKEN]
        if verdict.outcome is not Outcome.FAILED:  # someone has taken a full backup elsewhere
            report_windows(instance, server, inventory)
            return f"no full backup is needed: {verdict.reason}"
        return f"a full backup alone does not mend it: {verdict.reason}"
    request = _request(server, gaps[-1])
    key = request.tags[GAP]
    before = instance.get_runs(dg.RunsFilter(tags={GAP: key}), limit=1)
    if before:
        return f"a full backup was asked for, and is {before[0].status.value}: {gaps[-1].why}"
    if _is_under_way(instance, server):
        return f"a full backup is under way: {gaps[-1].why}"
    return request


def _request(server: Server, gap: Gap) -> dg.RunRequest:
    key = f"{server.name}:{gap.history}:{gap.before.id}"
    return dg.RunRequest(
        run_key=key,
        partition_key=f"{datetime.now(UTC):%Y-%m-%d}",
        asset_selection=[asset_key(server.name, FULL_BACKUP)],
        tags={"chom/server": server.name, GAP: key},
    )


def _is_under_way(instance: dg.DagsterInstance, server: Server) -> bool:
    """A full backup of this server, whoever has asked for it."""
    wanted = asset_key(server.name, FULL_BACKUP)
    runs = instance.get_runs(dg.RunsFilter(statuses=_UNDER_WAY))
    return any(wanted in (run.asset_selection or ()) or _is_of_all(run) for run in runs)


def _is_of_all(run: dg.DagsterRun) -> bool:
    return run.job_name == FULL_BACKUP_JOB and not run.asset_selection
