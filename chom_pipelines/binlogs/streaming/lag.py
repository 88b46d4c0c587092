"""How far a stream is behind its server: in bytes, and in seconds of this machine's clock."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from chom_pipelines.errors import ConnectionFailedError, ServerError
from chom_pipelines.repository.log_name import InLogFile
from chom_pipelines.server.connection import Session
from chom_pipelines.server.facts import ServerFacts


@dataclass(frozen=True)
class Place(InLogFile):
    """A position in a file of the log; later ones are greater."""

    file: str
    position: int

    @property
    def _order(self) -> tuple[int, int]:
        return (self.number, self.position)

    def __lt__(self, other: Place) -> bool:
        return self._order < other._order

    def __le__(self, other: Place) -> bool:
        return self._order <= other._order

    def __str__(self) -> str:
        """As the servers' tools write it."""
        return f"{self.file}:{self.position}"


def place_of(session: Session, facts: ServerFacts) -> Place:
    """Where the server stands."""
    row = session.row(facts.binlog_status_statement)
    if row is None:
        raise ServerError(f"{session.endpoint.where}: it does not say where its binary log stands")
    file = row[0].decode() if isinstance(row[0], bytes) else str(row[0])
    return Place(file, int(row[1]))


class State(StrEnum):
    """Of a stream."""

    CATCHING_UP = "catching up"
    FOLLOWING = "following"
    LOST = "lost"
    """There is no connection; it is tried again."""
    STOPPED = "stopped"


@dataclass(frozen=True)
class LagReport:
    """What is published, up to the event of which time, where the server stood last, and how much that is behind.

    None is what is not known yet; `bytes` is also None where the server is files ahead. `seconds` is for how long not
    all has been published that the server had: of the clock of this machine, and at least since the stream began.
    """

    state: State
    published: Place | None
    as_of: datetime | None
    server: Place | None
    bytes: int | None
    seconds: float
    told: datetime


class Lag:
    """Where the server stood when, and what was published when."""

    def __init__(self) -> None:
        self.last: Place | None = None
        """The last place that was published."""
        self._as_of: datetime | None = None
        self._server: Place | None = None
        self._asked: deque[tuple[float, Place]] = deque()
        self._all_until = time.monotonic()

    def begin(self) -> None:
        """A connection begins: places of before may be of another numbering."""
        self._asked.clear()
        self.last = self._server = None

    def asked(self, server: Place, received: Place) -> None:
        """The server stands there now; raises ConnectionFailedError where it counts anew."""
        if server < received:
            what = f"the server stands at {server}, and {received} has come from it: it counts anew"
            raise ConnectionFailedError(what, "nothing: a new history begins")
        self._server = server
        self._asked.append((time.monotonic(), server))

    def published(self, until: Place) -> None:
        """All up to here is published."""
        self.last = until
        if self._server and self._server < until:
            self._server = until  # it has written on since it was asked
        while self._asked and self._asked[0][1] <= until:
            self._all_until = self._asked.popleft()[0]

    def report(self, state: State, published: Place | None, as_of: datetime | None) -> LagReport:
        """As of now."""
        if published:
            self.published(published)
        self._as_of = as_of or self._as_of
        one_file = self._server and published and self._server.file == published.file
        return LagReport(
            state=state,
            published=published,
            as_of=self._as_of,
            server=self._server,
            bytes=self._server.position - published.position if one_file and self._server and published else None,
            seconds=time.monotonic() - self._all_until,
            told=datetime.now(UTC),
        )
