"""The index of a segment of the archive: what a person searches for after an accident, so that the log is not read.

It has every statement that was logged as text, and the rows of a table that a transaction changed where they are many.
As JSON it is small: entries are lists, and times are numbers.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal, NamedTuple

from pydantic import ValidationError

from chom_pipelines.binlogs.format.statements import Does, Statement
from chom_pipelines.binlogs.format.transactions import Ending, TableRows, Transaction, moment
from chom_pipelines.errors import ArchiveDamagedError, UnknownFormatError
from chom_pipelines.repository.records import Record

_FORMAT: Literal[1] = 1
MANY_ROWS = 100
"""From so many rows on that were inserted, updated or deleted, a table's are in the index."""
_ROWS_TEXT = 256  # characters of a statement that changes rows: there may be one in each transaction


class IndexedStatement(NamedTuple):
    """A statement: see `Statement`."""

    does: Does
    object: str
    database: str
    tables: tuple[tuple[str, str], ...]
    temporary: bool
    text: str


class Indexed(NamedTuple):
    """A transaction that is in the index: see `Transaction`. Of its tables there are those with many rows."""

    gtid: str | None
    start: int
    end: int
    microseconds: int
    ending: Ending
    rows: tuple[TableRows, ...]
    statements: tuple[IndexedStatement, ...]
    statement_count: int

    @property
    def time(self) -> datetime:
        """Of its commit on MySQL, on MariaDB of the beginning of its last statement; in UTC."""
        return moment(self.microseconds)


def unworded(entry: Indexed) -> Indexed:
    """The same without what is told of statements by their words, in which versions of this program may differ."""
    return entry._replace(
        statements=tuple(
            IndexedStatement(Does.OTHER, "", each.database, (), temporary=False, text="") for each in entry.statements
        )
    )


class SegmentIndex(Record):
    """The index of one segment. `many_rows` says from how many rows on a table's are in it."""

    format: Literal[1] = _FORMAT
    many_rows: int = MANY_ROWS
    transactions: tuple[Indexed, ...] = ()

    @staticmethod
    def parse(text: bytes, where: str) -> SegmentIndex:
        """Read what is stored there; raises UnknownFormatError, and ArchiveDamagedError where it is no index."""
        try:
            return SegmentIndex.model_validate_json(text)
        except ValidationError as error:
            formats = [each["input"] for each in error.errors(include_url=False) if each["loc"] == ("format",)]
            if formats:
                what = f"{where}: the index is of format {formats[0]!r}; this version reads {_FORMAT}"
                raise UnknownFormatError(what, "use the version of chom that wrote it, or a newer one") from error
            raise ArchiveDamagedError(f"{where}: the index cannot be read") from error


def indexed(transaction: Transaction, *, many_rows: int = MANY_ROWS) -> Indexed | None:
    """What the index has of a transaction; None where nothing of it is worth a search.

    Rows that could not be counted are as good as many.
    """
    rows = tuple([each for each in transaction.rows if max(each[2:5]) >= many_rows or each.uncounted])
    if not rows and not transaction.statements:
        return None
    if transaction.ending in {Ending.XA_COMMIT, Ending.XA_ROLLBACK}:
        return None
    return Indexed(
        transaction.gtid,
        transaction.start,
        transaction.end,
        transaction.microseconds,
        transaction.ending,
        rows,
        tuple(map(_statement, transaction.statements)),
        transaction.statement_count,
    )


def _statement(statement: Statement) -> IndexedStatement:
    text = statement.text[:_ROWS_TEXT] if statement.does is Does.ROWS else statement.text
    return IndexedStatement(
        statement.does, statement.object, statement.database, statement.tables, statement.temporary, text
    )
