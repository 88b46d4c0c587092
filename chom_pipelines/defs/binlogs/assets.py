"""The asset `binlog_archive` of each server."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg

from chom_pipelines.backups.archived_hours import ArchivedHour, archive_hour, blocked_error
from chom_pipelines.backups.exposure import UNBROKEN
from chom_pipelines.binlogs.archive.archiving import warnings_of
from chom_pipelines.binlogs.archive.coverage import Span
from chom_pipelines.binlogs.archive.unlogged import unlogged
from chom_pipelines.defs.binlogs.hours import covered, report_missed
from chom_pipelines.defs.binlogs.metadata import added
from chom_pipelines.defs.binlogs.reporting import report_windows
from chom_pipelines.defs.kinds import HOURS, RESULT, asset_of, server_of
from chom_pipelines.defs.resources import Chom
from chom_pipelines.defs.retries import failures
from chom_pipelines.defs.schedules import freshness, tick_of
from chom_pipelines.errors import ArchiveBeginsError, ChomError
from chom_pipelines.inventory.models import Server
from chom_pipelines.inventory.opening import repository_of
from chom_pipelines.log_lines import LogLines
from chom_pipelines.outcome import Outcome

BINLOG_ARCHIVE = "binlog_archive"
LATE = timedelta(hours=1)


@dg.op(name=BINLOG_ARCHIVE, out={RESULT: dg.Out(is_required=False)}, config_schema={})
def _archive(context: dg.AssetExecutionContext, chom: Chom) -> Iterator[dg.MaterializeResult[Any]]:
    """Archives the binary log of one server up to the end of that hour."""
    began, window = time.monotonic(), context.partition_time_window
    with failures(context):
        inventory = chom.inventory()
        server = inventory.server(server_of(context.asset_key))
        span = Span(window.start.astimezone(UTC), window.end.astimezone(UTC))
        report, now = LogLines(context.log.info), datetime.now(UTC)
        tick = tick_of(context.run)
        try:
            # of a schedule that is due several times an hour each run is to go up to its own time
            hour = archive_hour(inventory, server, server.backup, span, report, now=now, reach=tick)
        except ChomError as error:
            report_windows(context.instance, server, inventory)
            if tick and isinstance(error, ArchiveBeginsError):
                # of the first hour of all, which a failure would leave red for ever: nothing is wrong, nothing mends it
                context.log.warning("the archive is begun, and this hour is not materialised: %s", error.what)
                return
            raise
        unbroken = report_windows(context.instance, server, inventory)[UNBROKEN]
        missed = report_missed(context.instance, context.asset_key, context.run.run_id, hour, span.start)
    _say(context, server, hour, missed)
    if unbroken.outcome is Outcome.FAILED:
        context.log.warning("%s: %s", UNBROKEN, unbroken.reason)
    where = repository_of(inventory.repository).binlogs(server.name, hour.segments[-1].history).folder.where()
    yield dg.MaterializeResult(
        metadata={
            **covered(hour.segments, context.run.run_id),
            **added(hour, datetime.now(UTC), time.monotonic() - began),
            UNBROKEN: f"{unbroken.outcome.words}: {unbroken.reason}",
            "directory": dg.MetadataValue.path(where),
            **({"missed_hours_reported": missed} if missed else {}),
        },
    )
    with failures(context):
        if hour.blocked:  # this hour is archived, and something else is not
            raise blocked_error(hour.blocked)


def binlog_archive(server: Server) -> dg.AssetsDefinition:
    """The asset of one server."""
    return asset_of(
        _archive,
        server,
        description=(
            f"Everything that `{server.name}` wrote to its binary log in that hour (UTC) is in the repository, in one "
            "unbroken piece. A run archives all that is not archived yet, whichever hour it is of, and fails where "
            "some of that cannot be archived. A run of an hour that is archived already adds nothing, and tells which "
            "segments have it. Hours from before the archive was begun stay missing: no run can bring them back, and "
            "none is needed for what came later."
        ),
        pool=f"{server.pool}_binlog",  # not that of dumps: one of hours would leave as much at stake
        freshness=freshness(server.schedules.binlogs, server.schedules.timezone, LATE),
        partitions=HOURS,
    )


def _say(context: dg.AssetExecutionContext, server: Server, hour: ArchivedHour, missed: int) -> None:
    gaps = (gap for chain in hour.chains.values() for gap in chain.gaps if gap.before in hour.new)
    for warning in warnings_of(hour.began_anew, hour.blocked, gaps, unlogged(hour.new, server.databases)):
        context.log.warning("%s", warning)
    if missed:
        context.log.info("%d earlier hours had no run and are in the archive: reported as materialised", missed)
