"""What each family tells of its locks, as waits. MySQL tells who asks for what; MariaDB who has what, and who waits."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from chom_pipelines.errors import ServerError
from chom_pipelines.monitoring.locks.lock_requests import (
    EXCLUSIVE,
    NO_READ_WRITE,
    READ_ONLY,
    Request,
    metadata_waits,
    wanted_by,
)
from chom_pipelines.monitoring.readers.literals import without_literals
from chom_pipelines.monitoring.readers.reading import Lack
from chom_pipelines.monitoring.readers.sessions import TABLE_LOCKS, Sessions, performance_schema_lack, process_lack
from chom_pipelines.monitoring.readers.waits import SESSIONLESS, LockKind, SessionSeen, Wait
from chom_pipelines.server.connection import Session
from chom_pipelines.server.facts import ServerFacts

_MOST = 5000

_ROWS_MARIADB = f"""
SELECT r.trx_mysql_thread_id, b.trx_mysql_thread_id, REPLACE(l.lock_table, '`', ''), l.lock_index, l.lock_mode
FROM information_schema.INNODB_LOCK_WAITS w
JOIN information_schema.INNODB_TRX r ON r.trx_id = w.requesting_trx_id
JOIN information_schema.INNODB_TRX b ON b.trx_id = w.blocking_trx_id
LEFT JOIN information_schema.INNODB_LOCKS l ON l.lock_id = w.requested_lock_id LIMIT {_MOST}
"""
_ROWS_MYSQL = f"""
SELECT r.PROCESSLIST_ID, b.PROCESSLIST_ID, CONCAT_WS('.', l.OBJECT_SCHEMA, l.OBJECT_NAME), l.INDEX_NAME, l.LOCK_MODE
FROM performance_schema.data_lock_waits w
JOIN performance_schema.data_locks l
  ON l.ENGINE_LOCK_ID = w.REQUESTING_ENGINE_LOCK_ID AND l.ENGINE = w.ENGINE
JOIN performance_schema.threads r ON r.THREAD_ID = w.REQUESTING_THREAD_ID
LEFT JOIN performance_schema.threads b ON b.THREAD_ID = w.BLOCKING_THREAD_ID LIMIT {_MOST}
"""
_HELD_MARIADB = f"""
SELECT THREAD_ID, LOCK_TYPE, TABLE_SCHEMA, TABLE_NAME, LOCK_MODE
FROM information_schema.METADATA_LOCK_INFO WHERE THREAD_ID <> CONNECTION_ID() LIMIT {_MOST}
"""
_INSTRUMENT = "SELECT ENABLED FROM performance_schema.setup_instruments WHERE NAME = 'wait/lock/metadata/sql/mdl'"
_CONTESTED = """
SELECT DISTINCT OBJECT_TYPE, OBJECT_SCHEMA, OBJECT_NAME
FROM performance_schema.metadata_locks WHERE LOCK_STATUS = 'PENDING'
"""
_REQUESTS = """
SELECT t.PROCESSLIST_ID, m.OBJECT_TYPE, CONCAT_WS('.', m.OBJECT_SCHEMA, m.OBJECT_NAME), m.LOCK_TYPE, m.LOCK_STATUS
FROM performance_schema.metadata_locks m JOIN performance_schema.threads t ON t.THREAD_ID = m.OWNER_THREAD_ID
"""
_OF_CONTESTED = f"""
{_REQUESTS} JOIN ({_CONTESTED}) c ON c.OBJECT_TYPE = m.OBJECT_TYPE
  AND c.OBJECT_SCHEMA <=> m.OBJECT_SCHEMA AND c.OBJECT_NAME <=> m.OBJECT_NAME
