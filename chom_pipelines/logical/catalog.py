"""What tables a server's databases have, with their columns, keys and sizes."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from chom_pipelines.errors import ServerError, UnknownDatabaseError
from chom_pipelines.logical.rendering import Column
from chom_pipelines.logical.tables import RESTORE_MARKER, KeyColumn, TableInfo
from chom_pipelines.server.connection import Row, Session
from chom_pipelines.server.facts import ServerFacts
from chom_pipelines.server.identifiers import literal, qualified, quote
from chom_pipelines.server.questions import databases_there, tell_current_sizes

_BORROWING = frozenset({"mrg_myisam", "federated", "spider"})
_NEXT_VALUE = re.compile(r"nextval\(`(?P<database>(?:[^`]|``)+)`\.`(?P<name>(?:[^`]|``)+)`\)")
_WHOLE_NUMBERS = "'tinyint', 'smallint', 'mediumint', 'int', 'bigint'"


@dataclass(frozen=True)
class CountedColumn:
    """A column of whole numbers that a sequence, perhaps of another database, gives its values."""

    database: str
    table: str
    column: str
    sequence: tuple[str, str]
    """Its database and name."""


class Catalog:
    """Reads through one session."""

    def __init__(self, session: Session, facts: ServerFacts, databases: Sequence[str] | None) -> None:
        self.session = session
        self.facts = facts
        tell_current_sizes(session, facts)
        self.databases = self._databases(databases)

    def _databases(self, wanted: Sequence[str] | None) -> tuple[str, ...]:
        own = databases_there(self.session)
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


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _unquoted(name: str) -> str:
    return name.replace("``", "`")
