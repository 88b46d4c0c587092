"""What is kept of a server's tables, indexes and statements for each day.

A document is sealed JSON with a table, an index or a statement on a line, compressed as one zstd file: `zstdcat` and
`grep` read it. 50,000 tables make one of about a megabyte, and their indexes one of two.
"""

from __future__ import annotations

from datetime import date
from typing import TypeAlias

from pydantic import AwareDatetime, Field

from chom_pipelines.monitoring.readers.daily_digests import Digest
from chom_pipelines.monitoring.readers.indexes import Index
from chom_pipelines.monitoring.readers.tables import TableSize
from chom_pipelines.repository.records import Record
from chom_pipelines.repository.sealing import SealedDocument

FORMAT = 1

Place: TypeAlias = tuple[str, str]
"""A table: its database and its name."""

TableRow: TypeAlias = tuple[str, str, str, int, int, int, int, int | None]
IndexRow: TypeAlias = tuple[str, str, str, tuple[str, ...], bool, bool, int | None, int | None]
DigestRow: TypeAlias = tuple[str | None, str, str, int, float, float, int, int]


class Daily(Record):
    """What the records of a day have in common."""

    format: int = FORMAT
    tool: str
    server: str = Field(description="its name in the inventory")
    day: date = Field(description="of which it is, in UTC")
    taken: AwareDatetime = Field(description="by the clock of the machine that asked")
    started: AwareDatetime = Field(description="when the server was started: what it counts, it counts since then")
    version: str = Field(description="of the server, as `MariaDB 10.11.19`")
    source: str = Field(description="where the server keeps the figures; empty: it does not tell them")
    lacks: tuple[str, ...] = Field(default=(), description="what it did not tell, and what mends that")

    @property
    def is_whole(self) -> bool:
        """Nothing is missing that was asked for."""
        return not self.lacks


class TablesOfDay(Daily):
    """The sizes of all tables."""

    file_source: str = Field(description="where the server keeps the sizes of files; empty: it does not tell them")
    free: int | None = Field(default=None, ge=0, description="bytes left for its data directory; None: not known")
    free_source: str = Field(description="what told how much is left, or why it is not known")
    tables: tuple[TableRow, ...] = Field(
        description="database, table, engine, and in bytes data, index, reclaimable; rows; bytes of its files"
    )

    @property
    def sizes(self) -> dict[Place, TableSize]:
        """By table."""
        return {(row[0], row[1]): TableSize(*row[:7]) for row in self.tables}

    @property
    def files(self) -> dict[Place, int]:
        """Bytes of the files of those tables of which the server tells."""
        return {(row[0], row[1]): row[7] for row in self.tables if row[7] is not None}


class IndexesOfDay(Daily):
    """What each index is, and how often it was read since the server counts."""

    indexes: tuple[IndexRow, ...] = Field(
        description="database, table, name, columns, is unique, is needed, reads since the server counts, bytes"
    )

    @property
    def found(self) -> tuple[Index, ...]:
        """As they were read."""
        return tuple(Index(*row) for row in self.indexes)


class QueriesOfDay(Daily):
    """The statements that took the most time since the server counts, without the values in them."""

    queries: tuple[DigestRow, ...] = Field(
        description="database, digest, text, how often, seconds in all, seconds of the longest, rows examined, sent"
    )

    @property
    def digests(self) -> tuple[Digest, ...]:
        """As they were read."""
        return tuple(Digest(*row) for row in self.queries)


TABLES = SealedDocument("record of tables", FORMAT, TablesOfDay)
INDEXES = SealedDocument("record of indexes", FORMAT, IndexesOfDay)
QUERIES = SealedDocument("record of queries", FORMAT, QueriesOfDay)
