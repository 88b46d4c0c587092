"""Backups as they are found in the repository: opened, with their proofs, and what is known about each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from pydantic import ValidationError

from chom_pipelines.errors import KeyUnavailableError, RepositoryError
from chom_pipelines.outcome import Outcome
from chom_pipelines.repository.entry import BackupEntry, ProofRecord
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.layout import MANIFEST
from chom_pipelines.repository.lineage import linked
from chom_pipelines.repository.manifest import Manifest, unauthenticated
from chom_pipelines.repository.proof import Level, Proof


@dataclass(frozen=True)
class OpenedEntry:
    """A backup as it was found. Without its key the manifest is shown all the same, and the problem says so.

    Its `proofs` are as they were kept, and then what is known against any that it builds on: it is as damaged as that
    is, whatever it was proved itself. Of those the last answers that are failures, and what cannot be believed.
    """

    entry: BackupEntry
    manifest: Manifest | None
    proofs: tuple[ProofRecord, ...]
    problem: RepositoryError | None

    @property
    def outcome(self) -> Outcome:
        """What is known about it, without looking at its objects: what was never proved is not verified.

        What has failed stays so, whatever cannot be opened besides.
        """
        proved = {proof.outcome for proof in self.latest.values()}
        problems = [problem.outcome for problem in self._problems]
        if Outcome.FAILED in proved or Outcome.FAILED in problems:
            return Outcome.FAILED
        if problems:
            return problems[0]
        return Outcome.PASSED if Outcome.PASSED in proved else Outcome.NOT_VERIFIED

    @property
    def latest(self) -> Mapping[Level, Proof]:
        """The last proof that came to an answer, of each level; else the last."""
        return last_answers(self.proofs)

    @property
    def reason(self) -> str:
        """Why it has not passed; "" where it has, and where it was never proved."""
        said = [(problem.outcome, problem.what) for problem in self._problems]
        said += [(proof.outcome, proof.reason) for proof in self.latest.values()]
        return next((reason for outcome, reason in said if outcome is self.outcome), "")

    @property
    def _problems(self) -> list[RepositoryError]:
        return list(filter(None, (self.problem, *(record.problem for record in self.proofs))))

    @property
    def restored_in(self) -> float | None:
        """Seconds that the last full verification needed to restore it; None where there was none that passed."""
        proof = self.latest.get(Level.FULL)
        restored = proof.restored if proof and proof.outcome is Outcome.PASSED else None
        return restored.seconds if restored else None


def opened(entry: BackupEntry, keyring: Keyring | None) -> OpenedEntry:
    """Read a backup's manifest, those of all that it builds on, and its proofs; what is wrong becomes its problem."""
    return _Known(keyring).of(entry)


def opened_all(entries: Iterable[BackupEntry], keyring: Keyring | None) -> list[OpenedEntry]:
    """The same of several; what others build on is read once."""
    known = _Known(keyring)
    return [known.of(entry) for entry in entries]


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


class _Known:
    """Backups that were opened, each once: a chain's last one needs all of it, and so does each that it builds on."""

    def __init__(self, keyring: Keyring | None) -> None:
        self._keyring = keyring
        self._found: dict[str, OpenedEntry] = {}

    def of(self, entry: BackupEntry) -> OpenedEntry:
        chain: list[OpenedEntry] = []
        below: BackupEntry | None = entry
        while below and below.where not in self._found:
            chain.append(self._alone(below))
            below = _parent(chain[-1])
        for one in reversed(chain):
            parent = _parent(one)
            self._found[one.entry.where] = _upon(one, self._found[parent.where]) if parent else one
        return self._found[entry.where]

    def _alone(self, entry: BackupEntry) -> OpenedEntry:
        """Without what it builds on."""
        try:
            return OpenedEntry(entry, entry.manifest(self._keyring), tuple(entry.proofs(self._keyring)), None)
        except KeyUnavailableError as error:
            return OpenedEntry(entry, _unauthenticated(entry), (), error)
        except RepositoryError as error:
            return OpenedEntry(entry, None, (), error)


def _parent(alone: OpenedEntry) -> BackupEntry | None:
    """What it says that it builds on, where that can be believed."""
    parent = alone.manifest.parent if alone.manifest and not alone.problem else None
    return replace(alone.entry, id=parent) if parent else None


def _upon(child: OpenedEntry, parent: OpenedEntry) -> OpenedEntry:
    """With what is wrong with its parent, and known against it. Whether it is the right one is seen without its key."""
    try:
        if child.manifest and (parent.manifest or not parent.entry.folder.exists(MANIFEST)):
            linked(child.manifest, parent.manifest)
    except RepositoryError as error:
        return replace(child, problem=error)
    own = [record for record in parent.proofs if record.backup == parent.entry.id]
    failed = [proof for proof in last_answers(own).values() if proof.outcome is Outcome.FAILED]
    against = [record for record in parent.proofs if record not in own or record.problem or record.proof in failed]
    return replace(child, proofs=(*child.proofs, *against), problem=parent.problem)


def _unauthenticated(entry: BackupEntry) -> Manifest | None:
    try:
        return unauthenticated(entry.peek())
    except (RepositoryError, ValidationError):
        return None
