"""Cutting a table into key ranges that are dumped in parallel, of about the same size.

The boundaries are written into the manifest: a proof dumps the restored copy by the same ones and compares.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

from chom_pipelines.logical.tables import TableInfo
from chom_pipelines.server.connection import Session
from chom_pipelines.server.identifiers import qualified, quote

RANGE_BYTES = 64 << 20
"""Bytes of a range, by the engine's estimate of the table's size."""

_INTEGERS = frozenset({"tinyint", "smallint", "mediumint", "int", "bigint"})
_TEXTS = frozenset({"char", "varchar"})
_BYTES = frozenset({"binary", "varbinary"})
_PLAIN = frozenset({"date", "datetime", "timestamp", "decimal"})


@dataclass(frozen=True)
class Range:
    """lower <= key < upper, as SQL literals; None is an open end."""

    lower: str | None = None
    upper: str | None = None

    def condition(self, key: str | None) -> str:
        """The WHERE clause, empty for the whole table."""
        if key is None:
            return ""
        bounds = [f"{quote(key)} >= {self.lower}"] if self.lower is not None else []
        bounds += [f"{quote(key)} < {self.upper}"] if self.upper is not None else []
        return f" WHERE {' AND '.join(bounds)}" if bounds else ""


def range_key(table: TableInfo) -> str | None:
    """The column that ranges cut: the first of the primary key, where its order is that of its literals."""
    kinds = {column.name: column.data_type for column in table.columns}
    if not table.key or table.versioned or not {column.name for column in table.key} <= set(kinds):
        return None
    first = table.key[0].name
    return first if kinds[first] in _INTEGERS | _TEXTS | _BYTES | _PLAIN else None


def cut(session: Session, table: TableInfo, range_bytes: int = RANGE_BYTES) -> list[Range]:
    """Ranges of about `range_bytes` each that together hold every row exactly once; none where rows are others'."""
    if table.borrows:
        return []
    key = range_key(table)
    wanted = math.ceil(table.bytes / range_bytes)
    if key is None or wanted < 2:  # noqa: PLR2004  (one range is no cut)
        return [Range()]
    kind = next(column.data_type for column in table.columns if column.name == key)
    bounds = _even(session, table, key, wanted) if kind in _INTEGERS else _walked(session, table, key, kind, wanted)
    edges = [None, *bounds, None]
    return [Range(lower, upper) for lower, upper in itertools.pairwise(edges)]


def even_bounds(least: int, greatest: int, wanted: int) -> list[int]:
    """The inner bounds of `wanted` ranges of equal width, fewer where there are not as many values."""
    span = greatest - least + 1
    return sorted({least + span * number // wanted for number in range(1, wanted)} - {least})


def _even(session: Session, table: TableInfo, key: str, wanted: int) -> list[str]:
    row = session.row(f"SELECT MIN({quote(key)}), MAX({quote(key)}) FROM {qualified(table.database, table.name)}")
    if row is None or row[0] is None:
        return []
    return [str(bound) for bound in even_bounds(int(row[0]), int(row[1]), wanted)]


def _walked(session: Session, table: TableInfo, key: str, kind: str, wanted: int) -> list[str]:
    """Every n-th key: reads the index once, sends one value a range."""
    column, source = quote(key), qualified(table.database, table.name)
    step = max(1, table.rows // wanted)
    bounds: list[str] = []
    while True:
        after = f"WHERE {column} > {bounds[-1]}" if bounds else ""
        value = session.value(
            f"SELECT HEX({column}) FROM {source} FORCE INDEX (PRIMARY) {after} ORDER BY {column} LIMIT 1 OFFSET {step}"
            if kind in _TEXTS | _BYTES
            else f"SELECT CAST({column} AS CHAR) FROM {source} FORCE INDEX (PRIMARY) {after} "
            f"ORDER BY {column} LIMIT 1 OFFSET {step}",
        )
        if value is None:
            return bounds
        bounds.append(_literal(session, table, key, kind, str(value)))


def _literal(session: Session, table: TableInfo, key: str, kind: str, value: str) -> str:
    if kind in _BYTES:
        return f"X'{value}'"
    if kind in _TEXTS:
        charset, collation = session.row(
            "SELECT CHARACTER_SET_NAME, COLLATION_NAME FROM information_schema.COLUMNS "
            "WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s AND COLUMN_NAME = %s",
            (table.database, table.name, key),
        ) or ("", "")
        return f"_{charset} X'{value}' COLLATE {collation}"
    return f"'{value}'" if kind != "decimal" else value
