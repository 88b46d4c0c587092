"""Who is connected, and who waits for what: counts alone, from one look at the list of sessions."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from chom_pipelines.errors import MissingPrivilegeError, ServerError
from chom_pipelines.monitoring.readers.reading import Lack, Reading
from chom_pipelines.server.connection import Row, Session
from chom_pipelines.server.facts import ServerFacts
from chom_pipelines.server.grants import Wanted, missing
from chom_pipelines.server.questions import current_account, shown_grants, status

PROCESSES = "processlist"
"""The collector, and the capability."""

_PRIVILEGE = Wanted("PROCESS", None, "sees the sessions of others, which are missing without an error otherwise")
_OWN_COMMANDS = ("Daemon", "Binlog Dump", "Binlog Dump GTID", "Slave_IO", "Slave_SQL", "Slave_worker")
"""Of the server's own threads, and of replicas: no clients of an application. Who is still logging in is one."""
_KINDS = (
    ("row", re.compile(r"(?!)")),  # no state says it: InnoDB does
    (
        "global",
        re.compile(
            r"Waiting for (?:backup|global read|global metadata|commit) lock|Waiting for table flush", re.IGNORECASE
        ),
    ),
    ("metadata", re.compile(r"Waiting for [\w ]+ metadata lock", re.IGNORECASE)),
    ("table", re.compile(r"Waiting for table level lock", re.IGNORECASE)),
)
_OLDEST_LIST = (8, 0, 22)
KINDS = tuple(kind for kind, _ in _KINDS)
_MARIADB = """
SELECT command, state, time_ms / 1000 FROM information_schema.processlist
WHERE id <> CONNECTION_ID() AND user NOT IN ('system user', 'event_scheduler')
"""
_MYSQL = """
SELECT p.command, p.state, e.timer_wait / 1e12
FROM performance_schema.processlist p
LEFT JOIN performance_schema.threads t ON t.processlist_id = p.id
LEFT JOIN performance_schema.events_statements_current e
  ON e.thread_id = t.thread_id AND e.end_event_id IS NULL AND e.nesting_event_level = 0
WHERE p.id <> CONNECTION_ID() AND p.user NOT IN ('system user', 'event_scheduler')
"""
"""By the timers of statements: `time` is wrong by decades where a session has SET TIMESTAMP, as replayed logs do."""
_MYSQL_WITHOUT_TIMERS = """
SELECT command, state, IF(time BETWEEN 0 AND {uptime}, time, NULL)
FROM {schema}.processlist WHERE id <> CONNECTION_ID() AND user NOT IN ('system user', 'event_scheduler')
"""
_ROW_WAITS = """
SELECT TIMESTAMPDIFF(SECOND, CONVERT_TZ(trx_wait_started, 'SYSTEM', '+00:00'), UTC_TIMESTAMP())
FROM information_schema.INNODB_TRX WHERE trx_state = 'LOCK WAIT'
"""


@dataclass(frozen=True)
class Waiting:
    """So many sessions wait, the longest of them for so many seconds; None: that is known of none of them."""

    sessions: int = 0
    longest: float | None = 0.0

    @classmethod
    def of(cls, seconds: Sequence[float | None]) -> Waiting:
        """Of each of them, None where that is not known."""
        known = [max(each, 0.0) for each in seconds if each is not None]
        return cls(len(seconds), max(known, default=None if seconds else 0.0))


@dataclass(frozen=True)
class Processes:
    """Sessions of clients, without the one that asks; and those that wait, by the kind of what they wait for."""

    active: int
    idle: int
    waiting: Mapping[str, Waiting] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """All of them."""
        return self.active + self.idle


def read_processes(session: Session, facts: ServerFacts) -> Reading[Processes]:
    """Count them. Raises nothing for what a server refuses."""
    started = time.monotonic()
    try:
        for need in missing(facts, shown_grants(session), [_PRIVILEGE]):
            user, host = current_account(session)
            lack = Lack(PROCESSES, f"PROCESS on *.* is missing: it {need.why}", need.grant(user, host))
            return Reading(PROCESSES, None, time.monotonic() - started, lacks=(lack,))
        sessions = session.rows(_MARIADB) if facts.is_mariadb else _of_mysql(session, facts)
        rows = session.rows(_ROW_WAITS)
    except ServerError as error:
        return Reading(PROCESSES, None, time.monotonic() - started, failure=error.what)
    value = counted(sessions, [float(each or 0) for (each,) in rows])
    return Reading(PROCESSES, value, time.monotonic() - started, capabilities=(PROCESSES,))


def counted(sessions: Iterable[Row], row_waits: Iterable[float]) -> Processes:
    """By command, state and seconds of each session, and the seconds that each waits for a row. Pure.

    Seconds that are None are not known.
    """
    active = idle = 0
    seconds: dict[str, list[float | None]] = {kind: [] for kind in KINDS}
    seconds["row"] = list(row_waits)
    for command, state, waited in sessions:
        if str(command) in _OWN_COMMANDS:
            continue
        if str(command) == "Sleep":
            idle += 1
            continue
        active += 1
        kind = next((kind for kind, pattern in _KINDS if pattern.search(str(state or ""))), None)
        if kind:
            seconds[kind].append(None if waited is None else float(waited))
    return Processes(active, idle, {kind: Waiting.of(each) for kind, each in seconds.items()})


def _of_mysql(session: Session, facts: ServerFacts) -> list[Row]:
    """The list of performance_schema, since 8.0.22, takes no lock that connecting clients wait for."""
    # where performance_schema is off its list is there, and empty
    if facts.version < _OLDEST_LIST or not int(session.value("SELECT @@performance_schema")):
        return session.rows(_MYSQL_WITHOUT_TIMERS.format(schema="information_schema", uptime=status(session, "Uptime")))
    try:
        return session.rows(_MYSQL)
    except MissingPrivilegeError:
        return session.rows(_MYSQL_WITHOUT_TIMERS.format(schema="performance_schema", uptime=status(session, "Uptime")))
