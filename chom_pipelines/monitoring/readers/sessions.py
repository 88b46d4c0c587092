"""The sessions of a server, and what keeps an account from seeing all of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from chom_pipelines.errors import ServerError, UnknownDatabaseError
from chom_pipelines.monitoring.readers.reading import Lack
from chom_pipelines.monitoring.readers.waits import SessionSeen
from chom_pipelines.server.connection import Session
from chom_pipelines.server.facts import ServerFacts
from chom_pipelines.server.grants import Wanted, spelled
from chom_pipelines.server.questions import current_account

PROCESSES, SCHEMA, TABLE_LOCKS, PROGRAMS, DIGESTS = (
    "processlist",
    "performance_schema",
    "metadata_locks",
    "program_names",
    "query_digests",
)
"""Names of capabilities, as in `chom_monitor_capability`."""

_MOST = 5000
_TEXT = 2000  # characters of a statement: many more than a screen shows

_MARIADB = f"""
SELECT p.ID AS id, p.USER AS user, p.HOST AS host, p.DB AS db, p.COMMAND AS command, p.STATE AS state,
       p.TIME_MS / 1000 AS seconds, LEFT(p.INFO, {_TEXT}) AS statement, p.EXAMINED_ROWS AS rows_examined
FROM information_schema.PROCESSLIST p WHERE p.ID <> CONNECTION_ID() AND p.COMMAND <> 'Daemon' LIMIT {_MOST}
"""
_MYSQL = f"""
SELECT t.PROCESSLIST_ID AS id, t.PROCESSLIST_USER AS user, t.PROCESSLIST_HOST AS host, t.PROCESSLIST_DB AS db,
       t.PROCESSLIST_COMMAND AS command, t.PROCESSLIST_STATE AS state,
       IF(t.PROCESSLIST_COMMAND = 'Sleep', t.PROCESSLIST_TIME,
          COALESCE(e.TIMER_WAIT / 1e12, t.PROCESSLIST_TIME)) AS seconds,
       LEFT(COALESCE(t.PROCESSLIST_INFO, IF(t.PROCESSLIST_COMMAND = 'Sleep', NULL, e.SQL_TEXT)), {_TEXT}) AS statement,
       NULL AS rows_examined
FROM performance_schema.threads t
LEFT JOIN performance_schema.events_statements_current e
  ON e.THREAD_ID = t.THREAD_ID AND e.END_EVENT_ID IS NULL AND e.NESTING_EVENT_LEVEL = 0
WHERE t.PROCESSLIST_ID IS NOT NULL AND t.PROCESSLIST_ID <> CONNECTION_ID() AND t.PROCESSLIST_COMMAND <> 'Daemon'
LIMIT {_MOST}
"""
_MYSQL_WITHOUT_SCHEMA = f"""
SELECT p.ID AS id, p.USER AS user, p.HOST AS host, p.DB AS db, p.COMMAND AS command, p.STATE AS state,
       p.TIME AS seconds, LEFT(p.INFO, {_TEXT}) AS statement, NULL AS rows_examined
FROM information_schema.PROCESSLIST p WHERE p.ID <> CONNECTION_ID() AND p.COMMAND <> 'Daemon' LIMIT {_MOST}
"""
# the server writes when a transaction began in the time of its system, whatever the session's zone
_TRANSACTIONS = f"""
SELECT trx_mysql_thread_id, TIMESTAMPDIFF(SECOND, CONVERT_TZ(trx_started, 'SYSTEM', '+00:00'), UTC_TIMESTAMP()),
       trx_state
FROM information_schema.INNODB_TRX WHERE trx_mysql_thread_id > 0 LIMIT {_MOST}
"""
_LAST = f"""
SELECT t.PROCESSLIST_ID, LEFT(e.SQL_TEXT, {_TEXT})
FROM performance_schema.threads t JOIN performance_schema.events_statements_current e ON e.THREAD_ID = t.THREAD_ID
WHERE t.PROCESSLIST_COMMAND = 'Sleep' AND t.PROCESSLIST_ID <> CONNECTION_ID()
  AND e.END_EVENT_ID IS NOT NULL AND e.NESTING_EVENT_LEVEL = 0 LIMIT {_MOST}
