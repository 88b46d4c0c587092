"""Archiving a server's binary log continuously, so that seconds are at stake: the loop of `chom stream`.

What comes of the file that the server writes is published in parts. When that file is closed, it is archived as a whole
beside the loop, and its parts go.
"""

from __future__ import annotations

import hashlib
import logging
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

from chom_pipelines.binlogs.archive.archiving import Archiver, archive, refuse_without_key
from chom_pipelines.binlogs.archive.server_logs import rotate, server_logs
from chom_pipelines.binlogs.streaming.following import Follower, followed
from chom_pipelines.binlogs.streaming.lag import Lag, LagReport, Place, State, place_of
from chom_pipelines.binlogs.streaming.parts import Tail
from chom_pipelines.binlogs.streaming.wholes import Wholes
from chom_pipelines.errors import (
    AccessDeniedError,
    BinlogDamagedError,
    ConnectionFailedError,
    MissingPrivilegeError,
    RepositoryBusyError,
    ServerError,
    StoreUnreachableError,
    UnsupportedServerError,
)
from chom_pipelines.inventory.models import Server
from chom_pipelines.inventory.policies import BackupPolicy
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.repository import Repository
from chom_pipelines.server.binlog_settings import read_binlog_settings
from chom_pipelines.server.connection import Session
from chom_pipelines.server.facts import ServerFacts, read_facts

EVERY = 5.0
"""Seconds between two parts."""
_TURN = 0.2
"""Seconds after which the loop looks around where nothing comes."""
_ASK = 2.0
"""Seconds between two looks at where the server stands."""
_SILENCE = 10.0
"""Seconds without a byte after which a server that has more is taken for lost."""
_WAITS = (0.5, 1.0, 2.0)
"""Seconds before the first, second, ... attempt to connect again."""
_ANSWER = 5.0
"""Seconds for which an answer of the server is waited for."""
PARTS = 720
"""Of one file at most, as listing 20,000 takes half a minute: then the server is asked to begin another."""

_log = logging.getLogger(__name__)


class _Stopped(Exception):  # noqa: N818  (nothing is wrong)
    """It was asked to end while it caught up."""


@dataclass(frozen=True)
class Streaming:
    """A server whose binary log is archived until `stopped` is set.

    Every `every` seconds at most what has come is published; `report` is told the lag, about as often.
    """

    server: Server
    policy: BackupPolicy
    repository: Repository
    keyring: Keyring | None
    report: Callable[[LagReport], None]
    every: float = EVERY
    stopped: threading.Event = field(default_factory=threading.Event)
    lag: Lag = field(default_factory=Lag)
    parts: int = PARTS

    @cached_property
    def wholes(self) -> Wholes:
        """What makes whole files of parts, beside the loop."""
        return Wholes(self.server, self.policy, self.repository, self.keyring)

    def run(self) -> None:
        """Stream until `stopped` is set; then what is whole is published first.

        A server that cannot be reached is waited for. Raises the errors of `chom_pipelines.errors`, with all kept that
        was published: RepositoryBusyError where another process streams this server, AccessDeniedError,
        MissingPrivilegeError, UnsupportedServerError, BinlogDamagedError where the server sends what is no sound binary
        log twice in a row.
        """
        refuse_without_key(self.policy, self.keyring)
        with self.repository.streamed_of(self.server.name).lock("streaming", f"stream of {self.server.name}"):
            try:
                self._run()
            except _Stopped:
                pass
            finally:
                self.wholes.end()

    def _run(self) -> None:
        failures, damaged = 0, False
        while not self.stopped.is_set():
            began = time.monotonic()
            try:
                self._stream()
            except BinlogDamagedError as error:  # RESET may have put another file in place of the one that is read
                if damaged:
                    raise
                damaged = True
                _log.warning("begun again: %s", error.what)
            except (AccessDeniedError, MissingPrivilegeError, UnsupportedServerError):
                raise
            except (ServerError, RepositoryBusyError, StoreUnreachableError) as error:
                damaged = False
                _log.warning("lost: %s", error.what)
            else:
                return
            failures = 0 if time.monotonic() - began > _SILENCE else failures + 1
            self.report(self.lag.report(State.LOST, self.lag.last, None))
            self.stopped.wait(_WAITS[min(failures, len(_WAITS) - 1)])

    def _stream(self) -> None:
        """Catch up, then follow the file that the server writes; returns when it is to stop."""
        endpoint = self.server.endpoint()
        while True:
            with Session(endpoint, connect_timeout=_ANSWER) as session:
                session.give_up_after(_ANSWER)
                facts = read_facts(session)
                logs = server_logs(session, facts)
                settings = read_binlog_settings(session, facts)
            archiver = Archiver(self.server, self.policy, self.repository, self.keyring, endpoint, facts, settings)
            history, anew = archiver.continued(logs)
            if anew:
                _log.warning("a new history begins: %s", anew)
            closed = [each for each in logs[:-1] if not history.is_archived(each.file)]
            if not closed:
                break
            _log.info("catching up: %d files, from %s on", len(closed), closed[0].file)
            archive(self.server, self.policy, self.repository, self.keyring, self._interrupted, close=False)
        self.wholes.wanted()
        writer = archiver.writer(history, streamed=True)
        file = logs[-1].file
        with (
            Session(endpoint, connect_timeout=_ANSWER) as session,
            followed(endpoint, facts.flavour, file, self._replica_id) as follower,
        ):
            session.give_up_after(_ANSWER)
            tail = Tail(writer, history, endpoint.where, file)
            self.lag.begin()
            _log.info("connected: %s, from %s:%d on", endpoint.where, file, tail.published)
            _Following(self, follower, tail, session, facts).run()

    def _interrupted(self, done: int, total: int | None, label: str) -> None:
        del done, total, label
        if self.stopped.is_set():
            raise _Stopped

    @property
    def _replica_id(self) -> int:
        """One in the upper half of all ids, which people do not give to servers; the same one each time."""
        name = f"{socket.gethostname()}/{self.server.name}/{self.repository.where}"
        return 1 << 31 | int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big") >> 1


