"""What is in a server's databases: tables with their columns and sizes, and every definition as the server shows it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from chom_pipelines.backups.columns import Column
from chom_pipelines.backups.definitions import Context, Definition, in_dependency_order
from chom_pipelines.errors import ServerError, UnknownDatabaseError
from chom_pipelines.server.connection import Session, error_number
from chom_pipelines.server.facts import ServerFacts
from chom_pipelines.server.identifiers import account, literal, quote

SYSTEM_DATABASES = frozenset({"mysql", "information_schema", "performance_schema", "sys"})
_INTERNAL_ACCOUNTS = frozenset({"mysql.sys", "mysql.session", "mysql.infoschema", "mariadb.sys", "PUBLIC", ""})


@dataclass(frozen=True)
class TableInfo:
    """A base table as information_schema describes it. `bytes` and `rows` are the engine's estimates."""

    database: str
    name: str
    engine: str
    transactional: bool
    versioned: bool
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    """The primary key's columns; empty where there is none."""
    bytes: int
    rows: int

    @property
    def label(self) -> str:
        """`database.table`."""
        return f"{self.database}.{self.name}"


class Catalog:
    """Reads through one session, with identifiers in utf8 and bodies in the bytes that they were written in."""

    def __init__(self, session: Session, facts: ServerFacts, databases: Sequence[str] | None) -> None:
        self.session = session
        self.facts = facts
        if facts.caches_statistics:
            session.execute("SET SESSION information_schema_stats_expiry = 0")
        if not facts.is_mariadb:
            # hashes of caching_sha2_password hold any byte
            session.execute("SET SESSION print_identified_with_as_hex = ON")
        self.databases = self._databases(databases)

    def _databases(self, wanted: Sequence[str] | None) -> tuple[str, ...]:
        there = [str(name) for (name,) in self.session.rows("SHOW DATABASES")]
        own = tuple(sorted(name for name in there if name.lower() not in SYSTEM_DATABASES))
        if wanted is None:
            return own
        missing = sorted(set(wanted) - set(own))
        if missing:
            message = f"{self.session.endpoint.where}: no database {', '.join(missing)}"
            raise UnknownDatabaseError(message, f"the server has {', '.join(own) or 'none of its own'}")
        return tuple(wanted)

    @property
    def _in(self) -> str:
        return f"IN ({', '.join(literal(name) for name in self.databases)})"

    def tables(self) -> list[TableInfo]:
        """Every base table of the databases, by name."""
        if not self.databases:
            return []
        engines = {str(row[0]).lower(): row[3] == "YES" for row in self.session.rows("SHOW ENGINES")}
        columns, keys = self._columns(), self._keys()
        found = []
        for database, name, kind, engine, size, rows, comment in self.session.rows(
            "SELECT TABLE_SCHEMA, TABLE_NAME, TABLE_TYPE, ENGINE, DATA_LENGTH, TABLE_ROWS, TABLE_COMMENT "
            f"FROM information_schema.TABLES WHERE TABLE_SCHEMA {self._in} "
            "AND TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED') ORDER BY TABLE_SCHEMA, TABLE_NAME",
        ):
            if engine is None:
                message = f"{self.session.endpoint.where}: {database}.{name} cannot be read: {comment}"
                raise ServerError(message, "repair or drop the table, or leave its database out of `databases`")
            versioned = kind == "SYSTEM VERSIONED" and self.facts.can_insert_history
            found.append(
                TableInfo(
                    database=database,
                    name=name,
                    engine=engine,
                    transactional=engines.get(str(engine).lower(), False),
                    versioned=versioned,
                    columns=tuple(columns[database, name]) + self._period(database, name, versioned=versioned),
                    key=keys.get((database, name), ()),
                    bytes=int(size or 0),
                    rows=int(rows or 0),
                ),
            )
        return found

    def _period(self, database: str, table: str, *, versioned: bool) -> tuple[Column, ...]:
        """The columns that say from when to when a row was valid; hidden where nobody declared them."""
        if not versioned:
            return ()
        declared = self.session.rows(
            "SELECT COLUMN_NAME, DATA_TYPE, COLUMN_TYPE FROM information_schema.COLUMNS "
            f"WHERE TABLE_SCHEMA = {literal(database)} AND TABLE_NAME = {literal(table)} "
            "AND GENERATION_EXPRESSION IN ('ROW START', 'ROW END') ORDER BY ORDINAL_POSITION",
        ) or [(name, "timestamp", "timestamp(6)") for name in ("row_start", "row_end")]
        return tuple(Column(name, data_type, column_type, nullable=False) for name, data_type, column_type in declared)

    def _columns(self) -> dict[tuple[str, str], list[Column]]:
        """The columns that hold data: every one but those that the server computes."""
        found: dict[tuple[str, str], list[Column]] = defaultdict(list)
        generated = "IS_GENERATED <> 'ALWAYS'" if self.facts.is_mariadb else "GENERATION_EXPRESSION = ''"
        for database, table, name, data_type, column_type, nullable, octets in self.session.rows(
            "SELECT TABLE_SCHEMA, TABLE_NAME, COLUMN_NAME, DATA_TYPE, COLUMN_TYPE, IS_NULLABLE, "
            f"CHARACTER_OCTET_LENGTH FROM information_schema.COLUMNS WHERE TABLE_SCHEMA {self._in} "
            f"AND {generated} ORDER BY TABLE_SCHEMA, TABLE_NAME, ORDINAL_POSITION",
        ):
            found[database, table].append(
                Column(
                    name=name,
                    data_type=data_type.lower(),
                    column_type=_text(column_type),
                    nullable=nullable == "YES",
                    character_bytes=None if octets is None else int(octets),
                    is_json=not self.facts.is_mariadb and data_type.lower() == "json",
                ),
            )
        return found

    def _keys(self) -> dict[tuple[str, str], tuple[str, ...]]:
        found: dict[tuple[str, str], list[str]] = defaultdict(list)
        for database, table, column in self.session.rows(
            "SELECT TABLE_SCHEMA, TABLE_NAME, COLUMN_NAME FROM information_schema.STATISTICS "
            f"WHERE TABLE_SCHEMA {self._in} AND INDEX_NAME = 'PRIMARY' ORDER BY TABLE_SCHEMA, TABLE_NAME, SEQ_IN_INDEX",
        ):
            found[database, table].append(column)
        return {table: tuple(columns) for table, columns in found.items()}

    def definitions(self) -> list[Definition]:
        """Every definition, in the order in which they can be created."""
        self.session.execute("SET character_set_results = NULL")
        try:
            return list(self._definitions())
        finally:
            self.session.execute("SET character_set_results = utf8mb4")

    def _definitions(self) -> Iterator[Definition]:
        views: list[Definition] = []
        tables: list[Definition] = []
        programs: list[Definition] = []
        for database in self.databases:
            (_, statement, *_) = self._shown(f"SHOW CREATE DATABASE {quote(database)}")
            yield Definition("database", database, database, _bytes(statement))
            self.session.execute(f"USE {quote(database)}")
            for name, kind in self.session.rows("SHOW FULL TABLES"):
                kind, name = _text(kind), _text(name)
                if kind == "VIEW":
                    views.append(self._view(database, name))
                elif kind == "SEQUENCE":
                    yield self._sequence(database, name)
                else:
                    (_, statement, *_) = self._shown(f"SHOW CREATE TABLE {quote(name)}")
                    tables.append(Definition("table", database, name, _bytes(statement)))
            programs += [*self._routines(database), *self._triggers(database), *self._events(database)]
        yield from tables
        yield from (program for program in programs if program.kind not in {"trigger", "event"})
        yield from in_dependency_order(views)
        yield from (program for program in programs if program.kind in {"trigger", "event"})

    def _shown(self, sql: str) -> tuple[Any, ...]:
        row = self.session.row(sql)
        if row is None:
            message = f"{self.session.endpoint.where}: {sql} answered nothing"
            raise UnknownDatabaseError(message, "it was dropped meanwhile, or the user may not see it; run again")
        return row

    def _view(self, database: str, name: str) -> Definition:
        # with the database in use, the server leaves its name out: the view can then be restored under another name
        _, statement, client, collation = self._shown(f"SHOW CREATE VIEW {quote(name)}")
        return Definition("view", database, name, _bytes(statement), Context(None, _text(client), _text(collation)))

    def _sequence(self, database: str, name: str) -> Definition:
        (_, statement, *_) = self._shown(f"SHOW CREATE SEQUENCE {quote(name)}")
        values = self._shown(f"SELECT next_not_cached_value, cycle_count FROM {quote(name)}")
        following, cycle = (int(value) for value in values)
        value = f"DO SETVAL({quote(name)}, {following}, 0, {cycle})"
        return Definition("sequence", database, name, _bytes(statement), value=value)

    def _routines(self, database: str) -> Iterator[Definition]:
        kinds = ["PROCEDURE", "FUNCTION"] + (["PACKAGE", "PACKAGE BODY"] if self.facts.has_packages else [])
        for kind in kinds:
            for row in self.session.rows(f"SHOW {kind} STATUS WHERE Db = {literal(database)}"):
                name = _text(row[1])
                _, mode, statement, client, collation, database_collation = self._shown(
                    f"SHOW CREATE {kind} {quote(name)}",
                )
                if statement is None:
                    message = f"{self.session.endpoint.where}: {kind.lower()} {database}.{name}: its body is not shown"
                    raise ServerError(message, "chom check names the GRANT for others' routines")
                context = Context(_text(mode), _text(client), _text(collation), _text(database_collation))
                yield Definition(kind.lower(), database, name, _bytes(statement), context)

    def _triggers(self, database: str) -> Iterator[Definition]:
        # in the order in which those of one table, time and event fire
        for name, table in self.session.rows(
            "SELECT TRIGGER_NAME, EVENT_OBJECT_TABLE FROM information_schema.TRIGGERS "
            f"WHERE TRIGGER_SCHEMA = {literal(database)} "
            "ORDER BY EVENT_OBJECT_TABLE, ACTION_TIMING, EVENT_MANIPULATION, ACTION_ORDER",
        ):
            _, mode, statement, client, collation, database_collation, *_ = self._shown(
                f"SHOW CREATE TRIGGER {quote(_text(name))}",
            )
            context = Context(_text(mode), _text(client), _text(collation), _text(database_collation))
            yield Definition("trigger", database, _text(name), _bytes(statement), context, parent=_text(table))

    def _events(self, database: str) -> Iterator[Definition]:
        for row in self.session.rows(f"SHOW EVENTS WHERE Db = {literal(database)}"):
            name = _text(row[1])
            _, mode, zone, statement, client, collation, database_collation = self._shown(
                f"SHOW CREATE EVENT {quote(name)}",
            )
            context = Context(_text(mode), _text(client), _text(collation), _text(database_collation), _text(zone))
            yield Definition("event", database, name, _bytes(statement), context)

    def accounts(self) -> list[Definition]:
        """Accounts and roles with their grants, but for those that a server makes for itself.

        Raises MissingPrivilegeError where the user may not read them.
        """
        found, grants = [], []
        for user, host, is_role in self._account_names():
            name = account(user, None if is_role else host)
            label = user if is_role else f"{user}@{host}"
            if is_role:
                found.append(Definition("role", "", label, f"CREATE ROLE IF NOT EXISTS {name}".encode()))
            else:
                (created,) = self._shown(f"SHOW CREATE USER {name}")[:1]
                statement = _bytes(created).replace(b"CREATE USER ", b"CREATE USER IF NOT EXISTS ", 1)
                found.append(Definition("account", "", label, statement))
            grants += [
                Definition("grant", "", f"{label} #{number}", _bytes(grant))
                for number, (grant, *_) in enumerate(self.session.rows(f"SHOW GRANTS FOR {name}"))
            ]
        # roles first: an account's default role has to be there
        return sorted(found, key=lambda definition: definition.kind != "role") + grants

    def _account_names(self) -> list[tuple[str, str, bool]]:
        role = "is_role = 'Y'" if self.facts.is_mariadb else "FALSE"
        return [
            (str(user), str(host), bool(is_role))
            for user, host, is_role in self.session.rows(f"SELECT User, Host, {role} FROM mysql.user ORDER BY 1, 2")
            if user not in _INTERNAL_ACCOUNTS
        ]


def read_if_allowed(read: Callable[[], list[Definition]], refused: set[int]) -> list[Definition] | None:
    """The definitions, or None where the server refuses with one of these error numbers."""
    try:
        return read()
    except ServerError as error:
        if error_number(error) in refused:
            return None
        raise


def _bytes(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else value.encode()


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