WHERE t.PROCESSLIST_ID IS NOT NULL LIMIT {_MOST}
"""
_OF_TABLES = f"""
{_REQUESTS} WHERE t.PROCESSLIST_ID IS NOT NULL AND m.OBJECT_TYPE = 'TABLE' AND m.LOCK_STATUS = 'GRANTED' LIMIT {_MOST}
"""
_SCOPES = {
    "Table metadata lock": "TABLE",
    "Schema metadata lock": "SCHEMA",
    "User lock": "USER LEVEL LOCK",
    "Backup lock": "BACKUP LOCK",
}
_OF_BACKUPS = re.compile(r"BACKUP_(START|BLOCK|FLUSH|WAIT|FTWRL)")
"""Modes of the backup lock that hold others up; the rest are of statements that a backup may have to wait for."""
_TAKES_THE_SERVER = re.compile(r"\s*(BACKUP STAGE|FLUSH\b.*WITH READ LOCK)", re.IGNORECASE | re.DOTALL)
_WAITS_TABLE = re.compile(r"waiting for table metadata lock", re.IGNORECASE)
_WAITS_SCHEMA = re.compile(r"waiting for schema metadata lock", re.IGNORECASE)
_WAITS_BACKUP = re.compile(r"waiting for backup lock", re.IGNORECASE)
_WAITS_FLUSH = re.compile(r"waiting for table flush", re.IGNORECASE)
_LOCKED_TABLES = frozenset({READ_ONLY, NO_READ_WRITE, "SHARED_NO_WRITE"})
_WHOLE_DATABASE = re.compile(r"\s*DROP\s+(DATABASE|SCHEMA)\b", re.IGNORECASE)
_NAMES = re.compile(r"`((?:[^`]|``)+)`|([\w$]+)")

Answer = tuple[list[Wait], list[Lack]]


def mysql_waits(session: Session, facts: ServerFacts, sessions: Sessions) -> Answer:
    """All waits that performance_schema tells, and what it does not. Raises ServerError."""
    lack = performance_schema_lack(session, facts)
    if lack is not None:
        return [], [lack]
    waits = list(_row_waits(session.rows(_ROWS_MYSQL)))
    if session.value(_INSTRUMENT) != "YES":
        why = "locks of tables are not told: their instrument is off"
        mend = "UPDATE performance_schema.setup_instruments SET ENABLED = 'YES' WHERE NAME = "
        return waits, [Lack(TABLE_LOCKS, why, f"{mend}'wait/lock/metadata/sql/mdl';")]
    requests = [_request(row) for row in session.rows(_OF_CONTESTED)]
    waits += metadata_waits(requests)
    flushing = [each for each in sessions.by_id.values() if _WAITS_FLUSH.search(each.state)]
    if flushing:
        waits += _flush_waits(flushing, [_request(row) for row in session.rows(_OF_TABLES)], sessions)
    return waits, []


def mariadb_waits(session: Session, facts: ServerFacts, sessions: Sessions) -> Answer:
    """All waits that it tells, and those that follow from who holds what, and from what others are about to do.

    Raises ServerError.
    """
    try:
        waits = list(_row_waits(session.rows(_ROWS_MARIADB)))
    except ServerError as error:
        if "PROCESS" not in error.what:
            raise
        return [], [process_lack(session, facts)]
    try:
        rows = session.rows(_HELD_MARIADB)
    except ServerError as error:
        if "METADATA_LOCK_INFO" not in error.what.upper():
            raise
        why = "who holds a lock of a table, or of the whole server, is not told without a plugin"
        return waits, [Lack(TABLE_LOCKS, why, "INSTALL SONAME 'metadata_lock_info';")]
    held = [_held(row) for row in rows]
    waits += metadata_waits([*held, *_about_to_ask(held, sessions)])
    waits += _backup_waits(held, sessions)
    waits += _name_waits(held, sessions)
    waits += _flush_waits([s for s in sessions.by_id.values() if _WAITS_FLUSH.search(s.state)], held, sessions)
    return waits, []


def _row_waits(rows: Iterable[Sequence[object]]) -> Iterator[Wait]:
    """Each pair once: one statement may wait for several locks of the same transaction."""
    seen = set()
    for waiter, blocker, table, index, mode in rows:
        pair = int(str(waiter)), int(str(blocker or SESSIONLESS))
        if pair not in seen:
            seen.add(pair)
            on = f"a row of {table or 'a table'}" + (f", index {index}" if index else "")
            yield Wait(*pair, LockKind.ROW, on, str(mode or ""))


def _request(row: Sequence[object]) -> Request:
    thread, scope, name, mode, status = row
    return Request(int(str(thread)), str(scope), str(name or ""), str(mode), status == "GRANTED")


def _held(row: Sequence[object]) -> Request:
    thread, kind, schema, name, mode = row
    scope = _SCOPES.get(str(kind), str(kind).upper())
    place = ".".join(filter(None, (str(schema), str(name))))
    return Request(int(str(thread)), scope, place, str(mode).removeprefix("MDL_"), is_granted=True)


def _about_to_ask(held: Iterable[Request], sessions: Sessions) -> Iterator[Request]:
    """What the sessions that wait ask for, of all that is held, by the names in their statements."""
    objects = {(request.scope, request.name) for request in held}
    for seen in sessions.by_id.values():
        if _WAITS_TABLE.search(seen.state):
            mode = wanted_by(seen.statement)
            yield from (_asked(seen, "TABLE", name, mode) for name in _named(seen, objects, "TABLE"))
        elif _WAITS_SCHEMA.search(seen.state):
            yield from (_asked(seen, "SCHEMA", name, EXCLUSIVE) for name in _named(seen, objects, "SCHEMA"))


def _asked(seen: SessionSeen, scope: str, name: str, mode: str) -> Request:
    return Request(seen.id, scope, name, mode, is_granted=False, is_certain=False)


def _named(seen: SessionSeen, objects: Iterable[tuple[str, str]], scope: str) -> Iterator[str]:
    """Objects of that kind that its statement names; a table without its database is one of the session's own."""
    words = {
        (quoted.replace("``", "`") or plain).lower()
        for quoted, plain in _NAMES.findall(without_literals(seen.statement))
    }
    here = words | {(seen.database or "").lower()}
    everything = bool(_WHOLE_DATABASE.match(seen.statement))
    for kind, name in objects:
        *database, last = name.lower().split(".", 1)
        if kind == scope and (last in words or (everything and database)) and here.issuperset(database):
            yield name


