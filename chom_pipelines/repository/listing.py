"""Backups as they are found in the repository: opened, with their proofs, and what is known about each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from pydantic import ValidationError

from chom_pipelines.errors import KeyUnavailableError, RepositoryError
from chom_pipelines.outcome import Outcome
from chom_pipelines.repository.entry import BackupEntry, ProofRecord
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.lineage import linked
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
        return last_answers(self.proofs)

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
    return _opened(entry, _Known(keyring))


def opened_all(entries: Iterable[BackupEntry], keyring: Keyring | None) -> list[OpenedEntry]:
    """The same of several; what others build on is read once."""
    known = _Known(keyring)
    return [_opened(entry, known) for entry in entries]


def _opened(entry: BackupEntry, known: _Known) -> OpenedEntry:
    try:
        found = known.of(entry)
    except KeyUnavailableError as error:
        return OpenedEntry(entry, _unauthenticated(entry), (), error)
    except RepositoryError as error:
        return OpenedEntry(entry, None, (), error)
    return OpenedEntry(entry, found.manifest, found.proofs, None)


def proofs_of(entry: BackupEntry, keyring: Keyring | None) -> tuple[ProofRecord, ...]:
    """Its proofs, oldest first, with what is known against each that it builds on: it is as damaged as that is.

    Of those the last answers that are failures, and what cannot be believed. Raises what `BackupEntry.ancestors` and
    `BackupEntry.proofs` raise.
    """
    return _Known(keyring).of(entry).proofs


def last_answers(records: Iterable[ProofRecord]) -> dict[Level, Proof]:
    """Of proofs, oldest first, the last of each level that came to an answer; else the last.

    A full verification reads all of it before it restores: one that has passed answers a basic one that failed before.
    """
    found: dict[Level, Proof] = {}
    for proof in (record.proof for record in records if record.proof):
        if proof.outcome is not Outcome.NOT_VERIFIED or proof.level not in found:
            found[proof.level] = proof
        basic = found.get(Level.BASIC)
        has_restored = proof.level is Level.FULL and proof.outcome is Outcome.PASSED
        if has_restored and basic and basic.outcome is Outcome.FAILED:
            del found[Level.BASIC]
    return found


@dataclass(frozen=True)
class _Link:
    """A backup's manifest and proofs, and what is known against those that it builds on."""

    manifest: Manifest
    own: tuple[ProofRecord, ...]
    against: tuple[ProofRecord, ...]

    @property
    def proofs(self) -> tuple[ProofRecord, ...]:
        found = (*self.own, *self.against)
        return tuple(sorted(found, key=lambda record: record.proof.started if record.proof else _EVER))

    @property
    def passed_on(self) -> tuple[ProofRecord, ...]:
        """What is known against all that build on it."""
        failed = [proof for proof in last_answers(self.own).values() if proof.outcome is Outcome.FAILED]
        return (*self.against, *(record for record in self.own if record.problem or record.proof in failed))


class _Known:
    """Backups that were read, each once: a chain's last one needs all of it, and so does each that it builds on."""

    def __init__(self, keyring: Keyring | None) -> None:
        self._keyring = keyring
        self._links: dict[str, _Link] = {}

    def of(self, entry: BackupEntry) -> _Link:
        """Raises what `BackupEntry.ancestors` and `BackupEntry.proofs` raise."""
        if entry.where in self._links:
            return self._links[entry.where]
        against: tuple[ProofRecord, ...] = ()
        chain = [(entry, entry.manifest(self._keyring))]
        while found := self._above(*chain[-1]):
            if isinstance(found, _Link):
                against = found.passed_on
                break
            chain.append(found)
        for one, manifest in reversed(chain):
            link = _Link(manifest, tuple(one.proofs(self._keyring)), against)
            self._links[one.where] = link
            against = link.passed_on
        return self._links[entry.where]

    def _above(self, entry: BackupEntry, manifest: Manifest) -> _Link | tuple[BackupEntry, Manifest] | None:
        """What a backup builds on, known already or read; None: it is a full one."""
        if manifest.parent:
            known = self._links.get(replace(entry, id=manifest.parent).where)
            if known:
                linked(manifest, known.manifest)
                return known
        return entry.parent(manifest, self._keyring)


def _unauthenticated(entry: BackupEntry) -> Manifest | None:
    try:
        return unauthenticated(entry.peek())
    except (RepositoryError, ValidationError):
        return None
