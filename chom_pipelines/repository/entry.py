"""A published backup: its manifest, its key and the proofs beside it, read when they are asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from chom_pipelines.errors import DamagedError, ObjectExistsError, ObjectMissingError, RepositoryError, UnencryptedError
from chom_pipelines.outcome import Outcome
from chom_pipelines.repository import proof as proofs
from chom_pipelines.repository.data_keys import opened_key, parsed_key
from chom_pipelines.repository.encryption import DataKey
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.layout import MANIFEST, PROOFS, READING, parse_id, proof_name
from chom_pipelines.repository.lineage import linked
from chom_pipelines.repository.manifest import Manifest, peek, unseal
from chom_pipelines.repository.proof import Proof
from chom_pipelines.repository.store import Folder

PATIENCE = 30.0
"""Seconds that deletion waits for readers, and readers for a deletion: it takes moments, they may take hours."""


@dataclass(frozen=True)
class ProofRecord:
    """A proof as it was found: either the proof, or the problem for which it is not believed."""

    backup: str
    where: str
    proof: Proof | None
    problem: RepositoryError | None


@dataclass(frozen=True)
class BackupEntry:
    """A published backup, before anything of it is read: the one of this id in a stream of a server."""

    server: str
    stream: Folder
    id: str

    @property
    def folder(self) -> Folder:
        """Where its objects are."""
        return self.stream / self.id

    @property
    def where(self) -> str:
        """The place of it for people: a path, a URL."""
        return self.folder.where()

    @property
    def time(self) -> datetime | None:
        """When it was begun, UTC, by its id; None where the id has no time."""
        identity = parse_id(self.id)
        return identity.time if identity else None

    def reading(self, purpose: str) -> AbstractContextManager[None]:
        """For who reads its objects: nothing is deleted from its stream while this is held.

        Raises RepositoryBusyError where something is being deleted and that takes long.
        """
        return self.stream.lock(READING, f"{purpose} of {self.id} of {self.server}", shared=True, patience=PATIENCE)

    def peek(self) -> dict[str, Any]:
        """The manifest as plain JSON, not authenticated.

        Raises DamagedError where there is none that can be read, UnknownFormatError.
        """
        return peek(self._manifest_bytes(), self.where)

    def sealed(self) -> bytes:
        """The manifest as it was put; raises DamagedError where there is none that can be read."""
        return self._manifest_bytes()

    def data_key(self, keyring: Keyring | None) -> DataKey | None:
        """The data key that its manifest names; None where it is not encrypted.

        Raises KeyUnavailableError where the keyring is missing or has not its master key; UnencryptedError where there
        are keys, and no `accepts_plain`, and it has none; as `peek`.
        """
        return self._opened_key(self.peek(), keyring)

    def manifest(self, keyring: Keyring | None) -> Manifest:
        """The manifest, authenticated, and of this backup.

        Raises DamagedError where it is missing or not what was written; as `data_key`.
        """
        data = self._manifest_bytes()
        key = self._opened_key(peek(data, self.where), keyring)
        manifest = unseal(data, key.mac if key else None, self.where)
        if (manifest.server, manifest.id) != (self.server, self.id):
            what = f"{self.where}: the manifest is of the backup {manifest.id} of the server {manifest.server!r}"
            raise DamagedError(what, "move the backup back to where it belongs, or give the server its former name")
        return manifest

    def parent(self, manifest: Manifest, keyring: Keyring | None) -> tuple[BackupEntry, Manifest] | None:
        """The backup that this one, with its authentic manifest, builds on; None: it is a full one.

        Raises DamagedError where that is missing, or another one than it was; as `manifest`.
        """
        if manifest.parent is None:
            return None
        parent = BackupEntry(self.server, self.stream, manifest.parent)
        found = parent.manifest(keyring) if parent.folder.exists(MANIFEST) else None
        return parent, linked(manifest, found)

    def ancestors(self, manifest: Manifest, keyring: Keyring | None) -> Iterator[tuple[BackupEntry, Manifest]]:
        """All that this one, with its authentic manifest, builds on: its parent first, a full one last; as `parent`."""
        found = self.parent(manifest, keyring)
        while found:
            yield found
            found = found[0].parent(found[1], keyring)

    def problem(self, keyring: Keyring | None) -> RepositoryError | None:
        """Why it cannot be listed as it should be; None where its manifest, and each that it builds on, is authentic.

        Objects are not looked at.
        """
        try:
            list(self.ancestors(self.manifest(keyring), keyring))
        except RepositoryError as error:
            return error
        return None

    def next_number(self, key: DataKey | None) -> int:
        """Of a verification that begins now, as `add_proof` takes it; raises RepositoryError."""
        known = [record.proof for record in self._records(self._proof_names(), key) if record.proof]
        return max((proof.number for proof in known), default=-1) + 1

    def add_proof(self, proof: Proof, key: DataKey | None, begun: int | None = None) -> str:
        """Keep the record of a verification beside the manifest, sealed with the backup's data key; say where.

        `begun` was its `next_number` when it began; None: that was just now. What has failed comes after all that is
        known when it ends, and all else after what was known when it began: a verification that took long does not
        answer a failure that was found meanwhile.
        Raises DiskFullError or RepositoryError; nothing half-made stays.
        """
        if (proof.server, proof.backup) != (self.server, self.id):
            what = f"a proof of the backup {proof.backup} of {proof.server!r} does not belong to {self.where}"
            raise RepositoryError(what, "report this as a bug")
        if not self.folder.exists(MANIFEST):  # or the proof would be all that there is of it
            raise DamagedError(f"{self.folder.where(MANIFEST)}: No such file or directory")
        number = self.next_number(key) if begun is None or proof.outcome is Outcome.FAILED else begun
        proof = proof.model_copy(update={"number": number})
        while True:
            name = proof_name(proof.started)
            try:
                self.folder.write(name, proofs.DOCUMENT.seal(proof, key.mac if key else None))
            except ObjectExistsError:  # its name is part of what is sealed
                proof = proof.model_copy(update={"started": proof.started + timedelta(microseconds=1)})
            else:
                return self.folder.where(name)

    def proofs(self, keyring: Keyring | None) -> list[ProofRecord]:
        """What was kept by `add_proof`, oldest first; one that cannot be believed is there with its problem.

        No failure is before what was kept when it was found, whatever their dates say. Raises what `data_key` raises.
        """
        names = self._proof_names()
        return self._records(names, self.data_key(keyring) if names else None)

    def _opened_key(self, peeked: dict[str, Any], keyring: Keyring | None) -> DataKey | None:
        key = parsed_key(peeked.get("key"), self.where)
        if key:
            return opened_key(key, self.stream, keyring, self.where)
        if keyring and not keyring.accepts_plain:
            what = f"{self.where} is not encrypted, so that whoever can write there may have made it"
            remedy = (
                f"restore another one; if you know that {self.id} was taken so, allow it with --allow-unencrypted; if "
                f"no backup of {self.server} is to be encrypted, set backup.encrypt: false for it in chom.yaml"
            )
            raise UnencryptedError(what, remedy)
        return None

    def _proof_names(self) -> list[str]:
        return [f"{PROOFS}/{each.name}" for each in (self.folder / PROOFS).below() if each.name.endswith(".json")]

    def _records(self, names: Iterable[str], key: DataKey | None) -> list[ProofRecord]:
        found = [self._record(name, key) for name in names]  # names sort by date
        return sorted(found, key=lambda record: record.proof.order if record.proof else (-1, False))

    def _record(self, name: str, key: DataKey | None) -> ProofRecord:
        where = self.folder.where(name)
        try:
            proof = proofs.DOCUMENT.unseal(_read(self.folder, name), key.mac if key else None, where)
        except RepositoryError as error:
            return ProofRecord(self.id, where, None, error)
        if (proof.server, proof.backup) != (self.server, self.id):
            what = f"{where} is the proof of the backup {proof.backup} of the server {proof.server!r}"
            return ProofRecord(self.id, where, None, DamagedError(what, "remove it, and verify this backup"))
        if proof_name(proof.started) != name:
            what = f"{where} is the proof of {proof.started:%Y-%m-%d %H:%M:%S} UTC under another name"
            return ProofRecord(self.id, where, None, DamagedError(what, "remove it, and verify this backup"))
        return ProofRecord(self.id, where, proof.told(datetime.now(UTC)), None)

    def _manifest_bytes(self) -> bytes:
        try:
            return self.folder.read(MANIFEST)
        except ObjectMissingError as error:
            what = f"{self.where} was a backup, and has lost its manifest: {error.what}"
            raise DamagedError(
                what, "bring manifest.json back from a copy; without it, nothing of this is used"
            ) from error


def _read(folder: Folder, name: str) -> bytes:
    try:
        return folder.read(name)
    except ObjectMissingError as error:
        raise DamagedError(error.what) from error
