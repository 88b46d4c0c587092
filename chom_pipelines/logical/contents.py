"""A published backup opened for reading: its manifest, its definitions, and the text of its tables."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from chom_pipelines.errors import DamagedError
from chom_pipelines.logical.definitions import SCHEMA_FILES, Definition, parsed
from chom_pipelines.repository.encryption import DataKey
from chom_pipelines.repository.entry import BackupEntry
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.manifest import Manifest
from chom_pipelines.repository.objects import StoredObject, read_object
from chom_pipelines.repository.payloads import LogicalPayload
from chom_pipelines.repository.store import Folder
from chom_pipelines.repository.timing import Amounts, amounts_of


class _Pieces(io.RawIOBase):
    """An iterator of bytes as a file, for tarfile."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self.pieces, self.rest = pieces, b""

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        while size < 0 or len(self.rest) < size:
            piece = next(self.pieces, None)
            if piece is None:
                break
            self.rest += piece
        wanted = len(self.rest) if size < 0 else size
        data, self.rest = self.rest[:wanted], self.rest[wanted:]
        return data


@dataclass(frozen=True)
class Contents:
    """An authentic manifest and what it names. Reading raises DamagedError that names the object."""

    folder: Folder
    manifest: Manifest
    logical: LogicalPayload
    key: DataKey | None

    @classmethod
    def of(cls, entry: BackupEntry, keyring: Keyring | None) -> Contents:
        """Open a logical backup.

        Raises DamagedError, UnknownFormatError, KeyUnavailableError; UnsupportedBackupError where it is another one.
        """
        manifest = entry.manifest(keyring)
        return cls(entry.folder, manifest, manifest.logical, entry.data_key(keyring))

    @cached_property
    def stored(self) -> dict[str, StoredObject]:
        """The stored objects by path."""
        return {stored.path: stored for stored in self.manifest.objects}

    @property
    def amounts(self) -> Amounts:
        """What the time of its restore goes by."""
        return amounts_of([self.manifest])

    def text(self, path: str) -> Iterator[bytes]:
        """An object's bytes as they were before compression, checked first."""
        if path not in self.stored:
            raise DamagedError(f"{self.folder.where()}: the manifest names no object {path}")
        return read_object(self.folder, self.stored[path], self.key)

    def members(self, path: str) -> Iterator[tuple[str, bytes]]:
        """The (name, text) of a bundle's members."""
        pieces = self.text(path)
        try:
            with tarfile.open(fileobj=_Pieces(pieces), mode="r|") as bundle:
                for member in bundle:
                    file = bundle.extractfile(member)
                    yield member.name, file.read() if file else b""
        except tarfile.TarError as error:
            raise DamagedError(f"{self.folder.where(path)}: {error}") from error
        for _ in pieces:  # to the end: only then is all of it checked
            pass

    def definitions(self) -> list[Definition]:
        """Every definition, in the order of creation. Raises DamagedError where one is not the manifest's."""
        found = []
        for name in SCHEMA_FILES:
            path = next((path for path in self.stored if path.startswith(f"{name}.sql")), None)
            if path is None:
                raise DamagedError(f"{self.folder.where()}: the manifest names no {name}.sql")
            found += parsed(b"".join(self.text(path)), self.folder.where(path))
        wanted = [(each.kind, each.database, each.name, each.digest) for each in self.logical.schema_objects]
        there = [(each.kind, each.database, each.name, each.digest) for each in found]
        if sorted(wanted) != sorted(there):
            missing = ", ".join(f"{kind} {name}" for kind, _, name, _ in sorted(set(wanted) ^ set(there)))
            raise DamagedError(f"{self.folder.where()}: definitions are not those of the manifest: {missing}")
        return found
