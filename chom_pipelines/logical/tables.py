"""A base table, as the catalog finds it and everybody reads it. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from chom_pipelines.logical.rendering import Column

RESTORE_MARKER = "_chom_restore_in_progress"
"""A table that stands in a database while something is restored there, and names it.

It only explains what a restore that was cut off has left: it authorises nobody to remove anything. No backup has it.
"""


@dataclass(frozen=True)
class KeyColumn:
    """A column of a key, and whether the key goes from its greatest value to its least."""

    name: str
    descending: bool = False


@dataclass(frozen=True)
class TableInfo:
    """A base table as information_schema describes it. `bytes` and `rows` are the engine's estimates."""

    database: str
    name: str
    engine: str
    transactional: bool
    versioned: bool
    """It keeps history, which is dumped."""
    loses_history: bool
    """It keeps history, which cannot be."""
    borrows: bool
    """It shows rows that belong to other tables, perhaps on other servers: restoring them would write there."""
    columns: tuple[Column, ...]
    key: tuple[KeyColumn, ...]
    """The primary key's columns; empty where there is none that rows can be read by in order without being sorted."""
    bytes: int
    rows: int

    @property
    def keeps_order(self) -> bool:
        """True where a scan gives rows in an order that a copy, filled in that order, has too.

        Aria puts a row on any page with room for it.
        """
        return self.engine.lower() != "aria"

    @property
    def identity(self) -> tuple[str, str]:
        """What tells it from all others; names may hold dots, so that labels may be alike."""
        return (self.database, self.name)

    @property
    def label(self) -> str:
        """`database.table`, for people."""
        return f"{self.database}.{self.name}"
