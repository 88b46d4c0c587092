"""Directories that vanish with their owner: claimed by a lock, removed when it is done, or by a later run if it died.

The lock belongs to the open file, so it lasts as long as any process that inherited it: the supervisor of a server
holds it too, and the directory of a living server is not taken away.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from chom_pipelines.errors import ScratchServerError

_PREFIX = "chom-scratch-"
_LOCK = "owner.lock"
MEMORY = Path("/dev/shm")  # noqa: S108  (a tmpfs; directories in it are made by mkdtemp, 0700)
MIB = 1 << 20


@dataclass(frozen=True)
class Claim:
    """A private directory (0700) and the file descriptor whose lock keeps it."""

    path: Path
    descriptor: int


@contextmanager
def claimed_directory(base: Path) -> Iterator[Claim]:
    """A new directory in `base` for the length of the block. Removes those of dead owners first.

    Raises ScratchServerError where none can be made there, or it cannot be removed.
    """
    remove_abandoned(base)
    claim = _claim(base)
    try:
        yield claim
    finally:
        try:
            shutil.rmtree(claim.path)
        except FileNotFoundError:
            pass  # the supervisor removed it
        except OSError as error:
            what = f"{claim.path} could not be removed: {error}"
            raise ScratchServerError(what, "remove it; it may hold a private copy of data") from error
        finally:
            os.close(claim.descriptor)


def remove_abandoned(base: Path) -> None:
    """Remove the directories in `base` that this user made and whose owner, and server, are gone."""
    for path in base.glob(f"{_PREFIX}*"):
        try:
            found = path.lstat()  # a link that somebody has put there leads to what is not ours
            if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
                continue
            if not any(path.iterdir()):
                path.rmdir()  # its owner ended before it claimed it, or is about to do the same
                continue
            # never made here: an owner that is removing the directory could not finish
            descriptor = os.open(path / _LOCK, os.O_RDWR | os.O_NOFOLLOW)
        except OSError:
            continue  # its owner, or another run, was quicker; or it is somebody's own, that is called like ours
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _remove(path)
        except OSError:
            pass  # its owner lives, or has removed it meanwhile, or it is not ours to remove
        finally:
            os.close(descriptor)


def _remove(path: Path) -> None:
    """Remove what can be removed now; as long as something stays, a server may still write there, so does the lock.

    By that a later run knows it, and tries again.
    """
    for each in path.iterdir():
        if each.is_dir() and not each.is_symlink():
            shutil.rmtree(each, ignore_errors=True)
        elif each.name != _LOCK:
            each.unlink(missing_ok=True)
    if [each.name for each in path.iterdir()] == [_LOCK]:
        shutil.rmtree(path, ignore_errors=True)


def roomy_base(needed: int, memory: int, directory: Path | None) -> Path:
    """Where a server's data goes: memory where `needed` bytes (and `memory` for its caches) fit well, else a disk.

    The disk is `directory`, else TMPDIR's. Raises ScratchServerError where there is not enough room on that either.
    """
    # half of what is free: other runs, and the page cache of a production server, need memory too
    if MEMORY.is_dir() and needed <= shutil.disk_usage(MEMORY).free and needed + memory <= available_memory() // 2:
        return MEMORY
    base = directory or Path(tempfile.gettempdir())
    free = shutil.disk_usage(base).free
    if needed > free:
        what = f"a private server needs about {needed // MIB} MiB; {base} has {free // MIB} MiB free"
        raise ScratchServerError(what, "free some, or set TMPDIR to a directory on a larger disk")
    return base


def available_memory() -> int:
    """Bytes that new work can have without swapping."""
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return 0


def _claim(base: Path) -> Claim:
    while True:
        try:
            path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=base))
        except OSError as error:
            message = f"no directory can be made in {base}: {error.strerror}"
            raise ScratchServerError(message, "let this user write there, or name another directory") from error
        try:
            descriptor = os.open(path / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        except FileNotFoundError:
            continue  # another run took it for abandoned before it was locked
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if os.fstat(descriptor).st_nlink:
            return Claim(path, descriptor)
        os.close(descriptor)
