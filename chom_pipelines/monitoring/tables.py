"""The sizes of tables."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TableSize:
    """Of one table, in bytes; `rows` is the server's estimate. `reclaimable` is what a rebuild could give back."""

    database: str
    table: str
    engine: str
    data: int
    index: int
    reclaimable: int
    rows: int

    @property
    def total(self) -> int:
        """Data and indexes."""
        return self.data + self.index