class _Following:
    """One connection."""

    def __init__(
        self, streaming: Streaming, follower: Follower, tail: Tail, session: Session, facts: ServerFacts
    ) -> None:
        self.streaming, self.follower, self.tail = streaming, follower, tail
        self.session, self.facts = session, facts
        self.most_parts = streaming.parts
        self.behind_at_first: Place | None = None
        """Where the server stood when the connection began, until that is published."""
        self.caught_up = False
        self.due = self.heard = time.monotonic()
        self.asked = self.due - _ASK

    def run(self) -> None:
        """Follow until it is to stop, or the connection is lost; then what is whole is published."""
        try:
            while not self.streaming.stopped.is_set():
                self._take(self.follower.read(_TURN))
                if self.tail.is_full or (self.tail.is_behind and time.monotonic() >= self.due):
                    self._publish()
                    self._limit_parts()
                if self._arrived or time.monotonic() >= self.asked + _ASK:
                    self._look()
        except ConnectionFailedError:
            self._publish()
            raise
        else:
            self._publish()
            self.streaming.report(self.streaming.lag.report(State.STOPPED, self._published, self.tail.as_of))
            _log.info("stopped at %s", self._published)
        finally:
            self.tail.close()

    @property
    def _received(self) -> Place:
        return Place(self.tail.file, self.tail.received)

    @property
    def _published(self) -> Place:
        return Place(self.tail.file, self.tail.covered)

    @property
    def _arrived(self) -> bool:
        """What was written while there was no connection is here, and not known to be published."""
        return not self.caught_up and self.behind_at_first is not None and self.behind_at_first <= self._received

    def _take(self, piece: bytes | None) -> None:
        if piece is None:
            self._turn()
        elif piece:
            self.heard = time.monotonic()
            if not self.tail.is_behind:
                self.due = self.heard + self.streaming.every
            self.tail.take(piece)

    def _publish(self) -> None:
        if self.tail.is_behind:
            self.tail.publish()
            self.streaming.lag.published(self._published)
        self.due = time.monotonic() + self.streaming.every

    def _turn(self) -> None:
        self._publish()
        before = self.tail
        if not before.is_complete:
            what = f"{before.file} ends at {before.received} without a word, and {self.follower.file} follows"
            raise ConnectionFailedError(what, "nothing: it is read again")
        _log.info("rotated: %s is closed at %d, and %s follows", before.file, before.published, self.follower.file)
        self.tail = before.following(self.follower.file)
        self.most_parts = self.streaming.parts
        self.streaming.wholes.wanted()

    def _look(self) -> None:
        """See where the server stands, and tell."""
        server = place_of(self.session, self.facts)
        self.asked = time.monotonic()
        self.streaming.lag.asked(server, self._received)
        if server > self._received and time.monotonic() - self.heard > _SILENCE:
            what = f"the server stands at {server}, and nothing comes after {self._received}"
            raise ConnectionFailedError(what, "check the network")
        if self.behind_at_first is None:
            self.behind_at_first = server
        if self._arrived:
            self._publish()
            if self.behind_at_first <= self._published:
                self.caught_up = True
                _log.info("caught up: %s", self._published)
        self._tell()

    def _limit_parts(self) -> None:
        """Have the server begin another file where this one has many parts."""
        if self.tail.parts < self.most_parts:
            return
        try:
            rotate(self.session)
        except MissingPrivilegeError as error:
            _log.warning("%s has %d parts, and cannot be closed: %s", self.tail.file, self.tail.parts, error)
        self.most_parts = self.tail.parts + self.streaming.parts

    def _tell(self) -> None:
        state = State.FOLLOWING if self.caught_up else State.CATCHING_UP
        self.streaming.report(self.streaming.lag.report(state, self._published, self.tail.as_of))
