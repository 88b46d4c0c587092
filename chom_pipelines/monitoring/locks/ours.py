"""Which sessions of a server are this project's own, and what they do; pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from chom_pipelines.monitoring.readers.waits import SessionSeen
from chom_pipelines.server.connection import PROGRAM

_COPIES_FILES = frozenset({"mariadb-backup", "mariabackup", "xtrabackup"})
_OF_A_BACKUP = re.compile(
    r"\s*(BACKUP (STAGE|LOCK)|FLUSH (LOCAL |NO_WRITE_TO_BINLOG )?TABLES WITH READ LOCK|LOCK INSTANCE FOR BACKUP"
    r"|CLONE LOCAL|START TRANSACTION WITH CONSISTENT SNAPSHOT)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Ours:
    """`what` is like `chom backup`. `is_certain`: the session says so; else its account and its doings do."""

    what: str
    is_certain: bool

    @property
    def said(self) -> str:
        """For people."""
        return f"our own {self.what}" if self.is_certain else f"probably our own {self.what}"


def whose(seen: SessionSeen, account: str, *, holds_the_server: bool = False) -> Ours | None:
    """None: it is not known to be of this project; `account` is the user that chom.yaml names.

    Where the server does not show what program opened a session the account decides, and that it holds a lock of the
    whole server, or asks for one, says that it is a backup. Another program may use that account.
    """
    program = (seen.program or "").lower()
    if program == PROGRAM or program.startswith(f"{PROGRAM} "):
        return Ours(program, is_certain=True)
    if seen.user != account:
        return None
    if program in _COPIES_FILES:
        return Ours(f"{PROGRAM} backup ({program})", is_certain=False)
    if seen.program is not None:
        return None
    backs_up = holds_the_server or _OF_A_BACKUP.match(seen.statement)
    return Ours(f"{PROGRAM} backup" if backs_up else PROGRAM, is_certain=False)
