"""What a new unique index, foreign key or check asks of the rows."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from chom_pipelines.migrations.probes import SHOWN, Probe
from chom_pipelines.migrations.production import Production
from chom_pipelines.migrations.replay import Step
from chom_pipelines.migrations.rows_then import RowsThen
from chom_pipelines.migrations.shapes import ForeignKey, Index, Table, TableName
from chom_pipelines.server.identifiers import qualified, quote

_HALF_WAY = "the statement fails, and the deploy stops half-way"
_QUOTED = re.compile(r"`((?:[^`]|``)+)`")


@dataclass(frozen=True)
class KeyProbes:
    """What one statement asks of the rows of one table, whose rows are as `rows` has them once it has run."""

    step: Step
    before: Table
    after: Table
    rows: RowsThen
    production: Production
    changed: Mapping[TableName, str]
    """Tables of which an earlier statement changes rows, and which it is."""

    def all(self) -> Iterator[Probe]:
        """Rows that are alike, that have no parent, or that a check refuses."""
        there = {each.columns for each in self.before.indexes.values() if each.unique}
        for index in self.after.indexes.values():
            before = tuple(_called(each, self.step.renamed) for each in index.columns)
            if index.unique and before not in there:
                yield from self._unique(index)
        keys = {(each.columns, each.parent, each.parent_columns) for each in self.before.foreign_keys.values()}
        for key in self.after.foreign_keys.values():
            columns = tuple(self.step.renamed.get(each, each) for each in key.columns)
            if (columns, key.parent, key.parent_columns) not in keys:
                yield from self._orphans(key)
        for name, clause in self.after.checks.items():
            if self.before.checks.get(name) != clause:
                yield self._refused(name, clause)

    def _unique(self, index: Index) -> Iterator[Probe]:
        label = f"{self.rows.live.label}.{index.name}"
        named = [each for part in index.columns for each in _columns_of(part)]
        new = self.after.columns.keys() - self.before.columns.keys() - self.step.renamed.keys()
        if any(self.after.columns[each].counts for each in named if each in new):
            return  # numbers are given to the rows, and are not alike
        source = self.rows.source(named)
        parts = zip(index.columns, index.names, strict=True)
        if source.has_null and all(_columns_of(part) == [name] for part, name in parts):
            return  # NULL in every row, and NULLs are not alike
        what, remedy = "rows are alike: {found}", "remove or change all but one row of each"
        if source.is_constant:
            sql = (
                f"SELECT COUNT(*) FROM (SELECT 1 FROM {qualified(*self.rows.live.name)} LIMIT 2) f HAVING COUNT(*) > 1"
            )
            what, remedy = "every row gets the same value", "add it nullable, fill it, and then add the index"
        else:
            asked = [_as_sql(each) for each in index.columns]
            there, listed = " AND ".join(f"{each} IS NOT NULL" for each in asked), ", ".join(asked)
            sql = (
                f"SELECT {listed}, COUNT(*) FROM {source.sql} r WHERE {there} GROUP BY {listed}"
                f" HAVING COUNT(*) > 1 LIMIT {SHOWN}"
            )
            remedy += f":\n{sql}"
        what = f"{label} is to be unique on {', '.join(index.names)}, and {what}"
        yield self._asked("DD01", sql, what, remedy, label, doubt=source.doubt)

    def _orphans(self, key: ForeignKey) -> Iterator[Probe]:
        source, label = self.rows.source(key.columns), f"{self.rows.live.label}.{key.name}"
        if source.has_null:
            return
        parent = self.production.shape.tables.get(key.parent)
        doubt = source.doubt
        if parent is not None and any(each not in parent.columns for each in key.parent_columns):
            doubt = f"{'.'.join(key.parent)} does not have these columns yet"
        child = ", ".join(f"c.{quote(each)}" for each in key.columns)
        filled = " AND ".join(f"c.{quote(each)} IS NOT NULL" for each in key.columns)
        pairs = zip(key.columns, key.parent_columns, strict=True)
        same = " AND ".join(f"p.{quote(theirs)} = c.{quote(ours)}" for ours, theirs in pairs)
        # a parent table that is not there yet has no rows
        none = f" AND NOT EXISTS (SELECT 1 FROM {qualified(*key.parent)} p WHERE {same})" if parent else ""
        most = 1 if source.is_constant else SHOWN
        sql = f"SELECT {child} FROM {source.sql} c WHERE {filled}{none} LIMIT {most}"
        columns = ", ".join(key.columns)
        yield self._asked(
            "FK04",
            sql,
            f"rows of {self.rows.live.label} have no parent in {'.'.join(key.parent)}: {columns} = {{found}}",
            "add the column nullable, and fill it with parents that are there"
            if source.is_constant
            else f"set them NULL, or delete them, after you have looked at them:\n{sql}",
            label,
            doubt=self.changed.get(key.parent, doubt),
        )

    def _refused(self, name: str, clause: str) -> Probe:
        source = self.rows.source(each for each in self.after.columns if f"`{each}`" in clause)
        text = clause.replace("\\'", "'")  # MySQL shows its quotes escaped
        sql = f"SELECT {source.key} FROM {source.sql} r WHERE NOT ({text}) LIMIT {SHOWN}"
        label = f"{self.rows.live.label}.{name}"
        what = f"rows of {self.rows.live.label} are not as the check {name} wants them: {{found}}"
        return self._asked("DD06", sql, what, f"correct them first:\n{sql}", label, doubt=source.doubt)

    def _asked(self, code: str, sql: str, what: str, remedy: str, label: str, *, doubt: str) -> Probe:
        return Probe(code, sql, what, _HALF_WAY, remedy, label, self.step, unaskable=doubt, only_where=self.rows.live)


def _called(part: str, renamed: Mapping[str, str]) -> str:
    """A column of an index, or the beginning of one, by its former name."""
    name, colon, length = part.partition(":")
    return f"{renamed.get(name, name)}{colon}{length}"


def _columns_of(part: str) -> list[str]:
    """The columns that a part of an index is made of: one, or those of an expression."""
    if part.startswith("("):
        return [each.replace("``", "`") for each in _QUOTED.findall(part)]
    return [part.partition(":")[0]]


def _as_sql(part: str) -> str:
    if part.startswith("("):
        return part.replace("\\'", "'")
    name, _, length = part.partition(":")
    return f"LEFT({quote(name)}, {length})" if length else quote(name)
