"""What a scan of a binary log finds: transactions, and what is to be known of the file as a whole."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from chom_pipelines.binlogs.format.conversions import Conversion
from chom_pipelines.binlogs.format.events import Checksum, FormatDescription
from chom_pipelines.binlogs.format.gtids import Gtids
from chom_pipelines.binlogs.format.statements import Statement

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def moment(microseconds: int) -> datetime:
    """The time so many microseconds after the beginning of 1970, UTC."""
    return _EPOCH + timedelta(microseconds=microseconds)


class Ending(StrEnum):
    """How a transaction ends in the log."""

    COMMIT = "commit"
    ROLLBACK = "rollback"
    """It is logged all the same, where it changed what cannot be rolled back."""
    STATEMENT = "statement"
    """One statement by itself, as DDL is."""
    XA_PREPARE = "xa prepare"
    """Nothing of it is to be seen before an XA_COMMIT, which is a transaction of its own in the log."""
    XA_COMMIT = "xa commit"
    XA_ROLLBACK = "xa rollback"
    ALTER_START = "alter start"
    """The first phase of an ALTER TABLE that MariaDB logs in two; its effect shows after the second, a STATEMENT."""
    ALTER_ROLLBACK = "alter rollback"
    """The second phase of one that failed."""
    INCIDENT = "incident"
    """The server lost events, and says so here."""


class TableRows(NamedTuple):  # of these and transactions there are many: a tuple takes a third of the time to make
    """How many rows of a table a transaction inserted, updated and deleted, by row events.

    `uncounted` is the number of row events whose rows could not be counted: see `Table.uncertain`.
    """

    database: str
    table: str
    inserted: int = 0
    updated: int = 0
    deleted: int = 0
    uncounted: int = 0


class Transaction(NamedTuple):
    """A transaction, or a statement by itself: what replicas apply whole or not at all.

    `start` is the position of its first event, `end` that behind its last one. `microseconds`, since 1970, is when it
    was committed by the clock of the server that wrote the log, on MySQL. On MariaDB, and where MySQL wrote none, it is
    the time in the first event's header, in whole seconds: when the statement began that is the transaction or
    committed it, and of a replicated transaction its source's. `microseconds_on_source` is when it was committed where
    that was done first; 0: the log does not say.
    `statements` are those that were logged as text; of more than a hundred, the first ones, and `statement_count` is
    the number of all. `zones` are the time zones of sessions that statements of it depend on, by their names, SYSTEM
    among them, and `conversions` those that they convert times from or to. `textual` are the databases in which any of
    its statements changes rows by name: see `Statement.changes`.
    """

    gtid: str | None
    start: int
    end: int
    microseconds: int
    microseconds_on_source: int
    ending: Ending
    rows: tuple[TableRows, ...]
    statements: tuple[Statement, ...]
    statement_count: int
    zones: tuple[str, ...] = ()
    textual: frozenset[str] = frozenset()
    conversions: tuple[Conversion, ...] = ()

    @property
    def time(self) -> datetime:
        """Of its commit on MySQL, else of the beginning of a statement, in UTC."""
        return moment(self.microseconds)

    @property
    def time_on_source(self) -> datetime | None:
        """Of its commit where it was committed first, in UTC."""
        return moment(self.microseconds_on_source) if self.microseconds_on_source else None


@dataclass(frozen=True)
class Incident:
    """A server's note that it lost events before this position."""

    position: int
    number: int
    message: str


class FileEnding(StrEnum):
    """How a file ends."""

    ROTATE = "rotate"
    """With the name of the next one."""
    STOP = "stop"
    """The server was shut down; the next file has the next number."""
    OPEN = "open"
    """With neither: the server still writes it, crashed, or not all of it was read."""


@dataclass(frozen=True)
class Summary:
    """What is to be known of a file, or of the part of it that was scanned.

    `prefix` is the number of bytes that were fed before the one at `start`: the magic number, or what a client program
    puts before what it copies from the middle of a file.
    `end` is the position behind the last whole event, `transactions_end` that behind the last whole transaction (or
    behind what no transaction has to do with): a reader may resume at either. `unread` is the number of bytes of an
    event that was not there as a whole. `gtids_before` and `gtids_after` are None where nobody said them: neither the
    file, in the part that was read, nor who began in its middle.
    `first_time` and `last_time` are the earliest and the latest in the events' headers, in whole seconds.
    """

    file: str
    format: FormatDescription
    prefix: int
    start: int
    end: int
    transactions_end: int
    unread: int
    gtids_before: Gtids | None
    gtids_after: Gtids | None
    first_time: datetime | None
    last_time: datetime | None
    transactions: int
    incidents: tuple[Incident, ...]
    ending: FileEnding
    next_file: str | None
    closed: datetime | None = None
    """When the server ended the file, by the note with which it did; None: it did not. In whole seconds."""

    @property
    def opened(self) -> datetime:
        """When the server began the file, in whole seconds.

        Where a session had it do so, with FLUSH or by filling the one before, it is when its statement began, and SET
        timestamp has a say in that.
        """
        return self.format.opened

    @property
    def checksum(self) -> Checksum:
        """What ends each event."""
        return self.format.checksum

    @property
    def server_id(self) -> int:
        """That of the server that wrote the file; events that it replicated have others."""
        return self.format.server_id
