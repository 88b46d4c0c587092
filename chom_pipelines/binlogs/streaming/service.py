"""Archiving a server's binary log continuously, so that seconds are at stake: the loop of `chom stream`.

What comes of the file that the server writes is published in parts. When that file is closed, it is archived as a whole
beside the loop, and its parts go.
"""

from __future__ import annotations

import hashlib
import logging
import socket
import time
from dataclasses import dataclass
from functools import cached_property

from chom_pipelines.binlogs.archive.archiving import Archiver, LogArchive, archive
from chom_pipelines.binlogs.archive.server_logs import rotate, server_logs
from chom_pipelines.binlogs.streaming.connection import Connection, Pace
from chom_pipelines.binlogs.streaming.following import followed
from chom_pipelines.binlogs.streaming.lag import State
from chom_pipelines.binlogs.streaming.parts import Tail
from chom_pipelines.binlogs.streaming.silence import SILENCE
from chom_pipelines.binlogs.streaming.wholes import Wholes
from chom_pipelines.errors import (
    AccessDeniedError,
    BinlogDamagedError,
    MissingPrivilegeError,
    ObjectExistsError,
    RepositoryBusyError,
    RepositoryError,
    ServerError,
    StoreUnreachableError,
    UnknownFormatError,
    UnsupportedServerError,
)
from chom_pipelines.server.binlog_settings import read_binlog_settings
from chom_pipelines.server.connection import Session
from chom_pipelines.server.facts import read_facts

_WAITS = (0.5, 1.0, 2.0)
"""Seconds before the first, second, ... attempt to connect again."""
_ANSWER = 5.0
"""Seconds for which an answer of the server is waited for."""
_STUCK = 60.0
"""Seconds to wait where a file can be followed no further, and the server does not begin another."""
_LEFT = 600.0
"""Seconds at least between two files that the server is asked to close because of that: each one may leave a gap."""

_log = logging.getLogger(__name__)


class _Stopped(Exception):  # noqa: N818  (nothing is wrong)
    """It was asked to end while it caught up."""


class _StuckError(Exception):
    """The file that the server writes cannot be followed from somewhere on."""

    def __init__(self, file: str, error: RepositoryError) -> None:
        super().__init__(error.what)
        self.file, self.error = file, error


@dataclass(frozen=True)
class Streaming:
    """A server whose binary log is archived."""

    archive: LogArchive
    pace: Pace

    @cached_property
    def wholes(self) -> Wholes:
        """What makes whole files of parts, beside the loop."""
        return Wholes(self.archive)

    def run(self) -> None:
        """Stream until it is stopped; then what is whole is published first.

        A server that cannot be reached is waited for. What is no sound binary log, or is not understood, is left out,
        with a warning: the server is asked to begin another file where it is in the one that is written. Raises the
        errors of `chom_pipelines.errors`, with all kept that was published: RepositoryBusyError where another process
        streams this server, AccessDeniedError, MissingPrivilegeError, UnsupportedServerError.
        """
        self.archive.refuse_without_key()
        server = self.archive.server.name
        with self.archive.repository.streamed_of(server).lock("streaming", f"stream of {server}"):
            try:
                self._run()
            except _Stopped:
                pass
            finally:
                self.wholes.end()

    def _run(self) -> None:
        failures, stuck, left, lag = 0, "", -_LEFT, self.pace.lag
        while not self.pace.stopped.is_set():
            began, wait = time.monotonic(), 0.0
            try:
                self._stream()
            except _StuckError as found:
                if self.pace.stopped.is_set():
                    raise found.error from found
                _log.warning("begun again: %s", found.error)
                if stuck == str(found):  # once, it may be RESET, which has put another file in place of this one
                    may_leave = began >= left + _LEFT
                    left, wait = (began, 0.0) if may_leave and self._leave(found.file) else (left, _STUCK)
                stuck = str(found)
            except (AccessDeniedError, MissingPrivilegeError, UnsupportedServerError):
                raise
            except (ServerError, RepositoryBusyError, StoreUnreachableError) as error:
                _log.warning("lost: %s", error.what)
            else:
                return
            failures = 0 if time.monotonic() - began > SILENCE else failures + 1
            self.pace.report(lag.report(State.LOST, lag.last, None))
            self.pace.stopped.wait(wait or _WAITS[min(failures, len(_WAITS) - 1)])

    def _stream(self) -> None:
        """Catch up, then follow the file that the server writes; returns when it is to stop."""
        endpoint = self.archive.server.endpoint()
        blocked: frozenset[str] = frozenset()
        while True:
            self._interrupted()
            with Session(endpoint, connect_timeout=_ANSWER) as session:
                session.give_up_after(_ANSWER)
                facts = read_facts(session)
                logs = server_logs(session, facts)
                settings = read_binlog_settings(session, facts)
            archiver = Archiver(self.archive, endpoint, facts, settings)
            found = archiver.continued(logs)
            history = found.history
            if found.why:
                _log.warning("a new history begins: %s", found.why)
            files = [each.file for each in logs[:-1]]
            closed = [each for each in files if not (history.is_archived(each) or history.is_past(each))]
            if blocked.issuperset(closed):
                break
            _log.info("catching up: %d files, from %s on", len(closed), closed[0])
            done = archive(self.archive, self._interrupted, close=False)
            for each in done.blocked:
                _log.warning("%s", each)
            blocked = frozenset(each.file for each in done.blocked)
        self.wholes.wanted()
        writer = archiver.writer(history, streamed=True)
        file = logs[-1].file
        with (
            Session(endpoint, connect_timeout=_ANSWER) as session,
            followed(endpoint, facts.flavour, file, self._replica_id) as follower,
        ):
            session.give_up_after(_ANSWER)
            tail = Tail(writer, history, endpoint.where, file)
            self.pace.lag.begin()
            _log.info("connected: %s, from %s:%d on", endpoint.where, file, tail.published)
            connection = Connection(self.pace, follower, tail, session, facts, turned=self.wholes.wanted)
            try:
                connection.run()
            except (BinlogDamagedError, UnknownFormatError, ObjectExistsError) as error:
                raise _StuckError(connection.tail.file, error) from error

    def _leave(self, file: str) -> bool:
        """Have the server begin another file than this one; whether it has."""
        try:
            with Session(self.archive.server.endpoint(), connect_timeout=_ANSWER) as session:
                session.give_up_after(_ANSWER)
                if server_logs(session, read_facts(session))[-1].file == file:
                    rotate(session)
        except ServerError as error:
            _log.warning("%s cannot be closed: %s", file, error)
            return False
        return True

    def _interrupted(self, *_progress: object) -> None:
        if self.pace.stopped.is_set():
            raise _Stopped

    @property
    def _replica_id(self) -> int:
        """One in the upper half of all ids, which people do not give to servers; the same one each time."""
        name = f"{socket.gethostname()}/{self.archive.server.name}/{self.archive.repository.where}"
        return 1 << 31 | int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big") >> 1
