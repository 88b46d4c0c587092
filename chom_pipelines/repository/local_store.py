"""The store that is a directory: private (0700, files 0600), synced, on any file system of this machine."""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

from chom_pipelines.errors import DamagedError, ObjectMissingError, RepositoryError
from chom_pipelines.repository.file_locks import file_lock
from chom_pipelines.repository.files import (
    make_directory,
    reported,
    storage_error,
    sync_path,
    write_file,
)
from chom_pipelines.repository.local_upload import LocalUpload
from chom_pipelines.repository.store import (
    PIECE,
    Capabilities,
    Keeps,
    Listed,
    Protection,
    StoreAddress,
    is_name,
    refuse_bad_folder,
    refuse_bad_name,
)

_MISSING = {errno.ENOENT, errno.ENOTDIR, errno.EISDIR}


@dataclass(frozen=True)
class LocalStore:
    """A directory as a store; `root` is where it is, and `mount` what has to be mounted, or it is not there at all."""

    root: Path
    mount: Path | None = None

    @property
    def address(self) -> StoreAddress:
        """Its file: URL."""
        return StoreAddress(self.root.absolute().as_uri())

    @property
    def capabilities(self) -> Capabilities:
        """The kernel's locks hold on network file systems as well."""
        return Capabilities(rereads=True, locks_all_machines=True)

    def where(self, name: str) -> str:
        """The path."""
        return str(self.root / name)

    def create(self) -> None:
        """Make the directory, and what is missing above it; nothing where a file system has yet to be mounted."""
        if not self._is_mounted():
            raise RepositoryError(f"nothing is mounted at {self.mount}", "mount the repository's file system there")
        with reported(self.root):
            make_directory(self.root)

    def is_there(self) -> bool:
        """Whether the directory is, and on the file system that it belongs to."""
        return self._is_mounted() and self.root.is_dir()

    def _is_mounted(self) -> bool:
        return self.mount is None or self.mount.is_mount()

    def protection(self) -> Protection:
        """A file that is removed is gone."""
        elsewhere = "keep a copy where this machine cannot delete, as in a bucket with an object lock"
        return Protection(Keeps.NOTHING, 0, elsewhere)

    def put(self, name: str, *, anew: bool = False) -> LocalUpload:
        """Begin a file beside its place; directories on the way are made, but never the root itself."""
        refuse_bad_name(name)
        return LocalUpload(self._path(name), self.root, anew=anew)

    def replace(self, name: str, data: bytes) -> None:
        """Write a file beside its place, and rename it."""
        refuse_bad_name(name)
        path = self._path(name)
        with reported(path.parent):
            make_directory(path.parent, self.root)
        write_file(path, data)

    def open(self, name: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """Read the file; one that is replaced meanwhile is read on as it was."""
        refuse_bad_name(name)
        path = self._path(name)
        try:
            with FileIO(path, opener=_regular_file) as file:
                file.seek(start)
                left = length
                while left is None or left > 0:
                    piece = file.read(PIECE if left is None else min(PIECE, left))
                    if not piece:
                        return
                    left = None if left is None else left - len(piece)
                    yield piece
        except OSError as error:
            raise _reading_error(error, path) from error

    def exists(self, name: str) -> bool:
        """Whether the file is there."""
        refuse_bad_name(name)
        path = self._path(name)
        with reported(path):
            return path.is_file()

    def below(self, folder: str) -> list[Listed]:
        """Every file below; what begins with a dot is this store's own."""
        refuse_bad_folder(folder)
        top = self._path(folder)
        found = []
        with reported(top):
            for path in _files(top):
                with suppress(FileNotFoundError):  # removed meanwhile
                    found.append(Listed(path.relative_to(self.root).as_posix(), path.stat().st_size))
        return sorted(found, key=lambda each: each.name)

    def folders(self, folder: str) -> list[str]:
        """The directories directly below, but for empty ones: locks, and uploads that came to nothing, leave some."""
        refuse_bad_folder(folder)
        top = self._path(folder)
        with reported(top):
            try:
                found = [path for path in top.iterdir() if is_name(path.name) and path.is_dir()]
            except FileNotFoundError:
                return []
            return sorted(path.name for path in found if _holds_something(path))

    def delete(self, name: str) -> None:
        """Unlink the file and sync its directory."""
        refuse_bad_name(name)
        path = self._path(name)
        with reported(path), suppress(FileNotFoundError):
            path.unlink()
            sync_path(path.parent)

    def forget_uploads(self, folder: str) -> None:
        """Remove the hidden files of LocalUpload."""
        refuse_bad_name(folder)
        path = self._path(folder)
        with reported(path):
            for each in path.rglob(".*"):
                if each.suffix != ".lock" and each.is_file() and not each.is_symlink():
                    each.unlink()

    def delete_folder(self, folder: str) -> None:
        """Remove the directory."""
        refuse_bad_name(folder)
        path = self._path(folder)
        with reported(path), suppress(FileNotFoundError):
            shutil.rmtree(path)
            sync_path(path.parent)

    def lock(self, name: str, purpose: str, *, shared: bool, patience: float) -> AbstractContextManager[None]:
        """A lock of the kernel on a hidden file."""
        refuse_bad_name(name)
        path = self._path(name)
        if not self.root.is_dir():
            raise RepositoryError(f"there is no repository at {self.root}", "mount it, or create it")
        file, where = path.with_name(f".{path.name}.lock"), str(path.parent)
        return file_lock(file, self.root, where, purpose, shared=shared, patience=patience)

    def _path(self, name: str) -> Path:
        """The path of a name; raises DamagedError where a symbolic link is on the way, which this never makes."""
        path = self.root
        for part in filter(None, name.split("/")):
            path /= part
            with reported(path):
                linked = path.is_symlink()
            if linked:
                what = f"{path} is a symbolic link, and may lead anywhere"
                raise DamagedError(what, "put there what belongs there; another disk is mounted there, not linked")
        return path


def _reading_error(error: OSError, path: Path) -> RepositoryError:
    if error.errno in _MISSING:
        return ObjectMissingError(f"{path}: {error.strerror}")
    if error.errno == errno.EIO:
        return DamagedError(f"{path}: {error.strerror}", "look at the system's log: the disk fails; restore another")
    return storage_error(error, path)


def _regular_file(path: str, flags: int) -> int:
    """Open a file that is one: a pipe in its place would keep whoever reads it waiting."""
    descriptor = os.open(path, flags | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise FileNotFoundError(errno.ENOENT, "not a regular file", path)
    return descriptor


def _holds_something(folder: Path) -> bool:
    """True also where it cannot be looked into: that is for who looks, and no reason to show nothing at all."""
    try:
        return any(_files(folder))
    except OSError:
        return True


def _files(top: Path) -> Iterator[Path]:
    """What is not hidden; raises OSError."""
    for directory, folders, files in os.walk(top, onerror=_unless_missing):
        folders[:] = [name for name in folders if name[0] != "."]
        yield from (Path(directory, name) for name in files if name[0] != ".")


def _unless_missing(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error
