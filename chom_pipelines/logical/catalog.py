"""What is in a server's databases: tables with their columns and sizes, and every definition as the server shows it."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from chom_pipelines.errors import DefinitionChangedError, ServerError, UnknownDatabaseError
from chom_pipelines.logical.columns import Column
from chom_pipelines.logical.definitions import INVALID_VIEW, Context, Definition, in_dependency_order, in_one_charset
from chom_pipelines.repository.pieces import SequenceCounter
from chom_pipelines.server.connection import Row, Session
from chom_pipelines.server.facts import SYSTEM_DATABASES, ServerFacts
from chom_pipelines.server.identifiers import literal, qualified, quote

RESTORE_MARKER = "_chom_restore_in_progress"
"""A table that stands in a database while something is restored there, and names it.

It only explains what a restore that was cut off has left: it authorises nobody to remove anything. No backup has it.
"""

_BORROWING = frozenset({"mrg_myisam", "federated", "spider"})
_NEXT_VALUE = re.compile(r"nextval\(`(?P<database>(?:[^`]|``)+)`\.`(?P<name>(?:[^`]|``)+)`\)")
_WHOLE_NUMBERS = "'tinyint', 'smallint', 'mediumint', 'int', 'bigint'"
_AGAIN = "run again when no migration is running"
_VIEW_INVALID = 1356


@dataclass(frozen=True)
class KeyColumn:
    """A column of a key, and whether the key goes from its greatest value to its least."""

    name: str
    descending: bool = False


@dataclass(frozen=True)
class TableInfo:
    """A base table as information_schema describes it. `bytes` and `rows` are the engine's estimates."""

    database: str
    name: str
    engine: str
    transactional: bool
    versioned: bool
    """It keeps history, which is dumped."""
    loses_history: bool
    """It keeps history, which cannot be."""
    borrows: bool
    """It shows rows that belong to other tables, perhaps on other servers: restoring them would write there."""
    columns: tuple[Column, ...]
    key: tuple[KeyColumn, ...]
    """The primary key's columns; empty where there is none that rows can be read by in order without being sorted."""
    bytes: int
    rows: int

    @property
    def keeps_order(self) -> bool:
        """True where a scan gives rows in an order that a copy, filled in that order, has too.

        Aria puts a row on any page with room for it.
        """
        return self.engine.lower() != "aria"

    @property
    def identity(self) -> tuple[str, str]:
        """What tells it from all others; names may hold dots, so that labels may be alike."""
        return (self.database, self.name)

    @property
    def label(self) -> str:
        """`database.table`, for people."""
        return f"{self.database}.{self.name}"


@dataclass(frozen=True)
class CountedColumn:
    """A column of whole numbers that a sequence, perhaps of another database, gives its values."""

    database: str
    table: str
    column: str
    sequence: tuple[str, str]
    """Its database and name."""


