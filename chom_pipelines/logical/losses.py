"""What text cannot carry of MySQL's JSON: which values come back as others, and how they will look then. Pure.

A document that was made by SQL (`JSON_OBJECT('total', total)`) keeps the types of its values: DECIMAL, DATETIME, BLOB,
UNSIGNED INTEGER. Its text does not show them, and what is parsed from text has none of them: the value becomes a
DOUBLE, an INTEGER or a STRING. Verified on MySQL 9.7: of all these, only the text of a DECIMAL changes by it (12.50
becomes 12.5, and of more than 17 digits some are lost).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from chom_pipelines.logical.columns import Column
from chom_pipelines.repository.payloads import Loss
from chom_pipelines.server.identifiers import quote

_CARRIED = "'OBJECT', 'ARRAY', 'STRING', 'INTEGER', 'DOUBLE', 'BOOLEAN', 'NULL'"
_GREATEST_SIGNED = 9_223_372_036_854_775_807
"""A whole number beyond it is parsed as UNSIGNED INTEGER, as which it was dumped."""

_TEXT_CHANGES = "DECIMAL"


@dataclass(frozen=True)
class Losses:
    """What is lost of some rows, in order of column and type."""

    found: tuple[Loss, ...] = ()

    @classmethod
    def of(cls, column: str, rows: Iterable[Sequence[Any]]) -> Losses:
        """From what `losses_query` answers: types, joined by commas, and in how many rows these are."""
        counts: Counter[str] = Counter()
        for types, count in rows:
            for name in str(types).split(","):
                counts[name] += int(count)
        return cls(tuple(Loss(column=column, type=name, rows=counts[name]) for name in sorted(counts)))

    @property
    def change_text(self) -> bool:
        """The text of a restored copy is another."""
        return any(loss.type == _TEXT_CHANGES for loss in self.found)


def may_lose(columns: Iterable[Column]) -> tuple[str, ...]:
    """The columns that can hold what text cannot."""
    return tuple(column.name for column in columns if column.is_json)


def as_restored(columns: Iterable[Column]) -> tuple[Column, ...]:
    """The same columns, rendered as they will be in a restored copy."""
    return tuple(replace(column, as_restored=column.is_json) for column in columns)


def losses_query(column: str, source: str) -> str:
    """SQL that counts the rows by the types that they lose; `source` is FROM's operand with its conditions.

    The path reaches every value of a document: each is its own first element, unless it is an array.
    """
    lost = (
        f"SELECT GROUP_CONCAT(DISTINCT JSON_TYPE(v)) FROM JSON_TABLE({quote(column)}, '$**[0]' "
        f"COLUMNS (v JSON PATH '$')) AS found WHERE JSON_TYPE(v) NOT IN ({_CARRIED}) "
        f"AND NOT (JSON_TYPE(v) = 'UNSIGNED INTEGER' AND v > {_GREATEST_SIGNED})"
    )
    return (
        f"SELECT types, COUNT(*) FROM (SELECT ({lost}) AS types FROM {source}) AS counted "
        f"WHERE types IS NOT NULL GROUP BY types"
    )


def summed(parts: Iterable[Sequence[Loss]]) -> tuple[Loss, ...]:
    """The losses of a table, from those of its ranges."""
    counts: Counter[tuple[str, str]] = Counter()
    for losses in parts:
        for loss in losses:
            counts[loss.column, loss.type] += loss.rows
    return tuple(Loss(column=column, type=name, rows=rows) for (column, name), rows in sorted(counts.items()))
