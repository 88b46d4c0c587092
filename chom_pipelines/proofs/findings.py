"""What a verification finds, as it is found, and the proof that becomes of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from chom_pipelines.errors import ChomError, RepositoryError
from chom_pipelines.outcome import Outcome
from chom_pipelines.repository.encryption import DataKey
from chom_pipelines.repository.entry import BackupEntry
from chom_pipelines.repository.manifest import Manifest
from chom_pipelines.repository.payloads import LogicalPayload
from chom_pipelines.repository.proof import Comparison, Level, Means, Proof
from chom_pipelines.repository.timing import Timing

_UNKNOWN = "unknown: the manifest cannot be believed"


@dataclass
class Findings:
    """What a verification has come to so far; damage that was found makes it fail, whatever else is said."""

    level: Level
    started: datetime
    begun: int | None = None
    """As `BackupEntry.add_proof` takes it."""
    outcome: Outcome = Outcome.PASSED
    reason: str = ""
    scratch: str | None = None
    version_differs: str | None = None
    phases: dict[str, float] = field(default_factory=dict)
    restored: Timing | None = None
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
        """The record of it; without an authentic manifest, None."""
        if self.failures:
            self.outcome = Outcome.FAILED
            first, others = self.failures[0], len(self.failures) - 1
            said = first + (f" (and {others} more)" if others else "")
            self.reason = f"{said}; {self.reason}" if self.reason else said
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
            restored=self.restored,
            comparisons=tuple(self.comparisons),
            failures=tuple(self.failures),
            losses=_losses(manifest),
        )


def _losses(manifest: Manifest | None) -> tuple[str, ...]:
    payload = manifest.payload if manifest else None
    tables = payload.tables if isinstance(payload, LogicalPayload) else ()
    return tuple(said for table in tables for said in table.said_losses)


def keep(entry: BackupEntry, proof: Proof, key: DataKey | None, begun: int | None = None) -> None:
    """Keep the record beside the backup; raises RepositoryError, with what was found, where it cannot be written."""
    try:
        entry.add_proof(proof, key, begun)
    except RepositoryError as error:
        found = proof.outcome.words + (f" ({proof.reason})" if proof.reason else "")
        message = (
            f"{entry.id}: the {proof.level.value} verification {found}, but the record cannot be kept: {error.what}"
        )
        raise type(error)(message, error.remedy) from error
