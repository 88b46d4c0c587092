"""Indexes that another one of the same table makes superfluous; pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from chom_pipelines.monitoring.indexes import Index

PRIMARY = "PRIMARY"


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


def redundant(indexes: Iterable[Index]) -> Iterator[Redundant]:
    """Each superfluous index once, by database, table and name.

    A unique index is superfluous only where another unique one has the same columns in the same order: as a rule it
    allows less than a longer one. Of two alike, the primary key stays, else the unique one, else the first by name; of
    several that cover one, the shortest is named. Whether a foreign key rests on an index does not matter here: the one
    that stays serves it as well.
    """
    by_table: dict[tuple[str, str], list[Index]] = defaultdict(list)
    for index in indexes:
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
    return not index.is_unique and other.columns[: len(index.columns)] == index.columns


def _rank(index: Index) -> tuple[bool, bool, str]:
    return (index.name != PRIMARY, not index.is_unique, index.name)
