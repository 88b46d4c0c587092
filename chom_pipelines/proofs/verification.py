"""Verifying a backup: the proof is made, kept beside the backup, and says passed, failed or not verified."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime

from chom_pipelines.errors import (
    ChomError,
    RepositoryError,
)
from chom_pipelines.logical.contents import Contents
from chom_pipelines.outcome import Outcome
from chom_pipelines.progress import Report
from chom_pipelines.proofs.reading import read_everything
from chom_pipelines.proofs.restoring import restore_and_compare
from chom_pipelines.repository.entry import BackupEntry
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.manifest import Manifest
from chom_pipelines.repository.payloads import LogicalPayload
from chom_pipelines.repository.proof import Comparison, Level, Means, Proof

_UNKNOWN = "unknown: the manifest cannot be believed"


@dataclass
class _Findings:
    level: Level
    started: datetime
    outcome: Outcome = Outcome.PASSED
    reason: str = ""
    scratch: str | None = None
    version_differs: str | None = None
    phases: dict[str, float] = field(default_factory=dict)
    comparisons: list[Comparison] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def say(self, error: ChomError) -> None:
        """What an error says: damage fails the backup, all else leaves the question open."""
        if error.outcome is Outcome.FAILED:
            self.failures.append(error.what)
        else:
            self.outcome, self.reason = error.outcome, error.what

    def _compared_on_a_server(self) -> bool:
        return any(each.count for each in self.comparisons if each.means is not Means.READ)

    def proof(self, entry: BackupEntry, manifest: Manifest | None) -> Proof:
        if self.failures:
            self.outcome = Outcome.FAILED
            first, others = self.failures[0], len(self.failures) - 1
            self.reason = self.reason or first + (f" (and {others} more)" if others else "")
        elif self.outcome is Outcome.PASSED and self.level is Level.FULL and not self._compared_on_a_server():
            self.outcome, self.reason = Outcome.NOT_VERIFIED, "there is nothing in it that a restore could show"
        return Proof(
            server=entry.server,
            backup=entry.id,
            level=self.level,
            outcome=self.outcome,
            reason=self.reason,
            started=self.started,
            source=f"{manifest.source.flavour} {manifest.source.version}" if manifest else _UNKNOWN,
            scratch=self.scratch,
            version_differs=self.version_differs,
            phases=self.phases,
            comparisons=tuple(self.comparisons),
            failures=tuple(self.failures),
            losses=_losses(manifest),
        )


def _losses(manifest: Manifest | None) -> tuple[str, ...]:
    payload = manifest.payload if manifest else None
    tables = payload.tables if isinstance(payload, LogicalPayload) else ()
    return tuple(said for table in tables for said in table.said_losses)


def verify(
    entry: BackupEntry,
    level: Level,
    keyring: Keyring | None,
    report: Report,
    *,
    threads: int = 0,
) -> Proof:
    """Prove a backup and keep the record beside it; `threads` 0 means one per core.

    Damage does not raise: the proof has failed and names each object and table. What keeps the question open (no key,
    no server program, a full disk) makes it not verified, with the reason. Where even the key for the record's seal is
    missing, the proof is returned and not kept.

    Raises RepositoryError, with what was found, where the record cannot be written, and RepositoryBusyError where a
    deletion does not end.
    """
    with entry.reading(f"{level.value} verification"):
        return _verified(entry, level, keyring, report, threads or len(os.sched_getaffinity(0)))


def _verified(entry: BackupEntry, level: Level, keyring: Keyring | None, report: Report, threads: int) -> Proof:
    findings = _Findings(level, datetime.now(UTC))
    try:
        contents = Contents.of(entry, keyring)
    except ChomError as error:
        findings.say(error)
        return findings.proof(entry, None)
    try:
        _prove(entry, contents, findings, keyring=keyring, threads=threads, report=report)
    except ChomError as error:
        findings.say(error)
    proof = findings.proof(entry, contents.manifest)
    try:
        entry.add_proof(proof, contents.key)
    except RepositoryError as error:
        found = proof.outcome.words + (f" ({proof.reason})" if proof.reason else "")
        message = f"{entry.id}: the {level.value} verification {found}, but the record cannot be kept: {error.what}"
        raise type(error)(message, error.remedy) from error
    return proof


def _prove(
    entry: BackupEntry,
    contents: Contents,
    findings: _Findings,
    *,
    keyring: Keyring | None,
    threads: int,
    report: Report,
) -> None:
    began = time.monotonic()
    read = read_everything(entry, contents, keyring, threads, report)
    findings.phases["read"] = time.monotonic() - began
    findings.comparisons += read.comparisons
    findings.failures += read.failures
    if findings.level is Level.BASIC or findings.failures:
        return
    restored = restore_and_compare(contents, threads, report)
    findings.scratch, findings.version_differs = restored.scratch, restored.version_differs
    findings.phases |= restored.phases
    findings.comparisons += restored.comparisons
    findings.failures += restored.failures
