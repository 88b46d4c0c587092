"""The asset `offsite_copy` of each server whose backups go into the second copy."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg

from chom_pipelines.backups.days import newest_of_day
from chom_pipelines.backups.verdicts import Verdict
from chom_pipelines.defs.backups.assets import FULL_BACKUP
from chom_pipelines.defs.binlogs.assets import BINLOG_ARCHIVE
from chom_pipelines.defs.checks import check_result
from chom_pipelines.defs.kinds import RESULT, asset_key, asset_of, server_of
from chom_pipelines.defs.resources import Chom
from chom_pipelines.defs.retries import failures
from chom_pipelines.defs.schedules import freshness
from chom_pipelines.errors import ChomError
from chom_pipelines.inventory.audit import record
from chom_pipelines.inventory.models import Inventory, Server
from chom_pipelines.inventory.opening import keyring_of, second_copy_of
from chom_pipelines.log_lines import LogLines
from chom_pipelines.offsite.copies import lacking, push
from chom_pipelines.offsite.fitness import protection
from chom_pipelines.offsite.standing import damaged_backups
from chom_pipelines.offsite.transfer import Transfer
from chom_pipelines.offsite.verdicts import COMPLETE, PROTECTED, QUESTIONS, complete, protected
from chom_pipelines.outcome import Outcome
from chom_pipelines.repository.layout import BACKUPS

OFFSITE_COPY = "offsite_copy"
_LATE = timedelta(hours=6)
_MEGA = 1_000_000


@dg.op(
    name=OFFSITE_COPY,
    ins={FULL_BACKUP: dg.In(dg.Nothing), BINLOG_ARCHIVE: dg.In(dg.Nothing)},
    out={RESULT: dg.Out(is_required=False), COMPLETE: dg.Out(), PROTECTED: dg.Out()},
    config_schema={},
)
def _copy(context: dg.AssetExecutionContext, chom: Chom) -> Iterator[dg.AssetCheckResult | dg.MaterializeResult[Any]]:
    """Copies what the second copy lacks of one server."""
    key, window = context.asset_key_for_output(RESULT), context.partition_time_window
    with failures(context):
        inventory = chom.inventory()
        server = inventory.server(server_of(key))
        target = second_copy_of(inventory.repository)
        record(inventory.repository, "offsite push", server.name, run=context.run.run_id, to=target.where)
        copied = push(inventory, server, LogLines(context.log.info))
        for name, error in copied.failures.items():
            context.log.error("%s: %s", name, error)
        if copied.problem and copied.problem.retryable:
            raise copied.problem
        checks = [
            check_result(key, COMPLETE, _complete(copied, inventory, server)),
            check_result(key, PROTECTED, protected(protection(target.store, server.retention.full_days))),
        ]
    metadata = {**_numbers(copied), "where": target.where}
    if copied.error:
        yield from checks
        raise dg.Failure(str(copied.error), metadata, allow_retries=False)
    begin, end = window.start.astimezone(UTC), window.end.astimezone(UTC)
    if end <= datetime.now(UTC):  # of a day that is over its backup has to be there; today's may be still to come
        try:
            metadata["backup"] = newest_of_day(target.backups(server.name), context.partition_key, begin, end).id
        except ChomError as error:
            yield from checks
            what = f"all that there is was copied, and {error.what}: this day stays without"
            raise dg.Failure(what, metadata, allow_retries=False) from error
    yield dg.MaterializeResult(metadata=metadata, check_results=checks)


def with_second_copy(servers: Iterable[Server]) -> list[Server]:
    """Those whose backups are copied by chom.yaml."""
    return [server for server in servers if server.backup.upload]


def offsite_copy(server: Server) -> dg.AssetsDefinition:
    """The asset of one server."""
    key = asset_key(server.name, OFFSITE_COPY)
    return asset_of(
        _copy,
        server,
        description=(
            f"What the repository had of `{server.name}` when it was copied that day is in the second copy: backups, "
            "the binary log, and what is recorded beside them. Each object was compared with its manifest as it was "
            "read, and with the checksum that the store has of it. A run copies what is missing, whichever day it is "
            "of, and goes on where an earlier one was broken off; of a day that is over, that day's backup has to be "
            "there. What fails here says nothing of the backups in the repository."
        ),
        pool=f"{server.pool}_offsite",
        freshness=freshness(server.schedules.offsite, server.schedules.timezone, _LATE),
        checks=tuple(dg.AssetCheckSpec(name, asset=key, description=QUESTIONS[name]) for name in (COMPLETE, PROTECTED)),
    )


def _complete(copied: Transfer, inventory: Inventory, server: Server) -> Verdict:
    if copied.error:
        return complete(copied, None)
    try:
        entries = second_copy_of(inventory.repository).backups(server.name)
        damaged = damaged_backups(entries, keyring_of(inventory.repository, server.backup))
        return complete(copied, lacking(inventory, server), damaged)
    except ChomError as error:
        return Verdict(Outcome.NOT_VERIFIED, error.what)


def _numbers(copied: Transfer) -> dict[str, Any]:
    backups = sum(each.name.startswith(BACKUPS) for each in copied.copied)
    return {
        "copied_backups": backups,
        "copied_segments": len(copied.copied) - backups,
        "copied_mb": round(copied.bytes / _MEGA, 3),
        "there_already": copied.there,
        "failures": len(copied.failures),
        "seconds": round(copied.seconds, 2),
        **({"mb_per_second": round(copied.bytes / _MEGA / copied.seconds, 1)} if copied.bytes else {}),
    }
