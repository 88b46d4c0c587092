"""The asset `monthly_archive` of each server with a second copy, its job and its schedules."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from chom_pipelines.backups.verdicts import Verdict
from chom_pipelines.defs.backups.assets import FULL_BACKUP
from chom_pipelines.defs.checks import check_result
from chom_pipelines.defs.jobs import asset_job
from chom_pipelines.defs.kinds import MONTHS, RESULT, asset_key, asset_of, server_of
from chom_pipelines.defs.offsite.assets import with_second_copy
from chom_pipelines.defs.proofs.assets import POOL
from chom_pipelines.defs.resources import Chom
from chom_pipelines.defs.retries import failures
from chom_pipelines.defs.schedules import schedule
from chom_pipelines.inventory.audit import record
from chom_pipelines.inventory.cadence import buckets
from chom_pipelines.inventory.models import Server
from chom_pipelines.log_lines import LogLines
from chom_pipelines.offsite.archive import archive_month, month_before
from chom_pipelines.outcome import Outcome

MONTHLY_ARCHIVE = "monthly_archive"
MONTHLY_ARCHIVE_JOB = "monthly_archive_job"
READ_BACK = "read_back"


@dg.op(
    name=MONTHLY_ARCHIVE,
    ins={FULL_BACKUP: dg.In(dg.Nothing)},
    out={name: dg.Out() for name in (RESULT, READ_BACK)},
    config_schema={},
)
def _archive(
    context: dg.AssetExecutionContext, chom: Chom
) -> Iterator[dg.AssetCheckResult | dg.MaterializeResult[Any]]:
    """Keeps a full backup of that month in the archive."""
    key, month = context.asset_key_for_output(RESULT), f"{context.partition_time_window.start:%Y-%m}"
    with failures(context):
        inventory = chom.inventory()
        server = inventory.server(server_of(key))
        record(inventory.repository, "offsite archive", server.name, run=context.run.run_id, month=month)
        found = archive_month(inventory, server, month, LogLines(context.log.info))
    verdict = Verdict(Outcome.PASSED, f"all of {found.entry.id} was read from there, authenticated and decoded")
    metadata: dict[str, Any] = {
        "backup": found.entry.id,
        "where": found.entry.where,
        "was_there_before": found.already,
        "seconds_to_read_back": round(found.proof.seconds, 2),
    }
    yield dg.MaterializeResult(metadata=metadata, check_results=[check_result(key, READ_BACK, verdict)])


def with_archive(servers: Iterable[Server]) -> list[Server]:
    """Those with a second copy of which months are archived."""
    return [server for server in with_second_copy(servers) if server.retention.monthly_archives]


def monthly_archive(server: Server) -> dg.AssetsDefinition:
    """The asset of one server."""
    key = asset_key(server.name, MONTHLY_ARCHIVE)
    return asset_of(
        _archive,
        server,
        description=(
            f"A full backup of `{server.name}` of that month, the last that a restore has proved, is in the archive of "
            "the second copy, and was read back there. It stays for `monthly_archives` months, whatever else the "
            "retention deletes. Where no backup of the month was restored yet, the run does that."
        ),
        pool=POOL,
        checks=(
            dg.AssetCheckSpec(
                READ_BACK, asset=key, description="Every byte of the archived copy was authenticated and decoded."
            ),
        ),
        partitions=MONTHS,
    )


def monthly_archive_job(servers: Iterable[Server]) -> dg.Definitions:
    """Of these servers, where there is one with an archive."""
    archived = with_archive(servers)
    if not archived:
        return dg.Definitions()
    return asset_job(
        MONTHLY_ARCHIVE_JOB, MONTHLY_ARCHIVE, archived, "Keeps a proved full backup of a month in the second copy."
    )


def monthly_archive_schedules(
    servers: Iterable[Server], status: dg.DefaultScheduleStatus
) -> list[dg.ScheduleDefinition]:
    """The month before the tick's."""
    return [
        schedule(MONTHLY_ARCHIVE, "Monthly archives", bucket, MONTHLY_ARCHIVE_JOB, status, partitions=_month_before)
        for bucket in buckets(with_archive(servers), lambda schedules: schedules.archive)
    ]


def _month_before(_chom: Chom, servers: Sequence[str], tick: datetime) -> dict[str, str]:
    return dict.fromkeys(servers, f"{month_before(tick.astimezone(UTC))}-01")