class Catalog:
    """Reads through one session, with identifiers in utf8 and bodies in the bytes that they were written in."""

    def __init__(self, session: Session, facts: ServerFacts, databases: Sequence[str] | None) -> None:
        self.session = session
        self.facts = facts
        if facts.caches_statistics:
            session.execute("SET SESSION information_schema_stats_expiry = 0")
        self.databases = self._databases(databases)

    def _databases(self, wanted: Sequence[str] | None) -> tuple[str, ...]:
        there = [str(name) for (name,) in self.session.rows("SHOW DATABASES")]
        # as they are written: where the case of names counts, `Sys` is somebody's own
        own = tuple(sorted(set(there) - SYSTEM_DATABASES))
        if wanted is None:
            return own
        missing = sorted(set(wanted) - set(own))
        if missing:
            message = f"{self.session.endpoint.where}: no database {', '.join(missing)}"
            raise UnknownDatabaseError(message, f"the server has {', '.join(own) or 'none of its own'}")
        return tuple(wanted)

    def tables(self) -> list[TableInfo]:
        """Every base table of the databases, by name."""
        engines = {str(row[0]).lower(): row[3] == "YES" for row in self.session.rows("SHOW ENGINES")}
        return [table for database in self.databases for table in self._tables(database, engines)]

    def unfinished(self) -> Iterator[str]:
        """`database: tables` of what a restore that was cut off has left, or of one that is at work."""
        for database in self.databases:
            if any(_text(row[0]) == RESTORE_MARKER for row in self.session.rows(f"SHOW TABLES FROM {quote(database)}")):
                names = self.session.rows(f"SELECT name FROM {qualified(database, RESTORE_MARKER)} ORDER BY name")
                yield f"{database}: {', '.join(_text(name) for (name,) in names)}"

    def _described(self, database: str, columns: str, of: str) -> list[Row]:
        """Rows of an information_schema table about one database, which they do not name.

        One at a time and compared here: the server compares names without case and accents, and MariaDB answers for
        one of `Shop` and `shop` where both are asked for.
        """
        source, _, rest = of.partition(" ")
        rows = self.session.rows(
            f"SELECT TABLE_SCHEMA, {columns} FROM information_schema.{source} "
            f"WHERE TABLE_SCHEMA = {literal(database)} {rest}",
        )
        return [row[1:] for row in rows if row[0] == database]

    def _tables(self, database: str, engines: Mapping[str, bool]) -> Iterator[TableInfo]:
        columns, keys = self._columns(database), self._keys(database)
        for name, kind, engine, size, rows, comment in self._described(
            database,
            "TABLE_NAME, TABLE_TYPE, ENGINE, DATA_LENGTH, TABLE_ROWS, TABLE_COMMENT",
            "TABLES AND TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED') ORDER BY TABLE_NAME",
        ):
            if name == RESTORE_MARKER:
                continue
            if engine is None:
                message = f"{self.session.endpoint.where}: {database}.{name} cannot be read: {comment}"
                raise ServerError(message, "repair or drop the table, or leave its database out of `databases`")
            keeps_history = kind == "SYSTEM VERSIONED"
            period = self._period(database, name) if keeps_history else ()
            # by transaction (BIGINT) it means nothing on another server, and cannot be inserted
            versioned = bool(period) and self.facts.can_insert_history and period[0].data_type == "timestamp"
            yield TableInfo(
                database=database,
                name=name,
                engine=engine,
                transactional=engines.get(str(engine).lower(), False),
                borrows=str(engine).lower() in _BORROWING,
                versioned=versioned,
                loses_history=keeps_history and not versioned,
                columns=tuple(columns[name]) + (period if versioned else ()),
                key=keys.get(name, ()),
                bytes=int(size or 0),
                rows=int(rows or 0),
            )

    def _period(self, database: str, table: str) -> tuple[Column, ...]:
        """The columns that say from when to when a row was valid; hidden where nobody declared them."""
        rows = self._described(
            database,
            "TABLE_NAME, COLUMN_NAME, DATA_TYPE",
            f"COLUMNS AND TABLE_NAME = {literal(table)} AND GENERATION_EXPRESSION IN ('ROW START', 'ROW END') "
            "ORDER BY ORDINAL_POSITION",
        )
        declared = [(column, kind) for name, column, kind in rows if name == table]
        hidden = [("row_start", "timestamp"), ("row_end", "timestamp")]
        return tuple(Column(name, data_type, nullable=False) for name, data_type in declared or hidden)

    def _columns(self, database: str) -> dict[str, list[Column]]:
        """The columns that hold data: every one but those that the server computes."""
        found: dict[str, list[Column]] = defaultdict(list)
        generated = "IS_GENERATED <> 'ALWAYS'" if self.facts.is_mariadb else "GENERATION_EXPRESSION = ''"
        for table, name, data_type, nullable, octets, extra in self._described(
            database,
            "TABLE_NAME, COLUMN_NAME, DATA_TYPE, IS_NULLABLE, CHARACTER_OCTET_LENGTH, EXTRA",
            f"COLUMNS AND {generated} ORDER BY TABLE_NAME, ORDINAL_POSITION",
        ):
            found[table].append(
                Column(
                    name=name,
                    data_type=data_type.lower(),
                    nullable=nullable == "YES",
                    character_bytes=None if octets is None else int(octets),
                    is_json=not self.facts.is_mariadb and data_type.lower() == "json",
                    slow_replace=self.facts.is_mariadb,
                    counts="auto_increment" in str(extra),
                    nothing_for_null=self.facts.is_mariadb,
                ),
            )
        return found

    def _keys(self, database: str) -> dict[str, tuple[KeyColumn, ...]]:
        """The primary keys by which the server can give rows in order: a hash has none, nor have beginnings of values.

        What would have to be sorted costs production time, and has no order where a collation gives different
        characters the same weight.
        """
        found: dict[str, list[KeyColumn]] = defaultdict(list)
        unordered: set[str] = set()
        for table, column, direction, prefix in self._described(
            database,
            "TABLE_NAME, COLUMN_NAME, COLLATION, SUB_PART",
            "STATISTICS AND INDEX_NAME = 'PRIMARY' ORDER BY TABLE_NAME, SEQ_IN_INDEX",
        ):
            found[table].append(KeyColumn(column, descending=direction == "D"))
            if direction is None or prefix is not None:
                unordered.add(table)
        return {table: tuple(columns) for table, columns in found.items() if table not in unordered}

    def numbers(self) -> dict[str, int]:
        """InnoDB's own number of every table and partition, by the name of its file, where DDL is not kept out.

        RENAME TABLE and EXCHANGE PARTITION can leave every definition as it was, and other rows under it.
        """
        if self.facts.has_instance_lock:
            return {}
        encoded = [
            self.session.value(f"SELECT CAST(CONVERT({literal(name)} USING filename) AS BINARY)")
            for name in self.databases
        ]
        owners = {_text(name) for name in encoded}
        rows = self.session.rows("SELECT NAME, TABLE_ID FROM information_schema.INNODB_SYS_TABLES")
        return {str(name): int(number) for name, number in rows if str(name).partition("/")[0] in owners}

    def definitions(self) -> list[Definition]:
        """Every definition, in the order in which they can be created."""
        with self._as_bytes():
            return list(self._definitions())

    @contextmanager
    def _as_bytes(self) -> Iterator[None]:
        """Results as they are stored: neither server nor driver converts them. A body is in its author's charset."""
        self.session.execute("SET character_set_results = NULL")
        self.session.raw.use_unicode = False
        try:
            yield
        finally:
            self.session.raw.use_unicode = True
        self.session.execute("SET character_set_results = utf8mb4")

    def _definitions(self) -> Iterator[Definition]:
        views: list[Definition] = []
        tables: list[Definition] = []
        programs: list[Definition] = []
        for database in self.databases:
            (_, statement, *_) = self._shown(f"SHOW CREATE DATABASE {quote(database)}")
            yield Definition("database", database, database, _bytes(statement))
            self.session.execute(f"USE {quote(database)}")
            default = _text(self.session.value("SELECT @@collation_database"))
            for name, kind in [(_text(name), _text(kind)) for name, kind in self.session.rows("SHOW FULL TABLES")]:
                if name == RESTORE_MARKER:
                    continue
                if kind == "VIEW":
                    views.append(self._view(database, name))
                elif kind == "SEQUENCE":
                    yield self._sequence(database, name)
                else:
                    (_, statement, *_) = self._shown(f"SHOW CREATE TABLE {quote(name)}")
                    tables.append(Definition("table", database, name, _bytes(statement)))
            programs += [
                replace(each, context=replace(each.context, default_collation=default))
                for each in (*self._routines(database), *self._triggers(database), *self._events(database))
            ]
        yield from tables
        yield from (program for program in programs if program.kind not in {"trigger", "event"})
        yield from in_dependency_order([view for view in views if view.kind == "view"])
        yield from (program for program in programs if program.kind in {"trigger", "event"})
        yield from in_dependency_order([view for view in views if view.kind == INVALID_VIEW])

    def _shown(self, sql: str) -> tuple[Any, ...]:
        """What the server has just named. Raises DefinitionChangedError where it is not there any more."""
        try:
            row = self.session.row(sql)
        except UnknownDatabaseError as error:
            message = f"{error.what} ({sql}): it was dropped or renamed while it was read"
            raise DefinitionChangedError(message, _AGAIN) from error
        if row is None:
            message = f"{self.session.endpoint.where}: {sql} answered nothing"
            raise DefinitionChangedError(message, f"it was dropped meanwhile, or the user may not see it; {_AGAIN}")
        return row

    def _view(self, database: str, name: str) -> Definition:
        # with the database in use, the server leaves its name out: the view can then be restored under another name
        _, statement, client, collation = self._shown(f"SHOW CREATE VIEW {quote(name)}")
        invalid = any(number == _VIEW_INVALID for _, number, _ in self.session.warnings())
        context = Context(None, _text(client), _text(collation))
        return Definition(INVALID_VIEW if invalid else "view", database, name, _bytes(statement), context)

    def _sequence(self, database: str, name: str) -> Definition:
        (_, statement, *_) = self._shown(f"SHOW CREATE SEQUENCE {quote(name)}")
        return Definition("sequence", database, name, _bytes(statement)).standing(self._counter(database, name))

    def _counter(self, database: str, name: str) -> SequenceCounter:
        values = self._shown(f"SELECT next_not_cached_value, cycle_count, increment FROM {qualified(database, name)}")
        following, cycle, increment = (int(value) for value in values)  # 0 means auto_increment_increment
        return SequenceCounter(database=database, name=name, following=following, cycle=cycle, down=increment < 0)

    def counters(self, definitions: Sequence[Definition]) -> dict[tuple[str, str], SequenceCounter]:
        """Where each sequence stands now, by its identity.

        Counters only go forward: those that are read after a snapshot are ahead of every row in it. Raises
        DefinitionChangedError where one is no longer there.
        """
        found = (self._counter(each.database, each.name) for each in definitions if each.kind == "sequence")
        return {counter.identity: counter for counter in found}

    def counted_by_sequences(self) -> list[CountedColumn]:
        """Every column whose default is the next value of a sequence, and nothing more than that."""
        if not self.facts.has_sequences:
            return []
        return [
            CountedColumn(database, table, column, (_unquoted(found["database"]), _unquoted(found["name"])))
            for database in self.databases
            for table, column, default in self._described(
                database,
                "TABLE_NAME, COLUMN_NAME, COLUMN_DEFAULT",
                f"COLUMNS AND COLUMN_DEFAULT LIKE 'nextval(%' AND DATA_TYPE IN ({_WHOLE_NUMBERS}) "
                "ORDER BY TABLE_NAME, ORDINAL_POSITION",
            )
            if (found := _NEXT_VALUE.fullmatch(str(default)))
        ]

    def _routines(self, database: str) -> Iterator[Definition]:
        kinds = ["PROCEDURE", "FUNCTION"] + (["PACKAGE", "PACKAGE BODY"] if self.facts.has_packages else [])
        for kind in kinds:
            for name in self._named(f"SHOW {kind} STATUS WHERE Db = {literal(database)}", database):
                _, mode, statement, client, collation, database_collation = self._shown(
                    f"SHOW CREATE {kind} {quote(name)}",
                )
                if statement is None:
                    message = f"{self.session.endpoint.where}: {kind.lower()} {database}.{name}: its body is not shown"
                    raise ServerError(message, "chom check names the GRANT for others' routines")
                context = Context(_text(mode), _text(client), _text(collation), _text(database_collation))
                body = in_one_charset(_bytes(statement), _text(client), [name])
                yield Definition(kind.lower(), database, name, body, context)

    def _named(self, sql: str, database: str) -> list[str]:
        """The second column of those rows whose first is exactly this database."""
        return [_text(row[1]) for row in self.session.rows(sql) if _text(row[0]) == database]

    def _triggers(self, database: str) -> Iterator[Definition]:
        # in the order in which those of one table, time and event fire
        for where, *names in self.session.rows(
            "SELECT TRIGGER_SCHEMA, TRIGGER_NAME, EVENT_OBJECT_TABLE FROM information_schema.TRIGGERS "
            f"WHERE TRIGGER_SCHEMA = {literal(database)} "
            "ORDER BY EVENT_OBJECT_TABLE, ACTION_TIMING, EVENT_MANIPULATION, ACTION_ORDER",
        ):
            if _text(where) != database:
                continue
            name, table = map(_text, names)
            _, mode, statement, client, collation, database_collation, *_ = self._shown(
                f"SHOW CREATE TRIGGER {quote(name)}",
            )
            context = Context(_text(mode), _text(client), _text(collation), _text(database_collation))
            body = in_one_charset(_bytes(statement), _text(client), [name, table])
            yield Definition("trigger", database, name, body, context, parent=table)

    def _events(self, database: str) -> Iterator[Definition]:
        for name in self._named(f"SHOW EVENTS WHERE Db = {literal(database)}", database):
            _, mode, zone, statement, client, collation, database_collation = self._shown(
                f"SHOW CREATE EVENT {quote(name)}",
            )
            context = Context(_text(mode), _text(client), _text(collation), _text(database_collation), _text(zone))
            body = in_one_charset(_bytes(statement), _text(client), [name])
            yield Definition("event", database, name, body, context)


def _bytes(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else value.encode()


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _unquoted(name: str) -> str:
    return name.replace("``", "`")
