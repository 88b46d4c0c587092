"""Backups as they are found in the repository: opened, with their proofs, and what is known about each."""

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import ValidationError

from chom_pipelines.errors import KeyUnavailableError, RepositoryError
from chom_pipelines.outcome import Outcome
from chom_pipelines.repository.entry import BackupEntry, ProofRecord
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.manifest import Manifest, unauthenticated
from chom_pipelines.repository.proof import Level, Proof


@dataclass(frozen=True)
class OpenedEntry:
    """A backup as it was found. Without its key the manifest is shown all the same, and the problem says so."""

    entry: BackupEntry
    manifest: Manifest | None
    proofs: tuple[ProofRecord, ...]
    problem: RepositoryError | None

    @property
    def outcome(self) -> Outcome:
        """What is known about it, without looking at its objects: what was never proved is not verified."""
        if self.problem:
            return self.problem.outcome
        proved = {proof.outcome for proof in self.latest.values()}
        if Outcome.FAILED in proved or any(record.problem for record in self.proofs):
            return Outcome.FAILED
        return Outcome.PASSED if Outcome.PASSED in proved else Outcome.NOT_VERIFIED

    @property
    def latest(self) -> Mapping[Level, Proof]:
        """The last proof that came to an answer, of each level; else the last."""
        found: dict[Level, Proof] = {}
        for proof in (record.proof for record in self.proofs if record.proof):
            if proof.outcome is not Outcome.NOT_VERIFIED or proof.level not in found:
                found[proof.level] = proof
        return found

    @property
    def reason(self) -> str:
        """Why it has failed, or what its problem is; "" where there is neither."""
        if self.problem:
            return self.problem.what
        failed = next((proof.reason for proof in self.latest.values() if proof.outcome is Outcome.FAILED), "")
        disbelieved = next((record.problem.what for record in self.proofs if record.problem), "")
        return failed or disbelieved

    @property
    def restored_in(self) -> float | None:
        """Seconds that the last full verification needed to restore it; None where there was none that passed."""
        proof = self.latest.get(Level.FULL)
        return proof.restore_seconds if proof and proof.outcome is Outcome.PASSED else None


def opened(entry: BackupEntry, keyring: Keyring | None) -> OpenedEntry:
    """Read a backup's manifest, those of all that it builds on, and its proofs; what is wrong becomes its problem."""
    try:
        manifest = entry.manifest(keyring)
        above = entry.parent(manifest, keyring)
        while above:
            above = above[0].parent(above[1], keyring)
        return OpenedEntry(entry, manifest, tuple(entry.proofs(keyring)), None)
    except KeyUnavailableError as error:
        return OpenedEntry(entry, _unauthenticated(entry), (), error)
    except RepositoryError as error:
        return OpenedEntry(entry, None, (), error)


def _unauthenticated(entry: BackupEntry) -> Manifest | None:
    try:
        return unauthenticated(entry.peek())
    except (RepositoryError, ValidationError):
        return None
