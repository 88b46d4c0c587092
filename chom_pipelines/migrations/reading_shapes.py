"""The structure of a server's tables, from information_schema."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from chom_pipelines.migrations.shapes import Column, ForeignKey, Index, Shape, Table, TableName
from chom_pipelines.server.connection import Session
from chom_pipelines.server.facts import ServerFacts

_COLUMNS = (
    "SELECT table_schema, table_name, column_name, column_type, is_nullable, column_default, extra, collation_name,"
    " ordinal_position FROM information_schema.columns WHERE {where}"
    " ORDER BY table_schema, table_name, ordinal_position"
)
_KEYS = (
    "SELECT k.constraint_schema, k.table_name, k.constraint_name, k.column_name, k.referenced_table_schema,"
    " k.referenced_table_name, k.referenced_column_name FROM information_schema.key_column_usage k"
    " WHERE {where} AND k.referenced_table_name IS NOT NULL ORDER BY k.constraint_name, k.ordinal_position"
)


def read_shape(session: Session, facts: ServerFacts, databases: Sequence[str]) -> Shape:
    """Of these databases, as far as there are any of them, every base table."""
    return _Reader(session, facts).shape(databases)


def table_number(session: Session, facts: ServerFacts, table: TableName) -> int | None:
    """InnoDB's own number of one table, which changes when its rows are copied; None where it has none."""
    found = session.value(
        f"SELECT table_id FROM information_schema.{_numbers_view(facts)} WHERE name = %s",
        ["/".join(_file_name(each) for each in table)],
    )
    return int(found) if found is not None else None


def _numbers_view(facts: ServerFacts) -> str:
    return "INNODB_SYS_TABLES" if facts.is_mariadb else "INNODB_TABLES"


class _Reader:
    def __init__(self, session: Session, facts: ServerFacts) -> None:
        self.session, self.facts = session, facts

    def shape(self, databases: Sequence[str]) -> Shape:
        if not databases:
            return Shape({})
        marks = ", ".join(["%s"] * len(databases))
        where = f"table_schema IN ({marks})"
        there = self.session.rows(
            f"SELECT schema_name FROM information_schema.schemata WHERE schema_name IN ({marks})", databases
        )
        tables = self.session.rows(
            "SELECT table_schema, table_name, engine, table_collation FROM information_schema.tables"
            f" WHERE {where} AND table_type IN ('BASE TABLE', 'SYSTEM VERSIONED')",
            databases,
        )
        columns = _grouped(self.session.rows(_COLUMNS.format(where=where), databases))
        indexes = _grouped(self.session.rows(self._index_query(where), databases))
        keys = _grouped(self.session.rows(_KEYS.format(where=f"k.{where}"), databases))
        rules = {
            (row[0], row[1], row[2]): str(row[3])
            for row in self.session.rows(
                "SELECT constraint_schema, table_name, constraint_name, delete_rule"
                f" FROM information_schema.referential_constraints WHERE constraint_schema IN ({marks})",
                databases,
            )
        }
        checks = _grouped(self.session.rows(self._check_query(marks), databases))
        numbers = self._numbers(databases)
        found = {
            (database, name): Table(
                (database, name),
                engine or "",
                collation or "",
                numbers.get((database, name)),
                {row[2]: self._column(row) for row in columns[database, name]},
                _indexes(indexes[database, name]),
                _foreign_keys(keys[database, name], rules),
                {row[2]: row[3] for row in checks[database, name]},
            )
            for database, name, engine, collation in tables
        }
        return Shape(found, frozenset(row[0] for row in there))

    def _column(self, row: tuple[Any, ...]) -> Column:
        found = _column(row)
        # MariaDB shows an expression: NULL is none, and the text NULL stands in quotes
        return replace(found, default=None) if self.facts.is_mariadb and found.default == "NULL" else found

    def _index_query(self, where: str) -> str:
        hidden = "ignored" if self.facts.is_mariadb else "is_visible"
        shown = "NO" if self.facts.is_mariadb else "YES"
        expression = "NULL" if self.facts.is_mariadb else "expression"
        return (
            "SELECT table_schema, table_name, index_name, column_name, sub_part, non_unique, index_type,"
            f" {hidden} = '{shown}', {expression} FROM information_schema.statistics WHERE {where}"
            " ORDER BY table_schema, table_name, index_name, seq_in_index"
        )

    def _check_query(self, marks: str) -> str:
        if self.facts.is_mariadb:
            return (
                "SELECT constraint_schema, table_name, constraint_name, check_clause FROM"
                f" information_schema.check_constraints WHERE constraint_schema IN ({marks})"
            )
        return (
            "SELECT c.constraint_schema, t.table_name, c.constraint_name, c.check_clause FROM"
            " information_schema.check_constraints c JOIN information_schema.table_constraints t USING"
            " (constraint_schema, constraint_name) WHERE t.constraint_type = 'CHECK'"
            f" AND c.constraint_schema IN ({marks})"
        )

    def _numbers(self, databases: Iterable[str]) -> dict[TableName, int]:
        """InnoDB's own numbers of tables; none where the account may not ask (PROCESS)."""
        view = _numbers_view(self.facts)
        wanted = {_file_name(each): each for each in databases}
        found: dict[TableName, int] = {}
        for name, number in self.session.rows(f"SELECT name, table_id FROM information_schema.{view}"):
            database, _, table = str(name).partition("/")
            if database in wanted and "#" not in table:  # parts of partitioned tables are called t#P#p0
                found[wanted[database], _decoded(table)] = int(number)
        return found


def _grouped(rows: Iterable[tuple[Any, ...]]) -> dict[TableName, list[tuple[Any, ...]]]:
    found: dict[TableName, list[tuple[Any, ...]]] = defaultdict(list)
    for row in rows:
        found[row[0], row[1]].append(row)
    return found


def _column(row: tuple[Any, ...]) -> Column:
    _, _, name, kind, nullable, default, extra, collation, position = row
    text = kind.decode() if isinstance(kind, bytes) else str(kind)
    return Column(name, text, nullable == "YES", default, extra or "", collation, int(position))


def _indexes(rows: list[tuple[Any, ...]]) -> dict[str, Index]:
    parts: dict[str, list[str]] = defaultdict(list)
    found: dict[str, Index] = {}
    for _, _, name, column, length, other, kind, visible, expression in rows:
        parts[name].append(f"({expression})" if column is None else f"{column}:{length}" if length else column)
        found[name] = Index(name, tuple(parts[name]), not other, kind, bool(visible))
    return found


def _foreign_keys(rows: list[tuple[Any, ...]], rules: Mapping[tuple[str, str, str], str]) -> dict[str, ForeignKey]:
    columns: dict[str, list[tuple[str, str]]] = defaultdict(list)
    found: dict[str, ForeignKey] = {}
    for schema, child, name, column, database, table, parent_column in rows:
        columns[name].append((column, parent_column))
        mine, theirs = zip(*columns[name], strict=True)
        found[name] = ForeignKey(name, mine, (database, table), theirs, rules.get((schema, child, name), ""))
    return found


def _file_name(name: str) -> str:
    """As InnoDB has it: what is no letter, digit or underscore is @ and its code."""
    return "".join(each if each.isascii() and (each.isalnum() or each == "_") else f"@{ord(each):04x}" for each in name)


def _decoded(name: str) -> str:
    return re.sub(r"@([0-9a-f]{4})", lambda found: chr(int(found[1], 16)), name)
