"""Stored objects: compressed, encrypted where there is a key and hashed while written; checked before they are used."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import IO, Any, Self

from chom_pipelines.errors import DamagedError, KeyUnavailableError, ObjectMissingError, RepositoryError
from chom_pipelines.repository.codecs import Codec, compressor, decompressed
from chom_pipelines.repository.encryption import DataKey, Encryptor, MacCheck, decrypted
from chom_pipelines.repository.files import reported
from chom_pipelines.repository.store import PIECE, Folder, is_name

ENCRYPTED = ".enc"

_SHOWN = 12
_HELD = 64 << 20
"""Bytes of an object, as it is stored, that is held in memory at most."""


@dataclass(frozen=True)
class StoredObject:
    """One object of a backup: what it is called, how it was made, how much it holds, and how it is recognised.

    `path` is relative to the backup, with the suffixes of codec and encryption; `raw_bytes` counts what was written,
    `bytes` what was stored of it; `sha256` and, where it is encrypted, `mac` (HMAC-SHA256) are of the stored bytes.
    """

    path: str
    codec: Codec
    raw_bytes: int
    bytes: int
    sha256: str
    mac: str | None

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> StoredObject:
        """What `dataclasses.asdict` gave, after it went through JSON."""
        return cls(**{**body, "codec": Codec(body["codec"])})


class ObjectWriter:
    """Writes one object; a context manager that leaves nothing when it fails.

    Its path is `name` and the suffixes of codec and encryption, in the folder of its backup. Give `write` about a
    megabyte at a time.

    Raises DiskFullError, or RepositoryError where it cannot be written or is there already.
    """

    def __init__(self, folder: Folder, name: str, codec: Codec, level: int, key: DataKey | None) -> None:
        self._path = name + codec.suffix + (ENCRYPTED if key else "")
        self._codec = codec
        self._compressor = compressor(codec, level)
        self._encryptor = Encryptor(key, iv_name(folder, self._path)) if key else None
        self._sha256 = hashlib.sha256()
        self._raw_bytes = self._bytes = 0
        self._stored: StoredObject | None = None
        self._upload = folder.put(self._path)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.abort()

    @property
    def raw_bytes(self) -> int:
        """Bytes given so far."""
        return self._raw_bytes

    def write(self, data: bytes | memoryview) -> None:
        """Append bytes; the items of a memoryview must be bytes."""
        self._raw_bytes += len(data)
        compressed = self._compressor.compress(data)
        if compressed:
            self._store(self._encryptor.update(compressed) if self._encryptor else compressed)

    def close(self) -> StoredObject:
        """Write the rest and make it last; when called again, the same answer."""
        if self._stored is None:
            rest = self._compressor.flush()
            self._store(self._encryptor.update(rest) + self._encryptor.finalize() if self._encryptor else rest)
            self._upload.commit()
            mac = self._encryptor.mac if self._encryptor else None
            self._stored = StoredObject(
                self._path, self._codec, self._raw_bytes, self._bytes, self._sha256.hexdigest(), mac
            )
        return self._stored

    def abort(self) -> None:
        """Give up; nothing happens where it was closed already."""
        self._upload.abort()

    def _store(self, data: bytes) -> None:
        self._sha256.update(data)
        self._bytes += len(data)
        try:
            self._upload.write(data)
        except RepositoryError:
            self.abort()
            raise


def iv_name(folder: Folder, path: str) -> str:
    """What an object's IV follows from: the backup's id and the path in it, as several backups may share a key."""
    return f"{folder.basename}/{path}"


def read_object(folder: Folder, stored: StoredObject, key: DataKey | None) -> Generator[bytes]:
    """The bytes that were written, in pieces of about 1 MiB; none of them before the whole object was checked.

    One pass checks size, SHA-256 and MAC; another decrypts, decompresses and checks the raw size, and that they are the
    same bytes. It is all done as the iterator is used: an object is proved only when the iterator has ended.

    Raises DamagedError that names the object; KeyUnavailableError where it is encrypted and there is no key;
    RepositoryError where it may not be read.
    """
    with _named(folder, stored, key):
        if folder.store.capabilities.rereads:
            for _ in checked(folder.open(stored.path), stored, key):
                pass
            yield from _decoded_again(folder.open(stored.path), folder, stored, key)
        else:
            where = folder.where(stored.path)
            with tempfile.TemporaryFile() as copy, reported(f"a copy of {where} in {tempfile.gettempdir()}"):
                for piece in checked(folder.open(stored.path), stored, key):
                    copy.write(piece)
                copy.seek(0)
                yield from _decoded_again(_pieces(copy), folder, stored, key)


def read_small_object(folder: Folder, stored: StoredObject, key: DataKey | None) -> Generator[bytes]:
    """As `read_object`, of one that fits in memory as it is stored: it is read and hashed once. Larger ones are not."""
    if stored.bytes > _HELD:
        yield from read_object(folder, stored, key)
        return
    with _named(folder, stored, key):
        yield from _decoded(list(checked(folder.open(stored.path), stored, key)), folder, stored, key)


@contextmanager
def _named(folder: Folder, stored: StoredObject, key: DataKey | None) -> Iterator[None]:
    """Refuse what cannot be opened, and name the object in what is said of damage."""
    where = folder.where(stored.path)
    if stored.mac is not None and key is None:
        raise KeyUnavailableError(f"{where} is encrypted", "give the key file that has its master key")
    if not is_name(stored.path):
        raise DamagedError(f"{stored.path!r} is no path of an object within {folder.where()}")
    try:
        yield
    except ObjectMissingError as error:
        raise DamagedError(error.what) from error
    except DamagedError as error:
        what = error.what if error.what.startswith(where) else f"{where}: {error.what}"
        raise DamagedError(what, error.remedy) from error


def checked(pieces: Iterator[bytes], stored: StoredObject, key: DataKey | None) -> Iterator[bytes]:
    """The stored bytes, which are the right ones if this ends; raises DamagedError. Without a key no MAC is checked."""
    sha256, mac, size = hashlib.sha256(), MacCheck(key) if key else None, 0
    for piece in pieces:
        size += len(piece)
        if size > stored.bytes:
            raise DamagedError(f"it has more than the {stored.bytes} bytes that were stored")
        sha256.update(piece)
        if mac:
            mac.update(piece)
        yield piece
    if size != stored.bytes:
        raise DamagedError(f"it has {size} bytes, {stored.bytes} were stored")
    if sha256.hexdigest() != stored.sha256:
        raise DamagedError(f"its SHA-256 is {sha256.hexdigest()[:_SHOWN]}…, {stored.sha256[:_SHOWN]}… was stored")
    if mac and not mac.matches(stored.mac or ""):
        raise DamagedError("its MAC is not the one that was stored: it was forged, or has another key")


def _decoded_again(
    pieces: Iterator[bytes], folder: Folder, stored: StoredObject, key: DataKey | None
) -> Iterator[bytes]:
    """Decoded while they are read once more, and so hashed once more."""
    sha256 = hashlib.sha256()
    yield from _decoded(_hashed(pieces, sha256), folder, stored, key)
    if sha256.hexdigest() != stored.sha256:
        raise DamagedError("it was changed while it was read", "find out what writes there, and read it again")


def _decoded(pieces: Iterable[bytes], folder: Folder, stored: StoredObject, key: DataKey | None) -> Iterator[bytes]:
    size = 0
    encoded = decrypted(key, iv_name(folder, stored.path), pieces) if key else pieces
    for piece in decompressed(stored.codec, encoded):
        size += len(piece)
        if size > stored.raw_bytes:
            break
        yield piece
    if size != stored.raw_bytes:
        more = "more than " if size > stored.raw_bytes else ""
        raise DamagedError(f"it holds {more}{min(size, stored.raw_bytes)} bytes, {stored.raw_bytes} were written")


def _hashed(pieces: Iterable[bytes], sha256: hashlib._Hash) -> Iterator[bytes]:
    for piece in pieces:
        sha256.update(piece)
        yield piece


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    while piece := file.read(PIECE):
        yield piece
