"""A run that takes a backup and proves it, whatever the backup's kind; what a person sees of it."""

from collections.abc import Callable, Mapping
from typing import Any

import dagster as dg
from pydantic import Field

from chom_pipelines.backups.run_policy import Knob, run_policy
from chom_pipelines.backups.taking import Taken, take_and_prove
from chom_pipelines.defs.backups.metadata import described, largest_tables, numbers, words
from chom_pipelines.defs.binlogs.reporting import report_windows
from chom_pipelines.defs.kinds import server_of
from chom_pipelines.defs.resources import Chom
from chom_pipelines.defs.retries import failures
from chom_pipelines.inventory.policies import Verification
from chom_pipelines.log_lines import LogLines
from chom_pipelines.outcome import Outcome
from chom_pipelines.repository.entry import BackupEntry
from chom_pipelines.repository.layout import Kind
from chom_pipelines.repository.manifest import Manifest
from chom_pipelines.repository.payloads import LogicalPayload
from chom_pipelines.repository.proof import Proof

_TABLE = dg.TableSchema(
    [
        dg.TableColumn("table", "string"),
        dg.TableColumn("rows", "int"),
        dg.TableColumn("MB", "float", description="of uncompressed text"),
        dg.TableColumn("percent", "float", description="of all tables"),
    ],
)


class PolicyConfig(dg.Config):
    """Left out: as chom.yaml says for this server. Secrets are never here: Dagster stores it as it is."""

    compression: str | None = Field(default=None, description="zstd, gzip, bzip2, xz or none")
    level: int | None = Field(default=None, description="of compression: zstd 1-22, gzip and bzip2 1-9, xz 0-9")
    threads: int | None = Field(default=None, description="connections, or files' parts at a time; 0: one per core")
    verification: str | None = Field(default=None, description="none, basic (read back) or full (restored)")
    encrypt: bool | None = Field(default=None, description="with the active key of repository.encryption")

    def knobs(self) -> dict[str, Knob]:
        """What the run says of the policy; None where it says nothing."""
        return self.model_dump()


def taken(
    context: dg.AssetExecutionContext, chom: Chom, kind: Kind, knobs: Mapping[str, Knob]
) -> dg.MaterializeResult[Any]:
    """Take one of that kind, as chom.yaml and over it the run's `knobs` say; raises dg.Failure."""
    report = LogLines(context.log.info)
    with failures(context):
        inventory = chom.inventory()
        server = inventory.server(server_of(context.asset_key))
        policy = run_policy(server.backup, inventory.repository, knobs)
        found = take_and_prove(inventory, server, kind, policy, report, announce=_announced(context))
        report_windows(context.instance, server, inventory)
    if found.unproved:
        context.log.warning("%s is complete, and was not verified: %s", found.entry.id, found.unproved)
    elif found.proof and found.outcome is not Outcome.PASSED:
        context.log.warning("%s", proof_metadata(found.proof)["verification"])
    return dg.MaterializeResult(
        metadata={
            "backup": found.entry.id,
            **_proved(found, policy.verification),
            **numbers(found.manifest),
            **words(found.manifest),
            "directory": dg.MetadataValue.path(found.entry.where),
            **_largest(found.manifest),
            "manifest": dg.MetadataValue.json(described(found.manifest)),
        },
    )


def proof_metadata(proof: Proof) -> dict[str, Any]:
    """How a backup was proved, and how long it took."""
    outcome = f"{proof.level.value}: {proof.outcome.value}" + (f", {proof.reason}" if proof.reason else "")
    return {"verification": outcome, "verification_seconds": round(proof.seconds, 2)}


def _largest(manifest: Manifest) -> dict[str, Any]:
    """Its largest tables, where a backup tells them."""
    payload = manifest.payload
    if not isinstance(payload, LogicalPayload):
        return {}
    records = [dg.TableRecord(row) for row in largest_tables(payload)]
    return {"largest_tables": dg.MetadataValue.table(records, schema=_TABLE)}


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