"""
_PROGRAMS = """
SELECT PROCESSLIST_ID, ATTR_VALUE FROM performance_schema.session_connect_attrs WHERE ATTR_NAME = 'program_name'
"""


@dataclass(frozen=True)
class Sessions:
    """All that the account sees, by id, without the one that asks; and those that wait for a row."""

    by_id: Mapping[int, SessionSeen]
    waiting_for_rows: frozenset[int]


def read_sessions(session: Session, facts: ServerFacts) -> tuple[Sessions | None, list[Lack]]:
    """The sessions, None where only its own are seen, and what the account lacks to see more of them.

    Raises ServerError where a question failed for another reason.
    """
    lacks: list[Lack] = []
    schema = performance_schema_lack(session, facts)
    if schema is None and not facts.is_mariadb:
        rows = session.dicts(_MYSQL)
    elif sees_processes(session):
        rows = session.dicts(_MARIADB if facts.is_mariadb else _MYSQL_WITHOUT_SCHEMA)
    else:
        return None, [process_lack(session, facts)]
    found = {seen.id: seen for seen in map(_seen, rows)}
    waiting: set[int] = set()
    if sees_processes(session):
        waiting = _with_transactions(session, found)
    else:
        lacks.append(process_lack(session, facts))
    if schema is None:
        _with_programs(session, found)
    return Sessions(found, frozenset(waiting)), lacks


def _with_transactions(session: Session, found: dict[int, SessionSeen]) -> set[int]:
    """Add the ages of transactions; return who waits for a row. All is as it was up to a tenth of a second ago."""
    waiting = set()
    for thread, seconds, state in session.rows(_TRANSACTIONS):
        if thread in found:
            found[thread] = replace(found[thread], transaction_seconds=max(0.0, float(seconds or 0)))
            waiting |= {thread} if state == "LOCK WAIT" else set()
    return waiting


def _with_programs(session: Session, found: dict[int, SessionSeen]) -> None:
    """Add what opened the sessions, and what the idle ones did last."""
    for thread, program in session.rows(_PROGRAMS):
        if thread in found:
            found[thread] = replace(found[thread], program=_text(program))
    for thread, statement in session.rows(_LAST):
        if thread in found and found[thread].is_idle:
            found[thread] = replace(found[thread], last_statement=_text(statement) or "")


def sees_processes(session: Session) -> bool:
    """The account has PROCESS. Lists of sessions say nothing of its lack: they are short."""
    try:
        session.rows("SELECT 1 FROM information_schema.INNODB_TRX LIMIT 1")
    except ServerError as error:
        if "PROCESS" in error.what:
            return False
        raise
    return True


def process_lack(session: Session, facts: ServerFacts) -> Lack:
    """That the account has no PROCESS."""
    why = "without the privilege PROCESS an account sees its own sessions only, and no transactions"
    return Lack(PROCESSES, why, _grant(session, facts, Wanted("PROCESS", None, "")))


def performance_schema_lack(session: Session, facts: ServerFacts, capability: str = SCHEMA) -> Lack | None:
    """Why performance_schema tells nothing: it is off, or the account may not read it; None where it tells."""
    if not int(session.value("SELECT @@performance_schema")):
        section = "mariadbd" if facts.is_mariadb else "mysqld"
        why = "performance_schema is off, and is switched on with the start of the server"
        return Lack(capability, why, f"[{section}]\nperformance_schema=ON")
    try:
        session.rows("SELECT 1 FROM performance_schema.threads LIMIT 1")
    except ServerError as error:
        if isinstance(error, UnknownDatabaseError):
            return Lack(capability, "this server was built without performance_schema", "use a build that has it")
        if "denied" not in error.what:
            raise
        why = "the account may not read performance_schema"
        return Lack(capability, why, _grant(session, facts, Wanted("SELECT", "performance_schema", "")))
    return None


def others(sessions: Mapping[int, SessionSeen]) -> Iterator[SessionSeen]:
    """Those of applications and people: not of replication, and not of the server itself."""
    own = {"Binlog Dump", "Binlog Dump GTID", "Slave_IO", "Slave_SQL", "Slave_worker"}
    replication = {"system user", "event_scheduler"}
    return (each for each in sessions.values() if each.command not in own and each.user not in replication)


def _grant(session: Session, facts: ServerFacts, wanted: Wanted) -> str:
    return spelled(facts, wanted).grant(*current_account(session)).replace("\\_", "_")


def _seen(row: Mapping[str, Any]) -> SessionSeen:
    return SessionSeen(
        id=int(row["id"]),
        user=_text(row["user"]) or "system user",
        host=(_text(row["host"]) or "").rpartition(":")[0] or _text(row["host"]) or "",
        database=_text(row["db"]) or None,
        command=_text(row["command"]) or "",
        state=_text(row["state"]) or "",
        seconds=max(0.0, float(row["seconds"] or 0)),
        statement=_text(row["statement"]) or "",
        rows_examined=None if row["rows_examined"] is None else int(row["rows_examined"]),
    )


def _text(value: object) -> str | None:
    if value is None:
        return None
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
