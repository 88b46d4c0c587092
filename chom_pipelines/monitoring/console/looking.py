"""One look at a server, and the next: what each screen reads, what it is worth, and what is kept between two looks."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, TypeVar

from rich.console import RenderableType

from chom_pipelines.errors import ChomError, ServerError
from chom_pipelines.inventory.models import Inventory, Server
from chom_pipelines.monitoring.console import looks_as_json as as_json
from chom_pipelines.monitoring.console.backup_standing import BackupStanding, read_standing
from chom_pipelines.monitoring.console.overview import beyond, read_counters
from chom_pipelines.monitoring.console.rates import Counters, Rates
from chom_pipelines.monitoring.console.screen_backups import backups
from chom_pipelines.monitoring.console.screen_indexes import indexes, unused_of
from chom_pipelines.monitoring.console.screen_locks import locks
from chom_pipelines.monitoring.console.screen_overview import Overview, overview
from chom_pipelines.monitoring.console.screen_queries import queries
from chom_pipelines.monitoring.console.screen_tables import tables
from chom_pipelines.monitoring.console.since import index_evidence, read_earlier
from chom_pipelines.monitoring.locks.locks import LockPicture, read_locks
from chom_pipelines.monitoring.readers.auto_increment import read_counters as read_numbers
from chom_pipelines.monitoring.readers.histogram import read_histogram
from chom_pipelines.monitoring.readers.index_kinds import indexes_apart
from chom_pipelines.monitoring.readers.indexes import read_indexes
from chom_pipelines.monitoring.readers.reading import Lack, Reading
from chom_pipelines.monitoring.readers.redundant import redundant
from chom_pipelines.monitoring.readers.replication import Channel, read_replication
from chom_pipelines.monitoring.readers.statements import Digest, read_digests, read_running
from chom_pipelines.monitoring.readers.tables import read_tables
from chom_pipelines.outcome import Outcome, worst
from chom_pipelines.server.connection import Session
from chom_pipelines.server.facts import ServerFacts

_BETWEEN = 1.0
"""Seconds between the two readings of a single look at rates."""
_KEPT_SECONDS = 30.0
"""For so long what the repository said is shown again: to list a year of segments takes a moment."""

T = TypeVar("T")


class Screen(StrEnum):
    """What can be looked at."""

    OVERVIEW = "overview"
    QUERIES = "queries"
    INDEXES = "indexes"
    TABLES = "tables"
    LOCKS = "locks"
    BACKUPS = "backups"

    @property
    def needs_server(self) -> bool:
        """It is not read from the repository alone."""
        return self is not Screen.BACKUPS


@dataclass(frozen=True)
class Look:
    """What was seen. `outcome`: failed where a threshold of chom.yaml is passed, not verified where it is not known.

    `uptime` is in seconds, and so is for how long the server counts. `document` is the same for programs.
    """

    at: datetime
    lacks: tuple[Lack, ...]
    body: tuple[RenderableType, ...]
    document: dict[str, Any]
    outcome: Outcome
    uptime: float | None = None
    counted: float | None = None


@dataclass
class Looker:
    """Looks at one server. `slow` is in seconds; `literals`: statements are shown with users' values."""

    inventory: Inventory
    server: Server
    screen: Screen
    slow: float = 1.0
    literals: bool = False
    is_watching: bool = False
    _counters: Counters | None = None
    _digests: tuple[Digest, ...] | None = None
    _kept: dict[str, tuple[float, Any]] = field(default_factory=dict, repr=False)

    def look(self, session: Session | None, facts: ServerFacts | None) -> Look:
        """Look now. Raises ConnectionFailedError where the session was lost before it began."""
        now = datetime.now(UTC)
        if session is None or facts is None:
            return self._backups(now)
        session.value("SELECT 1")
        looks: dict[Screen, Callable[[Session, ServerFacts, datetime], Look]] = {
            Screen.OVERVIEW: self._overview,
            Screen.QUERIES: self._queries,
            Screen.INDEXES: self._indexes,
            Screen.TABLES: self._tables,
            Screen.LOCKS: self._locks,
        }
        return looks[self.screen](session, facts, now)

    def _overview(self, session: Session, facts: ServerFacts, now: datetime) -> Look:
        if self._counters is None:
            self._counters = read_counters(session, facts).value
            if not self.is_watching:
                time.sleep(_BETWEEN)  # a rate takes two readings
        reading = read_counters(session, facts)
        rates = Rates(self._counters, reading.value) if self._counters and reading.value else None
        self._counters = reading.value
        waits = read_locks(session, facts, self.server.user)
        standing = self._stands(now)
        thresholds = self.server.thresholds
        sources = _sources(session, facts)
        seen = Overview(facts, thresholds, reading, rates, waits, standing, _connections_limit(session), sources)
        passed = beyond(rates, thresholds)
        outcomes = [Outcome.FAILED] if passed else []
        outcomes += [standing.outcome if isinstance(standing, BackupStanding) else Outcome.NOT_VERIFIED]
        outcomes += [_of(reading), _of_waits(waits)] + ([_of(sources)] if sources else [])
        # what the exporter alone shows: this is where its alerts send people for the statement that mends it
        others = read_histogram(session, facts).lacks, read_indexes(session, facts, self.server.databases).lacks
        return Look(
            now,
            distinct((*reading.lacks, *waits.lacks, *(sources.lacks if sources else ()), *others[0], *others[1])),
            tuple(overview(seen)),
            as_json.overview(seen, passed),
            worst(outcomes),
            *_uptimes(session),
        )

    def _queries(self, session: Session, facts: ServerFacts, now: datetime) -> Look:
        running, digests = read_running(session, facts, self.slow), read_digests(session, facts)
        before, self._digests = self._digests, digests.value
        shown = before if self.is_watching else None
        body = queries(running, digests, slow=self.slow, literals=self.literals, before=shown)
        document = as_json.queries(running, digests, literals=self.literals)
        lacks = distinct((*running.lacks, *digests.lacks))
        return Look(now, lacks, tuple(body), document, worst((_of(running), _of(digests))), *_uptimes(session))

    def _locks(self, session: Session, facts: ServerFacts, now: datetime) -> Look:
        reading = read_locks(session, facts, self.server.user)
        outcome = _of_waits(reading)
        body = locks(reading, literals=self.literals)
        document = as_json.locks(reading, literals=self.literals)
        return Look(now, reading.lacks, tuple(body), document, outcome, *_uptimes(session))

    def _tables(self, session: Session, facts: ServerFacts, now: datetime) -> Look:
        reading = read_tables(session, facts, self.server.databases)
        earlier = self._remembered("earlier", lambda: read_earlier(self.inventory, self.server, now))
        growth = earlier if isinstance(earlier, str) else earlier.growth(reading.value or ())
        numbers = read_numbers(session, facts, self.server.databases)
        body, document = tables(reading, growth, numbers), as_json.tables(reading, growth, numbers)
        lacks = distinct((*reading.lacks, *numbers.lacks))
        return Look(now, lacks, tuple(body), document, worst((_of(reading), _of(numbers))), *_uptimes(session))

    def _indexes(self, session: Session, facts: ServerFacts, now: datetime) -> Look:
        reading = read_indexes(session, facts, self.server.databases)
        uptime, counted = _uptimes(session)
        apart = indexes_apart(session, facts, self.server.databases)
        evidence = self._remembered("evidence", lambda: index_evidence(self.inventory, self.server))
        body = indexes(reading, facts, uptime, apart=apart, evidence=evidence)
        double = list(redundant(reading.value or (), apart))
        document = as_json.indexes(reading, facts, double, unused_of(reading.value or (), double, evidence), evidence)
        return Look(now, reading.lacks, tuple(body), document, _of(reading), uptime, counted)

    def _backups(self, now: datetime) -> Look:
        standing = self._stands(now)
        outcome = standing.outcome if isinstance(standing, BackupStanding) else Outcome.NOT_VERIFIED
        return Look(now, (), tuple(backups(standing, now)), as_json.backups(standing), outcome)

    def _stands(self, now: datetime) -> BackupStanding | str:
        """What the repository says, or why it says nothing."""

        def read() -> BackupStanding | str:
            try:
                return read_standing(self.inventory, self.server, now)
            except ChomError as error:
                return error.what

        return self._remembered("standing", read)

    def _remembered(self, name: str, read: Callable[[], T]) -> T:
        """What was read of the repository, not too long ago."""
        known = self._kept.get(name)
        if known is None or time.monotonic() - known[0] > _KEPT_SECONDS:
            known = self._kept[name] = time.monotonic(), read()
        found: T = known[1]
        return found


