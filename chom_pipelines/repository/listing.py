"""Backups as they are found in the repository: opened, with their proofs, and what is known about each."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import ValidationError

from chom_pipelines.errors import KeyUnavailableError, RepositoryError
from chom_pipelines.outcome import Outcome
from chom_pipelines.repository.entry import BackupEntry, ProofRecord
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.manifest import Manifest, unauthenticated
from chom_pipelines.repository.proof import Level, Proof

_EVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class OpenedEntry:
    """A backup as it was found. Without its key the manifest is shown all the same, and the problem says so.

    Among its `proofs` is what is known against any that it builds on.
    """

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
        return _latest(self.proofs)

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
        return OpenedEntry(entry, manifest, proofs_of(entry, manifest, keyring), None)
    except KeyUnavailableError as error:
        return OpenedEntry(entry, _unauthenticated(entry), (), error)
    except RepositoryError as error:
        return OpenedEntry(entry, None, (), error)


def proofs_of(entry: BackupEntry, manifest: Manifest, keyring: Keyring | None) -> tuple[ProofRecord, ...]:
    """Its proofs, oldest first, with what is known against each that it builds on: it is as damaged as that is.

    Of those the last answers that are failures, and what cannot be believed. Raises what `BackupEntry.above` and
    `BackupEntry.proofs` raise.
    """
    found = entry.proofs(keyring)
    for one, _ in entry.above(manifest, keyring):
        records = one.proofs(keyring)
        failed = [proof for proof in _latest(records).values() if proof.outcome is Outcome.FAILED]
        found += [record for record in records if record.problem or record.proof in failed]
    return tuple(sorted(found, key=lambda record: record.proof.started if record.proof else _EVER))


def _latest(records: Iterable[ProofRecord]) -> dict[Level, Proof]:
    found: dict[Level, Proof] = {}
    for proof in (record.proof for record in records if record.proof):
        if proof.outcome is not Outcome.NOT_VERIFIED or proof.level not in found:
            found[proof.level] = proof
    return found


def _unauthenticated(entry: BackupEntry) -> Manifest | None:
    try:
        return unauthenticated(entry.peek())
    except (RepositoryError, ValidationError):
        return None
