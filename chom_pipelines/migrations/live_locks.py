"""What holds, or waits for, the tables that the migrations change, at this moment."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

from chom_pipelines.errors import ServerError
from chom_pipelines.migrations.findings import MigrationFinding, error, info, unknown, warning
from chom_pipelines.migrations.shapes import TableName
from chom_pipelines.server.connection import Session
from chom_pipelines.server.facts import ServerFacts
from chom_pipelines.server.identifiers import literal

_IDLE_SECONDS = 10
_HOLDERS_MYSQL = """
SELECT m.object_schema, m.object_name, t.processlist_id, t.processlist_user, t.processlist_time,
       COALESCE(t.processlist_info, '')
FROM performance_schema.metadata_locks m JOIN performance_schema.threads t ON t.thread_id = m.owner_thread_id
WHERE m.object_type = 'TABLE' AND m.lock_status = 'GRANTED' AND t.processlist_id <> CONNECTION_ID()
  AND m.lock_duration = 'TRANSACTION'
"""
_HOLDERS_MARIADB = """
SELECT l.table_schema, l.table_name, p.id, p.user, p.time, COALESCE(p.info, '')
FROM information_schema.METADATA_LOCK_INFO l JOIN information_schema.processlist p ON p.id = l.thread_id
WHERE l.lock_type = 'Table metadata lock' AND p.id <> CONNECTION_ID()
"""
_NAMED_MYSQL = """
SELECT m.object_name, t.processlist_id, t.processlist_user
FROM performance_schema.metadata_locks m JOIN performance_schema.threads t ON t.thread_id = m.owner_thread_id
WHERE m.object_type = 'USER LEVEL LOCK' AND m.lock_status = 'GRANTED' AND t.processlist_id <> CONNECTION_ID()
"""
_NAMED_MARIADB = """
SELECT l.table_schema, p.id, p.user
FROM information_schema.METADATA_LOCK_INFO l JOIN information_schema.processlist p ON p.id = l.thread_id
WHERE l.lock_type = 'User lock' AND p.id <> CONNECTION_ID()
"""
_MIGRATORS = ("migrat", "flyway", "liquibase", "schema", "skeema", "atlas", "alembic", "deploy")
_TRANSACTIONS = """
SELECT t.trx_mysql_thread_id, p.user, TIMESTAMPDIFF(SECOND, t.trx_started, NOW()), p.command, COALESCE(p.info, '')
FROM information_schema.innodb_trx t JOIN information_schema.processlist p ON p.id = t.trx_mysql_thread_id
WHERE p.id <> CONNECTION_ID()
"""
_WAITING = """
SELECT id, user, time, COALESCE(info, '') FROM information_schema.processlist
WHERE state LIKE 'Waiting for table%metadata lock' AND id <> CONNECTION_ID()
"""
_TOOLS = ("gh-ost", "pt-online-schema-change")


def check_live_locks(session: Session, facts: ServerFacts, tables: Collection[TableName]) -> Iterator[MigrationFinding]:
    """Who would make the migrations wait, and the application behind them. Not all servers can tell."""
    try:
        yield from _waiting(session)
        yield from _transactions(session)
    except ServerError as refused:
        yield unknown(
            "TL02", f"what runs there cannot be seen: {refused.what}", remedy="GRANT PROCESS ON *.* TO the user"
        )
        return
    yield from _tools(session, tables)
    if not tables:
        return
    holders = _holders(session, facts)
    if holders is None:
        if not _others(session):
            return
        yield unknown(
            "TL01",
            "this server does not tell who holds locks on tables",
            object="locks",
            why="one open transaction that has read a table makes a change of it wait, and everybody behind that",
            remedy="INSTALL SONAME 'metadata_lock_info'"
            if facts.is_mariadb
            else "GRANT SELECT ON performance_schema.* TO it",
        )
        return
    yield from _named(session, facts)
    seen: set[tuple[Any, ...]] = set()
    for database, name, thread, user, seconds, doing in holders:
        if (database, name) in tables and (database, name, thread) not in seen:
            seen.add((database, name, thread))
            yield error(
                "TL01",
                f"connection {thread} of {user} holds {database}.{name}, for {seconds or 0} s: {_cut(doing)}",
                why="a change of the table waits for it, and every query of the table behind that",
                remedy=f"wait until it ends, or KILL {thread}",
                object=f"{database}.{name}",
            )


def _holders(session: Session, facts: ServerFacts) -> Sequence[tuple[Any, ...]] | None:
    try:
        if facts.is_mariadb:
            # with no such plugin performance_schema answers, and has nothing: that would be taken for "nobody"
            return session.rows(_HOLDERS_MARIADB)
        enabled = session.value(
            "SELECT enabled FROM performance_schema.setup_instruments WHERE name = 'wait/lock/metadata/sql/mdl'"
        )
        return session.rows(_HOLDERS_MYSQL) if enabled == "YES" else None
    except ServerError:
        return None


def _named(session: Session, facts: ServerFacts) -> Iterator[MigrationFinding]:
    """Locks by GET_LOCK, by which migrators keep each other out."""
    for name, thread, user in session.rows(_NAMED_MARIADB if facts.is_mariadb else _NAMED_MYSQL):
        is_migrator = any(each in str(name).lower() for each in _MIGRATORS)
        yield (warning if is_migrator else info)(
            "TL04",
            f"connection {thread} of {user} holds the lock {name!r} of GET_LOCK",
            why="tools that change schemas keep each other out so: another one may be at work",
            remedy=f"see what it is, and wait until it is through; SELECT IS_USED_LOCK('{name}') tells",
            object="locks",
        )


def _others(session: Session) -> bool:
    """Whether anybody else is connected at all."""
    own = "Daemon", "Binlog Dump", "Slave_IO", "Slave_SQL", "Slave_worker"
    commands = session.rows("SELECT command FROM information_schema.processlist WHERE id <> CONNECTION_ID()")
    return any(str(command) not in own for (command,) in commands)


def _waiting(session: Session) -> Iterator[MigrationFinding]:
    for thread, user, seconds, doing in session.rows(_WAITING):
        yield error(
            "TL03",
            f"connection {thread} of {user} waits for a table since {seconds} s: {_cut(doing)}",
            why="a pile-up is there already; another change makes it longer",
            remedy="find who holds the table, and wait until that is over",
        )


def _transactions(session: Session) -> Iterator[MigrationFinding]:
    for thread, user, seconds, command, text in session.rows(_TRANSACTIONS):
        if seconds >= _IDLE_SECONDS:
            doing = "idle" if command == "Sleep" else _cut(text)
            yield warning(
                "TL02",
                f"connection {thread} of {user} has a transaction open for {seconds} s ({doing})",
                why="if it has read a table that is to be changed, the change waits for its end",
                remedy=f"wait until it ends, or KILL {thread}",
            )


def _tools(session: Session, tables: Collection[TableName]) -> Iterator[MigrationFinding]:
    running = session.rows("SELECT id, user, info FROM information_schema.processlist WHERE info IS NOT NULL")
    for thread, user, doing in running:
        if any(each in str(doing) for each in _TOOLS):
            yield error(
                "TL03", f"connection {thread} of {user} is a schema change that runs: {_cut(doing)}", remedy="wait"
            )
    for database, name in tables:
        beside = ", ".join(literal(each) for each in (f"_{name}_gho", f"_{name}_ghc", f"_{name}_new"))
        for (found,) in session.rows(
            "SELECT table_name FROM information_schema.tables"
            f" WHERE table_schema = {literal(database)} AND table_name IN ({beside})"
        ):
            yield error(
                "TL03",
                f"{database}.{found} is there: a schema change of {name} runs, or was left",
                remedy="wait until it is through; if none runs, drop what it left",
                object=f"{database}.{name}",
            )


def _cut(text: object) -> str:
    line = " ".join((text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)).split())
    return (line[:80] or "nothing at the moment") if len(line) <= 80 else line[:79] + "…"  # noqa: PLR2004  (a line of a terminal)
