"""Locks that the kernel releases when their holder ends, however it ends: exclusive, or shared by many.

Who holds which of them, as what reads a backup while it must stay, is said in `streams.py`.
"""

import errno
import fcntl
import json
import logging
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from chom_pipelines.errors import RepositoryBusyError
from chom_pipelines.repository.files import make_directory, reported, write_all

_POLL_SECONDS = 0.05
_CLEARING_SECONDS = 1.0
_READ = 64 << 10
_NOTHING_TO_WRITE_ON = {errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM}

_log = logging.getLogger(__name__)


@contextmanager
def file_lock(path: Path, top: Path, where: str, purpose: str, *, shared: bool, patience: float) -> Iterator[None]:
    """Hold the lock that this file stands for; directories between `top` and it are made.

    Who waits in vain is told what is locked, `where`, and the holder's `purpose` ("full backup of chom"). Who shares it
    need not write: where the file cannot be made or opened, it goes without, and a warning says so.

    Raises RepositoryBusyError that names a holder after `patience` seconds, RepositoryError where no lock can be made.
    """
    with reported(path):
        descriptor = _opened(path, top, shared=shared)
    if descriptor is None:
        yield
        return
    try:
        with reported(path):  # a file system may know no locks
            _acquire(descriptor, where, shared=shared, patience=patience)
        try:
            with suppress(OSError):  # on a full disk nobody is told who holds it, and it is held all the same
                _sign(descriptor, purpose, shared=shared)
            yield
        finally:
            _clear_if_last(descriptor)
    finally:
        os.close(descriptor)


def _opened(path: Path, top: Path, *, shared: bool) -> int | None:
    try:
        make_directory(path.parent, top)
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_APPEND | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        if error.errno not in _NOTHING_TO_WRITE_ON or not shared:
            raise
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except (FileNotFoundError, PermissionError) as error:
        _log.warning("%s: %s: nothing keeps what is read now from being deleted meanwhile", path, error.strerror)
        return None


def _acquire(descriptor: int, where: str, *, shared: bool, patience: float) -> None:
    # Who shares tries more than once: another one that leaves may be alone with the file for a moment, to clear it.
    until = time.monotonic() + (max(patience, _CLEARING_SECONDS) if shared else patience)
    while True:
        try:
            fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= until:
                what = f"{where} is in use by {_holders(descriptor)}"
                raise RepositoryBusyError(what, "wait until that run has ended, or end it") from None
            time.sleep(_POLL_SECONDS)  # flock has no time limit of its own
        else:
            return


def _sign(descriptor: int, purpose: str, *, shared: bool) -> None:
    """A line for each holder; an exclusive one is alone and begins anew."""
    if fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
        return
    if not shared:
        os.ftruncate(descriptor, 0)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    holder = {"purpose": purpose, "process": os.getpid(), "host": socket.gethostname(), "since": now}
    write_all(descriptor, (json.dumps(holder) + "\n").encode())


def _clear_if_last(descriptor: int) -> None:
    """Remove what holders wrote when the last of them goes, so that nobody is named who is done."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.ftruncate(descriptor, 0)
    except OSError:  # others still hold it, or it cannot be written: then the next one clears it
        return


def _holders(descriptor: int) -> str:
    """The holders that signed and, as far as this machine can tell, still live."""
    found = []
    for line in os.pread(descriptor, _READ, 0).splitlines():
        try:
            holder = json.loads(line)
            if holder["host"] != socket.gethostname() or _lives(int(holder["process"])):
                found.append("{purpose}: process {process} on {host} since {since}".format(**holder))
        except (ValueError, KeyError, TypeError):
            continue
    return "; ".join(found) or "another run, which has not written yet who it is"


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # it is somebody else's
        return True
    return True
