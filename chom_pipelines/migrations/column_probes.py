"""What a change of a column asks of the rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from chom_pipelines.migrations.conversions import VALUE, Offending, conversion, same_order
from chom_pipelines.migrations.probes import SHOWN, Probe, counted
from chom_pipelines.migrations.production import Production
from chom_pipelines.migrations.replay import Step
from chom_pipelines.migrations.rows_then import RowsThen, is_given_anew
from chom_pipelines.migrations.shapes import Column, Table
from chom_pipelines.server.identifiers import qualified, quote

_TWO_PHASES = "stop using it, deploy that, and drop it with the next deploy; `chom backup` first"
_GONE = "they are gone, and the code that runs until the deploy is through uses them"
_HALF_WAY = "the statement fails, and the deploy stops half-way"
_DATES = {"date", "datetime", "timestamp"}
_SHAPES = {
    *("geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon"),
    *("geometrycollection", "geomcollection"),
}


@dataclass(frozen=True)
class ColumnProbes:
    """What one statement asks of the rows of one table, whose rows are then as `rows` has them."""

    step: Step
    before: Table
    after: Table
    rows: RowsThen
    production: Production

    def all(self) -> Iterator[Probe]:
        """Of columns that are dropped, added, converted, or become NOT NULL."""
        renamed = {old: new for new, old in self.step.renamed.items()}
        for name, column in self.before.columns.items():
            new = self.after.columns.get(renamed.get(name, name))
            if new is None or is_given_anew(self.step, name):
                yield from self._dropped(column)
            elif new.generated and not column.generated:
                yield from self._dropped(column, "becomes computed, and has values of its own")
            else:
                yield from self._changed(column, new)
        for name, column in self.after.columns.items():
            is_there = self.step.renamed.get(name, name) in self.before.columns
            if not is_there or is_given_anew(self.step, name):
                yield from self._added(column)

    def _label(self, name: str) -> str:
        return f"{self.rows.live.label}.{name}"

    def _dropped(self, column: Column, how: str = "is dropped, and has values") -> Iterator[Probe]:
        if column.generated or column.name not in self.rows.live.columns:
            return  # a new one of this deploy has nothing that anybody has written
        source, label = self.rows.source([column.name]), self._label(column.name)
        yield Probe(
            "DS03",
            counted(f"{source.sql} r WHERE {quote(column.name)} IS NOT NULL"),
            f"{label} {how} in at least {{found}} rows",
            _GONE,
            _TWO_PHASES,
            label,
            self.step,
            harmless=f"{label} {how.partition(',')[0]}, and is NULL in every row",
            unaskable=source.doubt,
            only_where=self.rows.live,
        )

    def _changed(self, old: Column, new: Column) -> Iterator[Probe]:
        source, label, name = self.rows.source([old.name]), self._label(old.name), quote(old.name)
        if old.nullable and not new.nullable:
            table = qualified(*self.rows.live.name)
            yield self._asked(
                "DD02",
                counted(f"{source.sql} r WHERE {name} IS NULL"),
                f"{label} becomes NOT NULL, and is NULL in at least {{found}} rows",
                f"UPDATE {table} SET {name} = ... WHERE {name} IS NULL LIMIT 1000; until no row is left",
                label,
                doubt=source.doubt,
            )
        if new.counts and not old.counts:
            sql = f"SELECT {source.key}, {name} FROM {source.sql} r WHERE {name} = 0 OR {name} IS NULL LIMIT {SHOWN}"
            what = f"{label} becomes AUTO_INCREMENT, which gives other numbers to the rows that have 0: {{found}}"
            yield self._asked("DD04", sql, what, "give them numbers of their own first", label, doubt=source.doubt)
        if new.generated:
            return
        found = conversion(old, new)
        if found is None:
            yield self._unasked(label, f"whether each value of {old.type} is one of {new.type} was not asked")
            return
        for each in found.offending:
            yield self._offending(old, new, each)
        if old.collation and new.collation and not same_order(old, new) and _is_unique(self.after, new.name):
            yield self._unasked(label, f"whether values are alike by {new.collation} was not asked", "DD01")
        elif not found.kept and _is_unique(self.after, new.name):
            yield self._unasked(label, f"whether values are alike as {new.type} was not asked", "DD01")

    def _offending(self, old: Column, new: Column, found: Offending) -> Probe:
        name, label, source = quote(old.name), self._label(old.name), self.rows.source([old.name])
        sql = (
            f"SELECT {source.key}, {found.shown.replace(VALUE, name)} FROM {source.sql} r"
            f" WHERE {found.condition.replace(VALUE, name)} LIMIT {SHOWN}"
        )
        what = f"{label} becomes {new.type}, and {found.what}: {{found}}"
        return Probe(
            found.code,
            sql,
            what,
            "the statement fails, or the values are cut",
            "shorten or correct these rows first",
            label,
            self.step,
            unaskable=source.doubt,
            only_where=self.rows.live,
        )

    def _added(self, column: Column) -> Iterator[Probe]:
        label = self._label(column.name)
        if "STORED" in column.extra.upper() and column.generated:
            yield self._unasked(label, f"whether what it is computed from gives a {column.type} in every row")
        if column.nullable or column.default is not None or column.generated or column.counts:
            return
        if column.base_type in _SHAPES:
            yield self._unasked(label, f"what the rows get in a new {column.type} that is NOT NULL")
        elif column.base_type in _DATES and not self.production.facts.is_mariadb:
            yield self._asked(
                "DD03",
                f"SELECT '0000-00-00' FROM {qualified(*self.rows.live.name)} LIMIT 1",
                f"{label} is NOT NULL and has no default, so that rows would get a date that is none: {{found}}",
                "add it nullable, fill it in batches, and make it NOT NULL with the next deploy",
                label,
                doubt="",
            )

    def _asked(self, code: str, sql: str, what: str, remedy: str, label: str, *, doubt: str) -> Probe:
        return Probe(code, sql, what, _HALF_WAY, remedy, label, self.step, unaskable=doubt, only_where=self.rows.live)

    def _unasked(self, label: str, why: str, code: str = "DD04") -> Probe:
        return Probe(code, "", "", "", "", label, self.step, unaskable=why, only_where=self.rows.live)


def _is_unique(table: Table, name: str) -> bool:
    return any(index.unique and name in index.names for index in table.indexes.values())
