"""What the manifest of a backup says of its contents, by method."""

from __future__ import annotations

import hashlib
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field, NonNegativeInt

from chom_pipelines.repository.dump_records import Loss, Lost, SequenceCounter
from chom_pipelines.repository.records import Record

Hex = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class Method(StrEnum):
    """How a backup is taken: rows and definitions as text, the server's data files, or its binary log as it is."""

    LOGICAL = "logical"
    PHYSICAL = "physical"
    BINLOG = "binlog"


class Part(Record):
    """One key range of a table: rows with lower <= key < upper; None is an open end."""

    lower: str | None = Field(default=None, description="SQL literal of the first key column")
    upper: str | None = None
    rows: NonNegativeInt
    bytes: NonNegativeInt = Field(description="bytes of tab-separated text")
    digest: Hex
    restored: Hex | None = Field(default=None, description="of a restored copy's text where it is another: see losses")
    objects: tuple[str, ...] = Field(description="stored objects in order; a bundle's is path#member")


_LOST = {Lost.DIGITS: "digits of numbers, as 12.50 becomes 12.5", Lost.TYPE: "types, as a date becomes a string"}


class Table(Record):
    """One base table's data."""

    database: str
    name: str
    engine: str
    transactional: bool
    columns: tuple[str, ...] = Field(description="the columns of the data, in order")
    load: str = Field(description="the part of LOAD DATA after its LINES clause: columns, and SET where one needs it")
    key_column: str | None = Field(default=None, description="the column that ranges cut")
    parts: tuple[Part, ...]
    losses: tuple[Loss, ...] = ()

    @property
    def said_losses(self) -> tuple[str, ...]:
        """The losses, for people: `shop.orders.receipt (digits of numbers, as 12.50 becomes 12.5; rows: 3)`."""
        return tuple(f"{self.label}.{loss.column} ({_LOST[loss.lost]}; rows: {loss.rows:,})" for loss in self.losses)

    @property
    def identity(self) -> tuple[str, str]:
        """What tells it from all others; names may hold dots, so that labels may be alike."""
        return (self.database, self.name)

    @property
    def label(self) -> str:
        """`database.table`, for people."""
        return f"{self.database}.{self.name}"

    @property
    def rows(self) -> int:
        """Rows in all parts."""
        return sum(part.rows for part in self.parts)

    @property
    def bytes(self) -> int:
        """Bytes of tab-separated text in all parts."""
        return sum(part.bytes for part in self.parts)

    @property
    def digest(self) -> str:
        """SHA-256 over the digests of the parts in order."""
        return hashlib.sha256("".join(part.digest for part in self.parts).encode()).hexdigest()

    @property
    def as_restored(self) -> Table:
        """The same table as a restored copy has it."""
        parts = tuple(part.model_copy(update={"digest": part.restored or part.digest}) for part in self.parts)
        return self.model_copy(update={"parts": parts})


class SchemaObject(Record):
    """One definition in the schema files: kind, name, and the SHA-256 of its statement."""

    kind: str = Field(
        description="database, sequence, table, view, procedure, function, package, trigger, event, account"
    )
    database: str
    name: str
    digest: Hex


class LogicalPayload(Record):
    """Rows as tab-separated text and definitions as SQL, as of one snapshot."""

    method: Literal[Method.LOGICAL] = Method.LOGICAL
    databases: tuple[str, ...]
    everything: bool = Field(default=False, description="these are all databases; else the server had others")
    level: int = Field(description="of compression")
    held_seconds: float = Field(ge=0, description="for how long commits were held up at the snapshot")
    tables: tuple[Table, ...]
    schema_objects: tuple[SchemaObject, ...]
    non_transactional: tuple[str, ...] = Field(default=(), description="tables that no snapshot covers")
    sequences: tuple[SequenceCounter, ...] = Field(default=(), description="their counters, as of after the snapshot")
    prepared: tuple[str, ...] | None = Field(
        default=None, description="ids of XA transactions that were prepared, and so are not here; None: not known"
    )
    leading_out: tuple[str, ...] = Field(
        default=(), description="sentences: foreign keys that lead to databases which are not here"
    )

    @property
    def rows(self) -> int:
        """Rows in all tables."""
        return sum(table.rows for table in self.tables)


class PhysicalPayload(Record):
    """The server's data files as a stream that its own program unpacks, cut into parts."""

    method: Literal[Method.PHYSICAL] = Method.PHYSICAL
    program: str = Field(description="what read the files, with its version, as 'mariadb-backup 10.11.19'")
    stream: str = Field(description="the format of the stream, as mbstream, xbstream, tar")
    from_lsn: NonNegativeInt = Field(default=0, description="pages that are older are in the parent; 0: all are here")
    to_lsn: NonNegativeInt = Field(description="the log sequence number up to which changes are there")
    base: Hex | None = Field(default=None, description="of an incremental backup: the fingerprint of its parent")
    page_size: NonNegativeInt = Field(description="InnoDB's, bytes")
    files: NonNegativeInt = Field(description="in the stream")
    tables: NonNegativeInt = Field(description="and sequences; without views and the server's own")
    parts: tuple[str, ...] = Field(description="stored objects; one after the other they are the stream")


class Logging(Record):
    """With which settings the server wrote a piece of its binary log, as far as it was asked in time."""

    formats: tuple[str, ...] = Field(description="binlog_format; what it was before, too, where that may be in it")
    only: tuple[str, ...] = Field(default=(), description="binlog_do_db; (): every database is logged")
    ignored: tuple[str, ...] = Field(default=(), description="binlog_ignore_db")
    updates_off: str | None = Field(
        default=None, description="the variable by which a replica does not log what it replicates"
    )


class BinlogPayload(Record):
    """A piece of the binary log, byte for byte, from the coordinates' start to their end."""

    method: Literal[Method.BINLOG] = Method.BINLOG
    history: str = Field(description="the stream that it belongs to, where each file's number is there once")
    complete: bool = Field(description="it ends where the server closed the file, and not in the middle")
    following: str | None = Field(default=None, description="the next file, where the last event names it")
    version: int = Field(description="of the binary log's format, as its first event says: 4")
    checksum: str = Field(description="what protects each event: CRC32, NONE")
    head: Hex = Field(description="SHA-256 of the first event of the file, which no two files have in common")
    previous: Hex | None = Field(default=None, description="the `head` of the file before; None: that was not there")
    server_bytes: NonNegativeInt = Field(description="size of the whole file by its server, when this was read")
    opened: AwareDatetime = Field(description="when the server began the file, to the second, by its own clock")
    closed: AwareDatetime | None = Field(
        default=None,
        description="when it was closed, by the clock of the session that had the server do so",
    )
    written: AwareDatetime | None = Field(
        default=None, description="then the server still wrote the file, by its own clock; None: nobody asked"
    )
    first_event: AwareDatetime | None = Field(default=None, description="time of the first transaction; None: none")
    last_event: AwareDatetime | None = None
    transactions: NonNegativeInt
    incidents: NonNegativeInt = Field(default=0, description="how often the server says in it that it lost events")
    textual: NonNegativeInt | None = Field(
        default=None,
        description="position behind the last transaction with changes as text; 0: none; None: not looked",
    )
    logging: Logging | None = Field(default=None, description="None: nobody asked while the server ran that wrote it")
    digest: Hex = Field(description="SHA-256 of the bytes as the server sent them")
    log: str = Field(description="the stored object that holds them")
    index: str = Field(description="the stored object that names large changes and changes of definitions")


Payload = Annotated[LogicalPayload | PhysicalPayload | BinlogPayload, Field(discriminator="method")]
