"""Private files and directories: made 0600 and 0700, and synced."""

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from chom_pipelines.errors import DiskFullError, RepositoryError

_REMEDIES = {
    errno.EACCES: "let the user who runs chom read and write there",
    errno.EPERM: "let the user who runs chom read and write there",
    errno.EROFS: "mount that file system for writing",
    errno.EFBIG: "raise the limit on the size of a file (ulimit -f), or use a file system that has none so small",
    errno.EIO: "look at the system's log: the disk fails",
}


def storage_error(error: OSError, path: Path | str) -> RepositoryError:
    """What to raise for an error of the operating system at `path`: DiskFullError or RepositoryError."""
    what = f"{path}: {error.strerror or error}"
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return DiskFullError(what, "free space there, or move the repository to a larger disk")
    return RepositoryError(
        what, _REMEDIES.get(error.errno or 0, "mend what the operating system says, and run it again")
    )


@contextmanager
def reported(path: Path | str) -> Iterator[None]:
    """Raise an OSError of the block as `storage_error` of this path."""
    try:
        yield
    except OSError as error:
        raise storage_error(error, path) from error


def make_directory(path: Path, top: Path | None = None) -> None:
    """Make a directory, 0700, and what is missing above it, synced into its parents.

    `top` is never made: what was removed meanwhile does not come back half. Raises OSError.
    """
    if not path.is_dir():
        if path == top:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
        make_directory(path.parent, top)
        path.mkdir(mode=0o700, exist_ok=True)
        sync_path(path.parent)


def create_file(path: Path) -> int:
    """Open a new file for writing, 0600, and return its descriptor; raises OSError where there is one already."""
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)


def write_all(descriptor: int, data: bytes) -> None:
    """Write every byte; raises OSError."""
    written = os.write(descriptor, data)
    while written < len(data):
        written += os.write(descriptor, memoryview(data)[written:])


def write_file(path: Path, data: bytes) -> None:
    """Write a file that is there whole or not at all, 0600 and synced, replacing what was there.

    Raises DiskFullError or RepositoryError.
    """
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with reported(path):
            _write_synced(fresh, data)
            fresh.replace(path)
            sync_path(path.parent)
    except RepositoryError:
        with suppress(OSError):  # the error that led here is the one to tell
            fresh.unlink(missing_ok=True)
        raise


def sync_path(path: Path) -> None:
    """Make the bytes of a file, or the names in a directory, last; raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_synced(path: Path, data: bytes) -> None:
    descriptor = create_file(path)
    try:
        write_all(descriptor, data)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
