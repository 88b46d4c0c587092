"""A published backup: its manifest, its key and the proofs beside it, read when they are asked for."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from chom_pipelines.errors import DamagedError, KeyUnavailableError, RepositoryError
from chom_pipelines.repository import proof as proofs
from chom_pipelines.repository.codecs import ELSEWHERE
from chom_pipelines.repository.encryption import DataKey
from chom_pipelines.repository.files import make_directory, reported, storage_error, write_file
from chom_pipelines.repository.keys import Keyring, WrappedKey
from chom_pipelines.repository.layout import MANIFEST, PROOFS, moment_of, proof_name
from chom_pipelines.repository.manifest import Manifest, peek, unseal
from chom_pipelines.repository.proof import Proof

_WRAPPED = TypeAdapter(WrappedKey | None)


@dataclass(frozen=True)
class ProofRecord:
    """A proof as it was found: either the proof, or the problem for which it is not believed."""

    path: Path
    proof: Proof | None
    problem: RepositoryError | None


@dataclass(frozen=True)
class BackupEntry:
    """A published backup, before anything of it is read; `path` is its directory."""

    server: str
    path: Path

    @property
    def id(self) -> str:
        """Such as full_20260102_020000."""
        return self.path.name

    @property
    def time(self) -> datetime | None:
        """When it was begun, UTC, by its id; None where the directory is not named as a backup."""
        return moment_of(self.id)

    def peek(self) -> dict[str, Any]:
        """The manifest as plain JSON, not authenticated.

        Raises DamagedError where there is none that can be read, UnknownFormatError.
        """
        return peek(self._manifest_bytes(), str(self.path))

    def data_key(self, keyring: Keyring | None) -> DataKey | None:
        """The data key that its manifest names; None where it is not encrypted.

        Raises KeyUnavailableError where the keyring is missing or has not its master key; as `peek`.
        """
        return self._unwrapped(self.peek(), keyring)

    def manifest(self, keyring: Keyring | None) -> Manifest:
        """The manifest, authenticated, and of this backup.

        Raises DamagedError where it is missing or not what was written; as `data_key`.
        """
        data = self._manifest_bytes()
        key = self._unwrapped(peek(data, str(self.path)), keyring)
        manifest = unseal(data, key.mac if key else None, str(self.path))
        if (manifest.server, manifest.id) != (self.server, self.id):
            what = f"{self.path}: the manifest is of the backup {manifest.id} of the server {manifest.server!r}"
            raise DamagedError(what, "move the backup back to where it belongs, or give the server its former name")
        return manifest

    def problem(self, keyring: Keyring | None) -> RepositoryError | None:
        """Why it cannot be listed as it should be; None where its manifest is authentic. Objects are not looked at."""
        try:
            self.manifest(keyring)
        except RepositoryError as error:
            return error
        return None

    def add_proof(self, proof: Proof, key: DataKey | None) -> Path:
        """Keep the record of a verification beside the manifest, sealed with the backup's data key.

        Raises DiskFullError or RepositoryError; nothing half-made stays.
        """
        if (proof.server, proof.backup) != (self.server, self.id):
            what = f"a proof of the backup {proof.backup} of {proof.server!r} does not belong to {self.path}"
            raise RepositoryError(what, "report this as a bug")
        directory, moment = self.path / PROOFS, proof.started
        while (path := directory / proof_name(moment)).exists():
            moment += timedelta(microseconds=1)
        with reported(directory):
            make_directory(directory, self.path)
        write_file(path, proofs.DOCUMENT.seal(proof, key.mac if key else None))
        return path

    def proofs(self, keyring: Keyring | None) -> list[ProofRecord]:
        """What was kept by `add_proof`, oldest first; one that cannot be believed is there with its problem.

        Raises what `data_key` raises.
        """
        paths = sorted(path for path in self.path.glob(f"{PROOFS}/*.json") if not path.name.startswith("."))
        key = self.data_key(keyring) if paths else None
        return [self._record(path, key) for path in paths]

    def _unwrapped(self, peeked: dict[str, Any], keyring: Keyring | None) -> DataKey | None:
        try:
            wrapped = _WRAPPED.validate_python(peeked.get("key"))
        except ValidationError as error:
            raise DamagedError(f"{self.path}: the key in the manifest cannot be read", ELSEWHERE) from error
        if wrapped is None:
            return None
        if keyring is None:
            what = f"{self.path} is encrypted, and its master key {wrapped.key_name!r} is not at hand"
            raise KeyUnavailableError(what, "set repository.encryption.keys to the key file that has it")
        return keyring.unwrap(wrapped)

    def _record(self, path: Path, key: DataKey | None) -> ProofRecord:
        try:
            proof = proofs.DOCUMENT.unseal(_read(path), key.mac if key else None, str(path))
        except RepositoryError as error:
            return ProofRecord(path, None, error)
        if (proof.server, proof.backup) != (self.server, self.id):
            what = f"{path} is the proof of the backup {proof.backup} of the server {proof.server!r}"
            return ProofRecord(path, None, DamagedError(what, "remove it, and verify this backup"))
        return ProofRecord(path, proof, None)

    def _manifest_bytes(self) -> bytes:
        return _read(self.path / MANIFEST)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        raise DamagedError(f"{path}: {error.strerror}", ELSEWHERE) from error
    except OSError as error:
        raise storage_error(error, path) from error
