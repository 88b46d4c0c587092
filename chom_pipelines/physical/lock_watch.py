"""No lock of mariadb-backup is waited for, or held, so long that it holds up production.

While BACKUP STAGE waits, who comes behind it waits as well; while it is at BLOCK_COMMIT, all who write do. The program
has an option for that, `--ftwrl-wait-timeout`, which also waits for every statement that runs, a long SELECT too, fails
where one does not end in that time, and writes its text with all values into the log. Without it the program waits for
ever.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from chom_pipelines.errors import BackupFailedError, ServerError, SnapshotTooSlowError
from chom_pipelines.logical.snapshot import LOCK_SECONDS, not_obtained
from chom_pipelines.server.connection import Session
from chom_pipelines.server.endpoint import Endpoint

_LOOK_SECONDS = 0.5
_FIRST = "BACKUP STAGE START"
_FIRST_SECONDS = 60
"""It waits for LOCK TABLES and for other backups, and nobody waits behind it."""

PROGRAM_HELD_SECONDS = 20
"""The longest that commits may wait: for the lock to be granted, and for what is read under it to be stored."""

_ASKS, _HOLDS, _LETS_GO = b"BACKUP STAGE", b"BACKUP STAGE BLOCK_COMMIT", b"BACKUP STAGE END"
"""What the program's log says of its own."""

_MINE = "USER = SUBSTRING_INDEX(USER(), '@', 1)"
_SESSIONS = f"SELECT ID FROM information_schema.PROCESSLIST WHERE {_MINE}"
_WAITING = (
    f"SELECT ID, INFO, TIME_MS / 1000 FROM information_schema.PROCESSLIST WHERE {_MINE} "
    "AND INFO LIKE 'BACKUP STAGE %' AND STATE LIKE 'Waiting%'"
)


@dataclass
class LockWatch:
    """A watch over a program by its `log`: `error` is why it was ended, if it was.

    `others` are sessions of the same account that are not the program's.
    """

    log: Path
    others: frozenset[int]
    error: ServerError | BackupFailedError | None = None
    _own: frozenset[int] | None = None
    """The program's sessions, of which it has all when it asks for its first lock; None: it has not said so."""
    _ended: threading.Event = field(default_factory=threading.Event)
    _held_since: float | None = None

    def watch(self, session: Session, end: Callable[[], None]) -> None:
        """Until it is stopped: `end` what waits or holds for longer than it may, or cannot be watched any more."""
        while not self._ended.wait(_LOOK_SECONDS):
            try:
                self.error = self._waits(session) or self._holds(session)
            except ServerError as error:
                self.error = error
            except Exception as error:  # noqa: BLE001  (unwatched it does not go on, whatever happened)
                self.error = BackupFailedError(f"its locks could not be watched: {error!r}", "report this as a bug")
            if self.error:
                end()
                return

    def stop(self) -> None:
        """Look no more."""
        self._ended.set()

    def _waits(self, session: Session) -> ServerError | None:
        if self._own is None and _ASKS in self.log.read_bytes():
            self._own = _sessions(session) - self.others
        for identity, statement, seconds in session.rows(_WAITING):
            longest = _FIRST_SECONDS if str(statement).upper() == _FIRST else LOCK_SECONDS
            is_own = identity not in self.others and (self._own is None or identity in self._own)
            if is_own and seconds > longest:
                return not_obtained(session, f"{statement} was not granted within {longest} s")
        return None

    def _holds(self, session: Session) -> BackupFailedError | None:
        said = self.log.read_bytes()
        if _HOLDS not in said or _LETS_GO in said:
            self._held_since = None
        elif self._held_since is None:
            self._held_since = time.monotonic()
        elif time.monotonic() - self._held_since > PROGRAM_HELD_SECONDS:
            what = f"{session.endpoint.where}: commits were held up for {PROGRAM_HELD_SECONDS} s, and were let go"
            remedy = (
                "look whether the repository takes what is written, and is faster than the server writes; run again"
            )
            return SnapshotTooSlowError(what, remedy)
        return None


@contextmanager
def watched(endpoint: Endpoint, log: Path, others: frozenset[int], end: Callable[[], None]) -> Iterator[LockWatch]:
    """Watch a program that is at work for this account, but not `others`, for the length of the block."""
    found = LockWatch(log, others)
    with Session(endpoint) as session:
        thread = threading.Thread(target=found.watch, args=(session, end), name="locks")
        thread.start()
        try:
            yield found
        finally:
            found.stop()
            thread.join()


def sessions_of(endpoint: Endpoint) -> frozenset[int]:
    """Ids of the sessions that this account has already; raises ServerError."""
    with Session(endpoint) as session:
        return _sessions(session)


def _sessions(session: Session) -> frozenset[int]:
    return frozenset(int(identity) for (identity,) in session.rows(_SESSIONS))
