"""Indexes: what they are for, and whether anything reads them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Index:
    """One index of a table. `reads` is since the server counts, None where it does not tell.

    `is_needed`: it is the primary key, unique, or a foreign key rests on it, so that no count of reads condemns it.
    """

    database: str
    table: str
    name: str
    columns: tuple[str, ...]
    is_unique: bool
    is_needed: bool
    reads: int | None
    bytes: int | None
