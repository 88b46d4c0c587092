"""One connection of `chom stream`: what comes of the log is published in parts, and the lag is told."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from chom_pipelines.binlogs.archive.server_logs import rotate, server_logs
from chom_pipelines.binlogs.streaming.following import Follower
from chom_pipelines.binlogs.streaming.lag import Lag, LagReport, Place, State, place_of
from chom_pipelines.binlogs.streaming.parts import Tail
from chom_pipelines.binlogs.streaming.silence import Silence
from chom_pipelines.errors import ConnectionFailedError, MissingPrivilegeError, RepositoryError
from chom_pipelines.server.binlog_settings import clock, read_binlog_settings
from chom_pipelines.server.connection import Session
from chom_pipelines.server.facts import ServerFacts

EVERY = 5.0
"""Seconds between two parts."""
PARTS = 720
"""Of one file at most, as listing 20,000 takes half a minute: then the server is asked to begin another."""
_TURN = 0.2
"""Seconds after which the loop looks around where nothing comes."""
_ASK = 2.0
"""Seconds between two looks at where the server stands."""
NOTED = 10.0
"""Seconds between two notes that nothing lacks: so long, an idle server's last moments seem to be at stake."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Pace:
    """How a stream goes: every `every` seconds at most what has come is published, until `stopped` is set.

    `report` is told the lag, about as often.
    """

    report: Callable[[LagReport], None]
    every: float = EVERY
    stopped: threading.Event = field(default_factory=threading.Event)
    lag: Lag = field(default_factory=Lag)
    parts: int = PARTS


class Connection:
    """One connection, by which the file is followed that the server writes, and those that come after it.

    `turned` is called where a file is closed and the next one begun.
    """

    def __init__(
        self,
        pace: Pace,
        follower: Follower,
        tail: Tail,
        session: Session,
        facts: ServerFacts,
        *,
        turned: Callable[[], None],
    ) -> None:
        self.pace, self.follower, self.tail = pace, follower, tail
        self.session, self.facts, self.turned = session, facts, turned
        self.most_parts = pace.parts
        self.behind_at_first: Place | None = None
        """Where the server stood when the connection began, until that is published."""
        self.caught_up = False
        self.silence = Silence()
        self.due = time.monotonic()
        self.asked = self.due - _ASK
        self.noted = self.due - NOTED

    def run(self) -> None:
        """Follow until it is to stop, or the connection is lost; then what is whole is published."""
        try:
            while not self.pace.stopped.is_set():
                self._take(self.follower.read(_TURN))
                if self.tail.is_full or (self.tail.is_behind and time.monotonic() >= self.due):
                    self._publish()
                    self._limit_parts()
                if self._arrived or time.monotonic() >= self.asked + _ASK:
                    self._look()
        except ConnectionFailedError:
            self._publish(asking=False)  # the next part's begin tells with which settings this one ended
            raise
        else:
            self._publish()
            self.pace.report(self.pace.lag.report(State.STOPPED, self._published, self.tail.as_of))
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
        now = time.monotonic()
        if piece == b"":
            self.silence.read_in_vain(now)
            return
        self.silence.end()
        if piece is None:
            self._turn()
            return
        if not self.tail.is_behind:
            self.due = now + self.pace.every
        self.tail.take(piece)

    def _publish(self, *, asking: bool = True) -> None:
        if self.tail.is_behind:
            if asking:
                self.tail.asked(read_binlog_settings(self.session, self.facts))
            self.tail.publish()
            self.pace.lag.published(self._published)
        self.due = time.monotonic() + self.pace.every

    def _turn(self) -> None:
        self._publish()
        before = self.tail
        if not before.is_complete:
            what = f"{before.file} ends at {before.received} without a word, and {self.follower.file} follows"
            raise ConnectionFailedError(what, "nothing: it is read again")
        _log.info("rotated: %s is closed at %d, and %s follows", before.file, before.published, self.follower.file)
        self.tail = before.following(self.follower.file)
        self.most_parts = self.pace.parts
        self.turned()

    def _look(self) -> None:
        """See where the server stands, and tell."""
        now = clock(self.session)
        server = place_of(self.session, self.facts)
        self.asked = time.monotonic()
        self.pace.lag.asked(server, self._received)
        self._refuse_silence(server)
        if self.behind_at_first is None:
            self.behind_at_first = server
        if self._arrived:
            self._publish()
            if self.behind_at_first <= self._published:
                self.caught_up = True
                _log.info("caught up: %s", self._published)
        if server <= self._published and self.asked >= self.noted + NOTED:
            self._note(now)
        self._tell()

    def _refuse_silence(self, server: Place) -> None:
        if server <= self._received:
            self.silence.end()
            return
        self.silence.ahead(self._lacking(server), self.asked)
        if self.silence.is_too_long:
            what = f"the server stands at {server}, and nothing comes after {self._received}"
            raise ConnectionFailedError(what, "check the network")

    def _lacking(self, server: Place) -> int:
        """Bytes of the file that is read, which the server may have closed meanwhile."""
        if server.file == self.tail.file:
            return server.position - self.tail.received
        sizes = {each.file: each.bytes for each in server_logs(self.session, self.facts)}
        return sizes.get(self.tail.file, self.tail.received) - self.tail.received

    def _note(self, now: datetime) -> None:
        """Nothing lacks that the server had written when it was asked for its time, before its place."""
        self.noted = self.asked
        try:
            self.tail.heard(now, read_binlog_settings(self.session, self.facts))
        except RepositoryError as error:  # what is archived is as good without it
            _log.warning("that nothing lacks cannot be noted: %s", error.what)

    def _limit_parts(self) -> None:
        """Have the server begin another file where this one has many parts."""
        if self.tail.parts < self.most_parts:
            return
        try:
            rotate(self.session)
        except MissingPrivilegeError as error:
            _log.warning("%s has %d parts, and cannot be closed: %s", self.tail.file, self.tail.parts, error)
        self.most_parts = self.tail.parts + self.pace.parts

    def _tell(self) -> None:
        state = State.FOLLOWING if self.caught_up else State.CATCHING_UP
        self.pace.report(self.pace.lag.report(state, self._published, self.tail.as_of))
