"""Stored objects: compressed, encrypted where there is a key and hashed while written; checked before they are used."""

import errno
import hashlib
import os
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from chom_pipelines.errors import DamagedError, KeyUnavailableError, RepositoryError
from chom_pipelines.repository.codecs import ELSEWHERE, Codec, compressor, decompressed
from chom_pipelines.repository.encryption import DataKey, Encryptor, decrypted, verify_mac
from chom_pipelines.repository.files import create_file, is_inside, make_directory, storage_error, write_all

if TYPE_CHECKING:
    from typing import Self

ENCRYPTED = ".enc"
_READ = 1 << 20
_WRITE_BEHIND = 8 << 20
_DAMAGE = {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EIO}


@dataclass(frozen=True)
class StoredObject:
    """One file of a backup: what it is called, how much it holds, and how it is recognised.

    `path` is relative to the backup, with the suffixes of codec and encryption; `raw_bytes` counts what was written,
    `bytes` what was stored of it; `sha256` and, where it is encrypted, `mac` (HMAC-SHA256) are of the stored bytes.
    """

    path: str
    raw_bytes: int
    bytes: int
    sha256: str
    mac: str | None


class ObjectWriter:
    """Writes one object; a context manager that leaves no file when it fails.

    The path is `name` and the suffixes of codec and encryption. Directories below `root` are made, 0700, and the file
    is 0600. Give `write` about a megabyte at a time. `close` syncs the file, but not its directory.

    Raises DiskFullError, or RepositoryError where the file cannot be written or is there already.
    """

    def __init__(self, root: Path, name: str, codec: Codec, level: int, key: DataKey | None) -> None:
        self._path = name + codec.suffix + (ENCRYPTED if key else "")
        self._file = root / self._path
        self._compressor = compressor(codec, level)
        self._encryptor = Encryptor(key, self._path) if key else None
        self._sha256 = hashlib.sha256()
        self._raw_bytes = self._bytes = self._behind = 0
        self._stored: StoredObject | None = None
        if not is_inside(self._path):
            raise RepositoryError(f"{self._path!r} cannot be an object's path within a backup", "report this as a bug")
        try:
            make_directory(self._file.parent, root)
            self._descriptor = create_file(self._file)
        except OSError as error:
            raise storage_error(error, self._file) from error

    def __enter__(self) -> "Self":
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
        """Write the rest; when called again, the same answer. It is synced with all others when they are published."""
        if self._stored is None:
            rest = self._compressor.flush()
            self._store(self._encryptor.update(rest) + self._encryptor.finalize() if self._encryptor else rest)
            os.close(self._descriptor)
            mac = self._encryptor.mac if self._encryptor else None
            self._stored = StoredObject(self._path, self._raw_bytes, self._bytes, self._sha256.hexdigest(), mac)
            self._descriptor = -1
        return self._stored

    def abort(self) -> None:
        """Give up and remove the file; nothing happens where it was closed already."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
            with suppress(OSError):  # the error that led here is the one to tell; the next run removes what stays
                self._file.unlink()

    def _store(self, data: bytes) -> None:
        self._sha256.update(data)
        self._bytes += len(data)
        try:
            write_all(self._descriptor, data)
            if self._bytes - self._behind >= _WRITE_BEHIND:
                # Has the disk write meanwhile, so that the sync at the end is short, and frees the page cache.
                os.posix_fadvise(self._descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
                self._behind = self._bytes
        except OSError as error:
            self.abort()
            raise storage_error(error, self._file) from error


def read_object(root: Path, stored: StoredObject, codec: Codec, key: DataKey | None) -> Iterator[bytes]:
    """The bytes that were written, in pieces of about 1 MiB; none of them before the whole file was checked.

    One pass over the file checks its size, SHA-256 and MAC; another decrypts, decompresses and checks the raw size. It
    is all done as the iterator is used: an object is proved only when the iterator has ended.

    Raises DamagedError that names the object; KeyUnavailableError where it is encrypted and there is no key;
    RepositoryError where the file may not be read.
    """
    if stored.mac is not None and key is None:
        raise KeyUnavailableError(f"{root / stored.path} is encrypted", "give the key file that has its master key")
    if not is_inside(stored.path):
        raise DamagedError(f"{stored.path!r} is no path of an object within {root}", ELSEWHERE)
    try:
        with FileIO(root / stored.path) as file:
            _check(file, stored, key)
            file.seek(0)
            yield from _decoded(file, stored, codec, key)
    except DamagedError as error:
        raise DamagedError(f"{root / stored.path}: {error.what}", error.remedy) from error
    except OSError as error:
        if error.errno in _DAMAGE:
            raise DamagedError(f"{root / stored.path}: {error.strerror}", ELSEWHERE) from error
        raise storage_error(error, root / stored.path) from error


def _check(file: FileIO, stored: StoredObject, key: DataKey | None) -> None:
    size = os.fstat(file.fileno()).st_size
    if size != stored.bytes:
        raise DamagedError(f"the file has {size} bytes, {stored.bytes} were stored", ELSEWHERE)
    sha256 = hashlib.sha256()
    chunks = _hashed(_chunks(file), sha256)
    authentic = verify_mac(key, chunks, stored.mac or "") if key else not deque(chunks, maxlen=0)
    if sha256.hexdigest() != stored.sha256:
        raise DamagedError(f"the file's SHA-256 is {sha256.hexdigest()}, {stored.sha256} was stored", ELSEWHERE)
    if not authentic:
        raise DamagedError(
            "the file's MAC is not the one that was stored: it was forged, or has another key", ELSEWHERE
        )


def _decoded(file: FileIO, stored: StoredObject, codec: Codec, key: DataKey | None) -> Iterator[bytes]:
    chunks = _chunks(file)
    size = 0
    for piece in decompressed(codec, decrypted(key, stored.path, chunks) if key else chunks):
        size += len(piece)
        if size > stored.raw_bytes:
            break
        yield piece
    if size != stored.raw_bytes:
        more = "more than " if size > stored.raw_bytes else ""
        raise DamagedError(
            f"it holds {more}{min(size, stored.raw_bytes)} bytes, {stored.raw_bytes} were written", ELSEWHERE
        )


def _chunks(file: FileIO) -> Iterator[bytes]:
    while chunk := file.read(_READ):
        yield chunk


def _hashed(chunks: Iterator[bytes], sha256: "hashlib._Hash") -> Iterator[bytes]:
    for chunk in chunks:
        sha256.update(chunk)
        yield chunk
