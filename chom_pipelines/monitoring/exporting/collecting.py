"""All that the exporter reads of one server: on one connection, one question after the other, within a deadline.

What grows with the number of tables may take longer than a scrape has: it is read beside, and told from the last time.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, TypeVar

from chom_pipelines.errors import ChomError
from chom_pipelines.inventory.models import Server
from chom_pipelines.monitoring.exporting.background import Background
from chom_pipelines.monitoring.readers.auto_increment import AUTO_INCREMENT, Counter, read_counters
from chom_pipelines.monitoring.readers.histogram import HISTOGRAM, Histogram, read_histogram
from chom_pipelines.monitoring.readers.indexes import INDEXES, Index, read_indexes
from chom_pipelines.monitoring.readers.pending import PENDING, read_pending
from chom_pipelines.monitoring.readers.processes import PROCESSES, Processes, read_processes
from chom_pipelines.monitoring.readers.reading import Reading
from chom_pipelines.monitoring.readers.replication import REPLICATION, Channel, read_replication
from chom_pipelines.monitoring.readers.session import STATEMENT_SECONDS, limit, monitoring_session
from chom_pipelines.monitoring.readers.status import STATUS, Status, read_status
from chom_pipelines.monitoring.readers.tables import TABLE_SIZES, TableSize, read_tables
from chom_pipelines.server.connection import Session
from chom_pipelines.server.facts import ServerFacts

T = TypeVar("T")

_TABLES_SECONDS = 60.0
"""What grows with the number of tables is read once in this time at most,"""
_REST = 60.0
"""and then not before so many times as long as it took: a sixtieth of one thread's time."""
_LONG_SECONDS = 30.0
"""The longest that one question of it may take: a server of 50,000 tables needs a dozen seconds."""
_GRACE = 1.0
"""Seconds for a server to end a statement that takes too long, before the connection is given up."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Tables:
    """What grows with the number of tables."""

    sizes: Reading[tuple[TableSize, ...]]
    indexes: Reading[tuple[Index, ...]]
    counters: Reading[tuple[Counter, ...]]


@dataclass(frozen=True)
class ServerReadings:
    """One look at a server."""

    facts: ServerFacts
    status: Reading[Status]
    processes: Reading[Processes]
    histogram: Reading[Histogram]
    replication: Reading[tuple[Channel, ...]]
    tables: Tables
    pending: Reading[int] | None
    """None: chom.yaml names no migrations."""

    @property
    def readings(self) -> tuple[Reading[Any], ...]:
        """Every one of them."""
        of_tables = tuple(getattr(self.tables, each.name) for each in fields(self.tables))
        found = (self.status, self.processes, self.histogram, self.replication, *of_tables)
        return (*found, self.pending) if self.pending else found


class ServerMonitor:
    """Looks at one server when it is asked to. Several who ask at a time share one look, by one connection.

    There is a second one only while what grows with the number of tables outlasts a look.
    """

    def __init__(self, server: Server) -> None:
        self.server = server
        self._lock = threading.Lock()
        self._last: ServerReadings | ChomError | None = None
        self._looked = 0.0
        self._tables = Background(server.name, self._of_tables, every=_TABLES_SECONDS, rest=_REST)

    def look(self, deadline: float) -> ServerReadings:
        """Read what can be read until then, by the monotonic clock; a collector that fails says so in its Reading.

        Raises ChomError where there is no connection.
        """
        asked = time.monotonic()
        if not self._lock.acquire(timeout=max(deadline - asked, 0)):
            raise ChomError(f"{self.server.name}: another look at it has not ended", "see what its server does")
        try:
            if self._last is None or self._looked < asked:
                self._last = self._anew(deadline)
                self._looked = time.monotonic()
        finally:
            self._lock.release()
        if isinstance(self._last, ChomError):
            raise self._last
        return self._last

    def _anew(self, deadline: float) -> ServerReadings | ChomError:
        try:
            seconds = min(STATEMENT_SECONDS, max(deadline - time.monotonic(), 0.1))
            session, facts = monitoring_session(self.server.endpoint(), seconds)
        except ChomError as error:
            return error
        with session:
            ask = _Asking(session, facts, deadline)
            status = ask.now(STATUS, lambda: read_status(session, facts))
            processes = ask.now(PROCESSES, lambda: read_processes(session, facts))
            histogram = ask.now(HISTOGRAM, lambda: read_histogram(session, facts))
            replication = ask.now(REPLICATION, lambda: read_replication(session, facts))
            pending = (
                ask.now(PENDING, lambda: read_pending(session, facts, self.server)) if self.server.migrations else None
            )
        return ServerReadings(facts, status, processes, histogram, replication, self._tables_now(deadline), pending)

    def _tables_now(self, deadline: float) -> Tables:
        """The last ones; only where there are none yet they are waited for."""
        self._tables.begin()
        known = self._tables.latest()
        if known.value is None:
            known = self._tables.latest(deadline)
        if known.value is not None:
            return known.value
        return Tables(
            Reading(TABLE_SIZES, None, known.seconds, failure=known.problem),
            Reading(INDEXES, None, known.seconds, failure=known.problem),
            Reading(AUTO_INCREMENT, None, known.seconds, failure=known.problem),
        )

    def _of_tables(self) -> Tables:
        """On a connection of their own, as they may outlast a scrape; raises ChomError where there is none."""
        session, facts = monitoring_session(self.server.endpoint())
        databases = self.server.databases
        with session:
            ask = _Asking(session, facts, float("inf"), _LONG_SECONDS)
            return Tables(
                ask.now(TABLE_SIZES, lambda: read_tables(session, facts, databases)),
                ask.now(INDEXES, lambda: read_indexes(session, facts, databases)),
                ask.now(AUTO_INCREMENT, lambda: read_counters(session, facts, databases)),
            )


@dataclass(frozen=True)
class _Asking:
    session: Session
    facts: ServerFacts
    deadline: float
    longest: float | None = None
    """Seconds of a question; None: STATEMENT_SECONDS."""

    def now(self, collector: str, read: Callable[[], Reading[T]]) -> Reading[T]:
        """One collector's reading, whatever becomes of it."""
        begun = time.monotonic()
        left = self.deadline - begun
        if left <= 0:
            return Reading(collector, None, 0.0, failure="the time for this look was over")
        try:
            patience = min((self.longest or STATEMENT_SECONDS) + _GRACE, left)
            limit(self.session, self.facts, patience - min(_GRACE, patience / 2), patience)
            return read()
        except ChomError as error:
            return Reading(collector, None, time.monotonic() - begun, failure=error.what)
        except Exception as bug:  # noqa: BLE001  (a defect of one must not hide what the others tell; it is told)
            _log.exception("%s: the collector %s failed", self.session.endpoint.name, collector)
            return Reading(collector, None, time.monotonic() - begun, failure=f"a defect: {type(bug).__name__}")
