"""Which indexes something rests on, so that a server would refuse to drop them, or lose more than speed. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from chom_pipelines.server.connection import Row

TableKey = tuple[str, str]
Columns = tuple[str, ...]


@dataclass(frozen=True)
class Shape:
    """An index as a key sees it: `columns` up to the first that is a prefix or an expression."""

    name: str
    is_unique: bool
    columns: Columns


def keys_of(rows: Iterable[Row], counters: Iterable[Row]) -> Mapping[TableKey, Sequence[Columns]]:
    """The columns that need an index, by table: of foreign keys on either side, and of AUTO_INCREMENT.

    `rows` are those of key_column_usage: the database, table, name and column of a key, then what it leads to.
    """
    grouped: dict[tuple[str, str, str], list[Row]] = defaultdict(list)
    for row in rows:
        grouped[row[0], row[1], row[2]].append(row)
    found: dict[TableKey, list[Columns]] = defaultdict(list)
    for (database, table, _), parts in grouped.items():
        found[database, table].append(tuple(str(part[3]).casefold() for part in parts))
        found[str(parts[0][4]), str(parts[0][5])].append(tuple(str(part[6]).casefold() for part in parts))
    for database, table, column in counters:
        found[database, table].append((str(column).casefold(),))
    return found


def needed(shapes: Iterable[Shape], keys: Iterable[Columns]) -> frozenset[str]:
    """Names of a table's indexes that are unique, or that a key rests on.

    Of several that a key could rest on all are needed: which one the server took is not told, and without all of them
    there is none. Where a unique one is among them, that stays, and the others are not needed for it.
    """
    shapes = tuple(shapes)
    names = {shape.name for shape in shapes if shape.is_unique}
    for columns in keys:
        fit = [shape for shape in shapes if frozenset(shape.columns[: len(columns)]) == frozenset(columns)]
        if not any(shape.is_unique for shape in fit):
            names.update(shape.name for shape in fit)
    return frozenset(names)