def _of(reading: Reading[Any]) -> Outcome:
    """Whether all of it was told."""
    return Outcome.PASSED if reading.succeeded else Outcome.NOT_VERIFIED


def _of_waits(reading: Reading[LockPicture]) -> Outcome:
    """What a server does not tell of locks matters where somebody waits."""
    return Outcome.PASSED if reading.value and reading.value.is_whole else Outcome.NOT_VERIFIED


def _sources(session: Session, facts: ServerFacts) -> Reading[tuple[Channel, ...]] | None:
    """What it replicates; None: nothing, as far as is told without the privilege for more."""
    reading = read_replication(session, facts)
    if reading.value == () or (reading.lacks and facts.is_mariadb and not facts.replicates):
        return None
    return reading


def _uptimes(session: Session) -> tuple[float | None, float | None]:
    """Since when it runs, and since when it counts; None: it did not say."""
    try:
        told = {
            str(name).lower(): float(str(value)) for name, value in session.rows("SHOW GLOBAL STATUS LIKE 'Uptime%'")
        }
    except (ServerError, ValueError):
        return None, None
    return told.get("uptime"), told.get("uptime_since_flush_status")


def _connections_limit(session: Session) -> int | None:
    try:
        return int(session.value("SELECT @@max_connections"))
    except ServerError:
        return None


def distinct(lacks: Iterable[Lack]) -> tuple[Lack, ...]:
    """Each remedy once."""
    return tuple({lack.remedy: lack for lack in lacks}.values())
