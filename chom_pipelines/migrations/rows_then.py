"""The rows that a statement will meet, in terms of the rows of now: new columns, and those of another name. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from chom_pipelines.migrations.conversions import conversion, same_order
from chom_pipelines.migrations.replay import Step
from chom_pipelines.migrations.shapes import Column, Table
from chom_pipelines.server.identifiers import literal, qualified, quote

NULL = "NULL"
_ZERO = {"decimal", "float", "double", "bit", "year"}
_EMPTY = {"char", "varchar", "tinytext", "text", "mediumtext", "longtext", "set"}
_PLAIN_NUMBERS = {"decimal", "float", "double"}


@dataclass(frozen=True)
class Source:
    """What stands behind FROM, for some columns; `doubt` is why their values are not known, "" where they are."""

    sql: str
    key: str
    """The columns that tell a row, to be shown."""
    values: Mapping[str, str]
    doubt: str = ""

    @property
    def has_null(self) -> bool:
        """Whether one of them is NULL in every row."""
        return NULL in self.values.values()

    @property
    def is_constant(self) -> bool:
        """Whether all of them are the same in every row."""
        return not any("`" in each or "(" in each for each in self.values.values())


@dataclass(frozen=True)
class RowsThen:
    """Of a table of production, before a statement: each column as SQL of now's columns, or why it is not known."""

    live: Table
    values: Mapping[str, str]
    doubts: Mapping[str, str]

    @classmethod
    def now(cls, live: Table) -> RowsThen:
        """Before all of them."""
        return cls(live, {name: quote(name) for name in live.columns}, {})

    def after(self, step: Step, before: Table, after: Table, *, is_mariadb: bool) -> RowsThen:
        """Once the statement has been run."""
        values: dict[str, str] = {}
        doubts: dict[str, str] = {}
        for name, column in after.columns.items():
            former = step.renamed.get(name, name)
            old = before.columns.get(former)
            if old is None or is_given_anew(step, name):
                found = given(column, is_mariadb=is_mariadb)
            elif old.essence == column.essence or _keeps(old, column):
                found = self.values.get(former)
            else:
                found = None
            if found is None:
                doubts[name] = self.doubts.get(former) or f"the values of {name} become others by a statement before"
            else:
                values[name] = found
        return RowsThen(self.live, values, doubts)

    def source(self, names: Iterable[str]) -> Source:
        """For questions that name these columns, as they are called then."""
        wanted = {name: self.values.get(name, NULL) for name in names}
        doubt = next((why for name, why in self.doubts.items() if name in wanted), "")
        primary = self.live.indexes.get("PRIMARY")
        key = [name for name in primary.names if name in self.live.columns] if primary else []
        if all(value == quote(name) for name, value in wanted.items()):
            sql = qualified(*self.live.name)
        else:
            key = [name for name in key if wanted.get(name, quote(name)) == quote(name)]
            listed = {**{name: quote(name) for name in key}, **wanted}
            columns = ", ".join(f"{value} AS {quote(name)}" for name, value in listed.items())
            sql = f"(SELECT {columns} FROM {qualified(*self.live.name)})"
        return Source(sql, ", ".join(map(quote, key)) or "'row'", wanted, doubt)


def is_given_anew(step: Step, name: str) -> bool:
    """Whether a column of that name is dropped and added by the same statement."""
    return name not in step.renamed and name.lower() in step.statement.clauses.dropped_columns


def given(column: Column, *, is_mariadb: bool) -> str | None:
    """What rows that are there get in a new column, as SQL; None where that is not known."""
    if column.generated or column.counts:
        return None
    default = column.default
    if default is None:
        return NULL if column.nullable else _implicit(column)
    if is_mariadb:
        return default  # which is SQL there
    if "DEFAULT_GENERATED" in column.extra.upper():
        return "(" + default.replace("\\'", "'") + ")"
    if column.base_type == "bit":
        return default
    return default if column.integers or column.base_type in _PLAIN_NUMBERS else literal(default)


def _implicit(column: Column) -> str | None:
    if column.integers or column.base_type in _ZERO:
        return "0"
    if column.base_type == "enum":
        return literal(column.members[0])
    return "''" if column.base_type in _EMPTY else None


def _keeps(old: Column, new: Column) -> bool:
    found = conversion(old, new)
    return found is not None and found.kept and same_order(old, new) and old.generated == new.generated
