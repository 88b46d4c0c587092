"""The audit log: who read, restored, changed or deleted what of the repository, and when; a line of JSON each.

It is for people, and for what ships logs: nothing here rests on it. Where it cannot be written, that is said, and the
work goes on: who has to restore is not kept from it by a full disk.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import pwd
import socket
import stat
import sys
from datetime import UTC, datetime
from pathlib import Path

from chom_pipelines.inventory.models import RepositoryConfig
from chom_pipelines.repository.files import write_all

NAME = "audit.jsonl"
# who can write in the repository may have put a link or a pipe there: neither leads elsewhere, nor holds anybody up
_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK

_log = logging.getLogger(__name__)


def audit_file(repository: RepositoryConfig) -> Path:
    """Where the log is: as configured, else in the repository."""
    return repository.audit or repository.path / NAME


def record(
    repository: RepositoryConfig, action: str, server: str = "", *, run: str = "", **what: str | bool | list[str] | None
) -> None:
    """Append that this begins, or was done, by who runs this process; `run` is Dagster's id of its run.

    What is None or False is left out.
    """
    line = {
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "action": action,
        **({"server": server} if server else {}),
        **{name: value for name, value in what.items() if value is not None and value is not False},
        "user": _user(),
        "uid": os.getuid(),
        **({"sudo": sudo} if (sudo := os.environ.get("SUDO_USER")) else {}),
        "host": socket.gethostname(),
        "process": os.getpid(),
        "by": f"dagster run {run}" if run else Path(sys.argv[0]).name,
    }
    file = audit_file(repository)
    try:
        # appended in one write, so that lines of processes at the same time stay whole
        descriptor = os.open(file, _FLAGS, 0o600)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise OSError(errno.EINVAL, "not a regular file")
            write_all(descriptor, (json.dumps(line) + "\n").encode())
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        _log.warning("%s of %s is not in the audit log: %s: %s", action, server or "keys", file, error.strerror)


def _user() -> str:
    """By the system, as variables say what one wants them to."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:  # of a container, in which the number has no name
        return str(os.geteuid())
