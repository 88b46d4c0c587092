"""The asset `full_backup` of each server."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
from pydantic import Field

from chom_pipelines.backups.days import refuse_other_days
from chom_pipelines.backups.policy import Knob, run_policy
from chom_pipelines.backups.taking import Taken, take_and_prove
from chom_pipelines.backups.verdicts import LATE
from chom_pipelines.defs.backups.metadata import described, largest_tables, numbers, words
from chom_pipelines.defs.binlogs.reporting import report_windows
from chom_pipelines.defs.kinds import asset_of, server_of
from chom_pipelines.defs.resources import Chom
from chom_pipelines.defs.retries import failures
from chom_pipelines.inventory.environment import backup_type
from chom_pipelines.inventory.models import Server
from chom_pipelines.inventory.policies import Verification
from chom_pipelines.log_lines import LogLines
from chom_pipelines.outcome import Outcome
from chom_pipelines.repository.entry import BackupEntry
from chom_pipelines.repository.layout import Kind
from chom_pipelines.repository.manifest import Manifest
from chom_pipelines.repository.payloads import LogicalPayload
from chom_pipelines.repository.proof import Proof

FULL_BACKUP = "full_backup"
_WARN_AFTER = timedelta(hours=2)
"""Beyond thresholds.backup_age_hours."""

_TABLE = dg.TableSchema(
    [
        dg.TableColumn("table", "string"),
        dg.TableColumn("rows", "int"),
        dg.TableColumn("MB", "float", description="of uncompressed text"),
        dg.TableColumn("percent", "float", description="of all tables"),
    ],
)


class FullBackupConfig(dg.Config):
    """Left out: as chom.yaml says for this server. Secrets are never here: Dagster stores it as it is."""

    type: str = Field(default="full", description="full; the binary log is the asset binlog_archive's")
    method: str | None = Field(default=None, description="logical: rows; physical: the data files of a server here")
    compression: str | None = Field(default=None, description="zstd, gzip, bzip2, xz or none")
    level: int | None = Field(default=None, description="of compression: zstd 1-22, gzip and bzip2 1-9, xz 0-9")
    threads: int | None = Field(default=None, description="parallel connections; 0: one per core")
    verification: str | None = Field(default=None, description="none, basic (read back) or full (restored, compared)")
    encrypt: bool | None = Field(default=None, description="with the active key of repository.encryption")
    upload: bool | None = Field(default=None, description="false; off-site copies are not built yet")

    def knobs(self) -> dict[str, Knob]:
        """What the run says of the policy; None where it says nothing."""
        return self.model_dump(exclude={"type"})

    def kind(self) -> Kind:
        """What is to be taken; raises ConfigurationError."""
        return backup_type(self.type, "type in the run configuration")


@dg.op(name=FULL_BACKUP)
def _back_up(context: dg.AssetExecutionContext, config: FullBackupConfig, chom: Chom) -> dg.MaterializeResult[Any]:
    """Takes a full backup of one server and proves it."""
    report = LogLines(context.log.info)
    window = context.partition_time_window
    with failures(context):
        refuse_other_days(context.partition_key, window.start, window.end, datetime.now(UTC))
        inventory = chom.inventory()
        server = inventory.server(server_of(context.asset_key))
        policy = run_policy(server.backup, inventory.repository, config.knobs())
        taken = take_and_prove(inventory, server, config.kind(), policy, report, announce=_announced(context))
        report_windows(context.instance, server, inventory)
    if taken.unproved:
        context.log.warning("%s is complete, and was not verified: %s", taken.entry.id, taken.unproved)
    elif taken.proof and taken.outcome is not Outcome.PASSED:
        context.log.warning("%s", proof_metadata(taken.proof)["verification"])
    return dg.MaterializeResult(
        metadata={
            "backup": taken.entry.id,
            **_proved(taken, policy.verification),
            **numbers(taken.manifest),
            **words(taken.manifest),
            "directory": dg.MetadataValue.path(taken.entry.where),
            **_largest(taken.manifest),
            "manifest": dg.MetadataValue.json(described(taken.manifest)),
        },
    )


def _largest(manifest: Manifest) -> dict[str, Any]:
    """Its largest tables, where a backup tells them."""
    payload = manifest.payload
    if not isinstance(payload, LogicalPayload):
        return {}
    records = [dg.TableRecord(row) for row in largest_tables(payload)]
    return {"largest_tables": dg.MetadataValue.table(records, schema=_TABLE)}


def full_backup(server: Server) -> dg.AssetsDefinition:
    """The asset of one server."""
    return asset_of(
        _back_up,
        server,
        description=(
            f"A full backup of `{server.name}`, begun that day (UTC) and proved as `verification` says. It is kept in "
            "the repository, where its checks read it. Only today's can be materialised: a dump is a snapshot of now."
        ),
        pool=server.pool,
        freshness=freshness(server),
    )


def freshness(server: Server) -> dg.FreshnessPolicy:
    """Of the newest materialisation, which is the newest backup: none of a past day can be made."""
    age = timedelta(hours=server.thresholds.backup_age_hours)
    return dg.FreshnessPolicy.time_window(fail_window=age + LATE, warn_window=age + _WARN_AFTER)


def proof_metadata(proof: Proof) -> dict[str, Any]:
    """How a backup was proved, and how long it took."""
    outcome = f"{proof.level.value}: {proof.outcome.value}" + (f", {proof.reason}" if proof.reason else "")
    return {"verification": outcome, "verification_seconds": round(proof.seconds, 2)}


def _announced(context: dg.AssetExecutionContext) -> Callable[[BackupEntry, Manifest], None]:
    def announce(entry: BackupEntry, manifest: Manifest) -> None:
        context.log.info("%s is complete at %s", entry.id, entry.where)
        for warning in manifest.warnings:
            context.log.warning(warning)

    return announce


def _proved(taken: Taken, wanted: Verification) -> dict[str, Any]:
    """How it was proved. Where no proof could be made the backup stays, and its checks say so."""
    if taken.proof:
        return proof_metadata(taken.proof)
    why = f": {taken.outcome.value}, {taken.unproved.what}" if taken.unproved else ""
    return {"verification": f"{wanted.value}{why}"}
