"""Indexes that another one of the same table makes superfluous; pure."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from chom_pipelines.monitoring.readers.indexes import Index

PRIMARY = "PRIMARY"
_PREFIX = re.compile(r"\(\d+\)$")


class Why(StrEnum):
    """Same columns, or the first of another index's columns."""

    DUPLICATE = "duplicate"
    PREFIX = "prefix"


@dataclass(frozen=True)
class Redundant:
    """An index, and the one that does all that it does."""

    index: Index
    by: Index
    why: Why


Place = tuple[str, str, str]
"""Of an index: database, table, name."""


def redundant(indexes: Iterable[Index], apart: Collection[Place] = ()) -> Iterator[Redundant]:
    """Each superfluous index once, by database, table and name. Those in `apart` are compared with nothing.

    A unique index is superfluous only where another unique one has the same columns in the same order: as a rule it
    allows less than a longer one. Of two alike, the primary key stays, else the unique one, else the one that is read
    more, else the first by name; of several that cover one, the shortest is named. Whether a foreign key rests on an
    index does not matter here: the one that stays serves it as well. An index on a column's first characters is covered
    by one on all of it.
    """
    by_table: dict[tuple[str, str], list[Index]] = defaultdict(list)
    for index in indexes:
        if (index.database, index.table, index.name) in apart:
            continue
        by_table[index.database, index.table].append(index)
    for _, several in sorted(by_table.items()):
        for index in sorted(several, key=lambda each: each.name):
            covering = [other for other in several if _covers(other, index)]
            if covering:
                best = min(covering, key=lambda other: (len(other.columns), _rank(other)))
                yield Redundant(index, best, Why.DUPLICATE if best.columns == index.columns else Why.PREFIX)


def _covers(other: Index, index: Index) -> bool:
    if other is index or not index.columns or index.name == PRIMARY:
        return False
    if other.columns == index.columns:
        if index.is_unique and not other.is_unique:
            return False
        return _rank(other) < _rank(index)
    if index.is_unique or len(index.columns) > len(other.columns):
        return False
    *before, last = index.columns
    same = list(other.columns[: len(before)]) == before
    return same and other.columns[len(before)] in {last, _PREFIX.sub("", last)}


def _rank(index: Index) -> tuple[bool, bool, int, str]:
    return (index.name != PRIMARY, not index.is_unique, -(index.reads or 0), index.name)
