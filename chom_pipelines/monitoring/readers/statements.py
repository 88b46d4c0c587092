"""Statements of a server: those that run too long now, and those that took most of its time so far.

The latter are digests, which the server makes of all statements that differ in their values only. What runs is shown
without its values, unless they are asked for.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from chom_pipelines.errors import ServerError
from chom_pipelines.monitoring.readers.reading import Lack, Reading
from chom_pipelines.monitoring.readers.sessions import (
    DIGESTS,
    PROCESSES,
    others,
    performance_schema_lack,
    read_sessions,
)
from chom_pipelines.monitoring.readers.waits import SessionSeen
from chom_pipelines.server.connection import Session
from chom_pipelines.server.facts import ServerFacts

RUNNING, TOP = "running_statements", "top_statements"

_PICOSECONDS = 1e12
_MOST = 10_000
"""performance_schema_digests_size of big servers; all are read, as what changed most is not what is largest."""

_CONSUMER = "SELECT ENABLED FROM performance_schema.setup_consumers WHERE NAME = 'statements_digest'"
_COLUMNS = (
    "SCHEMA_NAME, DIGEST, DIGEST_TEXT, COUNT_STAR, SUM_TIMER_WAIT, SUM_ROWS_EXAMINED, SUM_ROWS_SENT, "
    "SUM_NO_INDEX_USED + SUM_NO_GOOD_INDEX_USED AS without_index, SUM_ERRORS"
)


@dataclass(frozen=True)
class Digest:
    """All statements of one form since the server counts. Times are in seconds.

    `p95` is None where the server has none. `without_index`: how many of them read a table from end to end. A `text` of
    None is of all those for which the server's table of digests had no room.
    """

    id: str
    database: str | None
    text: str | None
    count: int
    total: float
    p95: float | None
    rows_examined: int
    rows_sent: int
    without_index: int
    errors: int

    @property
    def mean(self) -> float:
        """Seconds of one."""
        return self.total / self.count if self.count else 0.0

    def since(self, before: Digest) -> Digest | None:
        """What came since; all of it where the server counted anew. None: nothing did."""
        if before.count > self.count:
            return self
        if before.count == self.count:
            return None
        return replace(
            self,
            count=self.count - before.count,
            total=max(0.0, self.total - before.total),
            rows_examined=max(0, self.rows_examined - before.rows_examined),
            rows_sent=max(0, self.rows_sent - before.rows_sent),
            without_index=max(0, self.without_index - before.without_index),
            errors=max(0, self.errors - before.errors),
        )


def read_running(session: Session, facts: ServerFacts, seconds: float) -> Reading[tuple[SessionSeen, ...]]:
    """Statements of others that run for so long at least, the longest first. Not of replication."""
    began = time.monotonic()
    try:
        found, lacks = read_sessions(session, facts)
    except ServerError as error:
        return Reading(RUNNING, None, time.monotonic() - began, failure=error.what)
    if found is None:
        return Reading(RUNNING, None, time.monotonic() - began, lacks=tuple(lacks))
    running = (each for each in others(found.by_id) if not each.is_idle and each.statement and each.seconds >= seconds)
    told = tuple(sorted(running, key=lambda each: -each.seconds))
    return Reading(RUNNING, told, time.monotonic() - began, (PROCESSES,), ())


def read_digests(session: Session, facts: ServerFacts) -> Reading[tuple[Digest, ...]]:
    """Every form of statement that the server counts, that which took most time first; not those about itself."""
    began = time.monotonic()
    lack = performance_schema_lack(session, facts, DIGESTS)
    if lack is not None:
        return Reading(TOP, None, time.monotonic() - began, lacks=(lack,))
    try:
        if session.value(_CONSUMER) != "YES":
            why = "statements are not counted: the consumer of digests is off"
            mend = "UPDATE performance_schema.setup_consumers SET ENABLED = 'YES' WHERE NAME = 'statements_digest';"
            return Reading(TOP, None, time.monotonic() - began, lacks=(Lack(DIGESTS, why, mend),))
        quantile = "NULL" if facts.is_mariadb else "QUANTILE_95"
        rows = session.dicts(
            f"SELECT {_COLUMNS}, {quantile} AS p95 FROM performance_schema.events_statements_summary_by_digest "
            "WHERE SCHEMA_NAME IS NULL OR SCHEMA_NAME NOT IN ('performance_schema', 'information_schema') "
            f"ORDER BY SUM_TIMER_WAIT DESC LIMIT {_MOST}"
        )
    except ServerError as error:
        return Reading(TOP, None, time.monotonic() - began, failure=error.what)
    return Reading(TOP, tuple(map(_digest, rows)), time.monotonic() - began, (DIGESTS,))


def since(now: Iterable[Digest], before: Iterable[Digest]) -> tuple[Digest, ...]:
    """What came between two readings, that which took most time first; pure."""
    known = {(each.database, each.id): each for each in before}
    changed = ((one.since(old) if (old := known.get((one.database, one.id))) else one) for one in now)
    return tuple(sorted((each for each in changed if each), key=lambda each: -each.total))


def _digest(row: Mapping[str, Any]) -> Digest:
    return Digest(
        id=_text(row["DIGEST"]) or "",
        database=_text(row["SCHEMA_NAME"]),
        text=_text(row["DIGEST_TEXT"]),
        count=int(row["COUNT_STAR"]),
        total=float(row["SUM_TIMER_WAIT"]) / _PICOSECONDS,
        p95=None if row["p95"] is None else float(row["p95"]) / _PICOSECONDS,
        rows_examined=int(row["SUM_ROWS_EXAMINED"]),
        rows_sent=int(row["SUM_ROWS_SENT"]),
        without_index=int(row["without_index"]),
        errors=int(row["SUM_ERRORS"]),
    )


def _text(value: object) -> str | None:
    if value is None:
        return None
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
