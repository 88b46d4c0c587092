"""The queries that read a table, from the cheapest rendering to the one that always works. Pure; data for a worker."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from chom_pipelines.logical.losses import as_restored, losses_query, may_lose, whole_query
from chom_pipelines.logical.ranges import Range, range_key
from chom_pipelines.logical.rendering import (
    EMPTY,
    Column,
    Escape,
    cheapest_escape,
    content_digest,
    may_exceed,
    row_expression,
)
from chom_pipelines.logical.tables import TableInfo
from chom_pipelines.server.identifiers import qualified, quote

_WIDE_ROW = 8 << 10
"""Bytes of an average row from which fields are escaped by the client at once: bulk bytes, few rows."""


@dataclass(frozen=True)
class Attempt:
    """A query whose rows the server renders, and what the reader counts to prove the rendering."""

    sql: str
    tabs_a_row: int
    counts_separators: bool
    counts_backslashes: bool


@dataclass(frozen=True)
class Reading:
    """How to read one range: the attempts in their order, then the columns one by one."""

    attempts: tuple[Attempt, ...]
    separate: str
    escaped: tuple[bool, ...]

    def to_json(self) -> dict[str, Any]:
        """As plain JSON types."""
        return asdict(self)

    @classmethod
    def from_json(cls, body: dict[str, Any]) -> Reading:
        """The reverse of to_json."""
        attempts = tuple(Attempt(**attempt) for attempt in body["attempts"])
        return cls(attempts, body["separate"], tuple(body["escaped"]))


@dataclass(frozen=True)
class LossReading:
    """How to find what text cannot carry of a range.

    Whether whole documents are such values; then, by column, how many rows lose what; and how a copy will read.
    """

    columns: tuple[str, ...]
    whole: str
    counts: str
    restored: Reading

    def to_json(self) -> dict[str, Any]:
        """As plain JSON types."""
        return asdict(self)

    @classmethod
    def from_json(cls, body: dict[str, Any]) -> LossReading:
        """The reverse of to_json."""
        return cls(tuple(body["columns"]), body["whole"], body["counts"], Reading.from_json(body["restored"]))


def loss_reading(table: TableInfo, part: Range, packet: int) -> LossReading | None:
    """The queries for what is lost of one range of a table; None where nothing can be."""
    columns = may_lose(table.columns)
    if not columns:
        return None
    source = _scanned(table, part)
    restored = _reading(table, part, packet, as_restored(table.columns))
    return LossReading(columns, whole_query(columns, source), losses_query(columns, source), restored)


def reading(table: TableInfo, part: Range, packet: int) -> Reading:
    """The queries for one range of a table; `packet` is the server's max_allowed_packet, bytes."""
    return _reading(table, part, packet, table.columns)


def _reading(table: TableInfo, part: Range, packet: int, columns: tuple[Column, ...]) -> Reading:
    source = _source(table, part)
    overflow = may_exceed(columns, packet)
    wide = overflow and table.rows > 0 and table.bytes / table.rows > _WIDE_ROW
    escapes = [] if wide else list(dict.fromkeys([cheapest_escape(columns), Escape.FULL]))
    return Reading(
        attempts=tuple(
            Attempt(
                sql=f"SELECT {row_expression(columns, escape, overflow=overflow)} FROM {source}",
                tabs_a_row=max(0, len(columns) - 1),
                counts_separators=escape is not Escape.FULL,
                counts_backslashes=escape is Escape.NONE and not any(column.nullable for column in columns),
            )
            for escape in escapes
        ),
        separate=f"SELECT {', '.join(column.bare for column in columns) or EMPTY} FROM {source}",
        escaped=tuple(not column.never_escaped for column in columns) or (False,),
    )


def _source(table: TableInfo, part: Range) -> str:
    """FROM's operand, read in the order of the clustered index, which a restored copy has as well.

    Without the hints the optimiser may scan a smaller index in another order, or sort.
    """
    scanned = _scanned(table, part)
    if not table.key:
        return scanned + ("" if table.keeps_order else f" ORDER BY {content_digest(table.columns)}")
    order = ", ".join(quote(column.name) + (" DESC" if column.descending else "") for column in table.key)
    return f"{scanned} ORDER BY {order}"


def _scanned(table: TableInfo, part: Range) -> str:
    history = " FOR SYSTEM_TIME ALL" if table.versioned else ""
    name = qualified(table.database, table.name) + history
    if not table.key:
        return f"{name} USE INDEX ()"
    return f"{name} FORCE INDEX (PRIMARY){part.condition(range_key(table))}"