def _backup_waits(held: Sequence[Request], sessions: Sessions) -> Iterator[Wait]:
    """Of the lock that a backup takes, and all that write: MariaDB's global read lock is of it, too."""
    holders = {each.session: each.mode for each in held if each.scope == "BACKUP LOCK"}
    backups = {thread for thread, mode in holders.items() if _OF_BACKUPS.search(mode)}
    asking = [each for each in sessions.by_id.values() if _WAITS_BACKUP.search(each.state)]
    takers = {each.id for each in asking if _TAKES_THE_SERVER.match(each.statement)}
    for seen in asking:
        first = backups - {seen.id}
        if seen.id in takers:
            blockers = first or {thread for thread in holders if thread != seen.id} - {each.id for each in asking}
        else:
            blockers = first or takers - {seen.id}
        for blocker in sorted(blockers):
            mode = holders.get(blocker, "")
            yield Wait(seen.id, blocker, LockKind.GLOBAL, "the backup lock", mode, is_certain=False)


def _name_waits(held: Iterable[Request], sessions: Sessions) -> Iterator[Wait]:
    """Of GET_LOCK."""
    locks = [each for each in held if each.scope == "USER LEVEL LOCK"]
    for seen in sessions.by_id.values():
        if seen.state.lower() == "user lock":
            for lock in locks:
                if lock.session != seen.id and lock.name.lower() in seen.statement.lower():
                    yield Wait(seen.id, lock.session, LockKind.USER, f"the lock {lock.name}", is_certain=False)


def _flush_waits(flushing: Iterable[SessionSeen], held: Iterable[Request], sessions: Sessions) -> Iterator[Wait]:
    """FLUSH TABLES waits until nobody has a table open: for statements that run, and for LOCK TABLES."""
    tables = [each for each in held if each.scope == "TABLE" and each.is_granted]
    by_id: Mapping[int, SessionSeen] = sessions.by_id
    for seen in flushing:
        named = set(_named(seen, {("TABLE", each.name) for each in tables}, "TABLE"))
        open_in = {
            each.session: each.name for each in tables if _uses(each, by_id) and (not named or each.name in named)
        }
        for other, name in sorted(open_in.items()):
            if other != seen.id:
                yield Wait(seen.id, other, LockKind.GLOBAL, f"{name} to be closed", is_certain=False)


def _uses(lock: Request, sessions: Mapping[int, SessionSeen]) -> bool:
    """Its session has the table open: it runs something, or has locked it; and does not wait for the same thing."""
    other = sessions.get(lock.session)
    if other is None or _WAITS_FLUSH.search(other.state):
        return False
    return not other.is_idle or lock.mode in _LOCKED_TABLES
