"""A published physical backup opened for reading: its manifest, and the chunks of its parts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

from chom_pipelines.errors import DamagedError
from chom_pipelines.physical.chunks import Chunk, chunks
from chom_pipelines.repository.encryption import DataKey
from chom_pipelines.repository.entry import BackupEntry
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.manifest import Manifest
from chom_pipelines.repository.objects import StoredObject, read_small_object
from chom_pipelines.repository.payloads import PhysicalPayload
from chom_pipelines.repository.store import Folder
from chom_pipelines.repository.timing import Amounts, amounts_of


class _Pieces:
    """Pieces of bytes, read in other sizes."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces, self._rest = pieces, memoryview(b"")

    def read(self, size: int) -> bytes:
        return b"".join(self.share(size))

    def share(self, size: int) -> list[memoryview]:
        found: list[memoryview] = []
        while size:
            if not self._rest:
                piece = next(self._pieces, None)
                if piece is None:
                    break
                self._rest = memoryview(piece)
            taken, self._rest = self._rest[:size], self._rest[size:]
            found.append(taken)
            size -= len(taken)
        return found


@dataclass(frozen=True)
class FileContents:
    """An authentic manifest and what it names. Reading raises DamagedError that names the object."""

    folder: Folder
    manifest: Manifest
    physical: PhysicalPayload
    key: DataKey | None
    ancestors: tuple[FileContents, ...] = ()
    """Of an incremental backup: those that it builds on, the full one first."""

    @classmethod
    def of(cls, entry: BackupEntry, keyring: Keyring | None) -> FileContents:
        """Open a physical backup.

        Raises DamagedError, also where a backup that it builds on is missing or another one; UnknownFormatError,
        KeyUnavailableError; UnsupportedBackupError where it is a logical one.
        """
        own = entry.manifest(keyring)
        itself, *others = [
            cls(one.folder, manifest, manifest.physical, one.data_key(keyring))
            for one, manifest in ((entry, own), *entry.ancestors(own, keyring))
        ]
        return replace(itself, ancestors=tuple(reversed(others)))

    @property
    def chain(self) -> tuple[FileContents, ...]:
        """All that a restore of it reads: the full backup, and each incremental one up to this."""
        return (*self.ancestors, self)

    @property
    def raw_bytes(self) -> int:
        """Bytes of all streams of the chain."""
        return sum(each.manifest.raw_bytes for each in self.chain)

    @property
    def amounts(self) -> Amounts:
        """What the time of its restore goes by."""
        return amounts_of([each.manifest for each in self.chain])

    @cached_property
    def stored(self) -> dict[str, StoredObject]:
        """The stored objects by path."""
        return {stored.path: stored for stored in self.manifest.objects}

    def refuse_incomplete(self) -> None:
        """Raise DamagedError where a part of the chain is not there, or of another size; nothing is read."""
        for each in self.ancestors:
            each.refuse_incomplete()
        there = {each.name: each.bytes for each in self.folder.below()}
        for path in self.physical.parts:
            if path not in self.stored:
                raise DamagedError(f"{self.folder.where()}: the manifest names no object {path}")
            if there.get(path) != self.stored[path].bytes:
                found = f"has {there[path]} bytes" if path in there else "is not there"
                raise DamagedError(f"{self.folder.where(path)} {found}; {self.stored[path].bytes} were stored")

    def chunks(self, path: str) -> Iterator[Chunk]:
        """The chunks of one part, each checked; none of them before the whole object was authenticated."""
        if path not in self.stored:
            raise DamagedError(f"{self.folder.where()}: the manifest names no object {path}")
        try:
            pieces = _Pieces(read_small_object(self.folder, self.stored[path], self.key))
            for chunk in chunks(pieces.read, pieces.share):
                chunk.refuse_damage()
                yield chunk
        except DamagedError as error:
            where = self.folder.where(path)
            what = error.what if error.what.startswith(where) else f"{where}: {error.what}"
            raise DamagedError(what, error.remedy) from error
