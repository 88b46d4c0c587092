"""One writer at a time: a lock that the kernel releases when its holder ends, however it ends."""

import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from chom_pipelines.errors import RepositoryBusyError
from chom_pipelines.repository.files import reported, write_all

LOCK = ".lock"


@contextmanager
def repository_lock(directory: Path, purpose: str) -> Iterator[None]:
    """Hold the lock of a directory, which must be there; `purpose` ("full backup of chom") is told to who waits.

    Raises RepositoryBusyError that names the holder, RepositoryError where no lock can be made.
    """
    path = directory / LOCK
    with reported(path):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            what = f"{directory} is in use by {_holder(descriptor)}"
            raise RepositoryBusyError(what, "wait until that run has ended, or end it") from None
        with reported(path):
            _write_holder(descriptor, purpose)
        yield
    finally:
        os.close(descriptor)


def _write_holder(descriptor: int, purpose: str) -> None:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    holder = {"purpose": purpose, "process": os.getpid(), "host": socket.gethostname(), "since": now}
    os.ftruncate(descriptor, 0)
    write_all(descriptor, (json.dumps(holder) + "\n").encode())


def _holder(descriptor: int) -> str:
    try:
        holder = json.loads(os.pread(descriptor, 4096, 0))
        return "{purpose}: process {process} on {host} since {since}".format(**holder)
    except (ValueError, KeyError, TypeError):
        return "another run, which has not written yet who it is"
