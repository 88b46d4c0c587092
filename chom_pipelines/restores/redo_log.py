"""Filling a MySQL without its redo log: what is loaded is written once, and not twice.

A server that ends in between is of no use any more, which a half-filled one is not anyway. MariaDB has no such switch.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from chom_pipelines.errors import RestoreFailedError
from chom_pipelines.server.connection import Session
from chom_pipelines.server.facts import ServerFacts
from chom_pipelines.server.questions import status
from chom_pipelines.server.scratch import ScratchServer
from chom_pipelines.server.versions import Version

_SINCE: Version = (8, 0, 21)
_SWITCH = "Innodb_redo_log_enabled"


def has_switch(facts: ServerFacts) -> bool:
    """Whether the server can do without."""
    return not facts.is_mariadb and facts.version >= _SINCE


@contextmanager
def redo_log_off(server: ScratchServer) -> Iterator[None]:
    """Have a private server write no redo log for the length of the block, where it can; on again it is known to be.

    Where an exception ends the block it stays off: the private server is of no use then. Raises the server's errors,
    and RestoreFailedError where it is not on again.
    """
    if not has_switch(server.facts):
        yield
        return
    with Session(server.endpoint) as session:
        session.execute("ALTER INSTANCE DISABLE INNODB REDO_LOG")
    yield
    with Session(server.endpoint) as session:
        session.execute("ALTER INSTANCE ENABLE INNODB REDO_LOG")
        if status(session, _SWITCH) != "ON":
            what = f"{session.endpoint.where}: its redo log is not on again: a crash would cost what it has"
            raise RestoreFailedError(what, "restore again, and report this as a bug")
