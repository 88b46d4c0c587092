"""Searching the archive for what happened to whom: drops, truncations, DDL, and changes of many rows.

The indexes alone are read, unless changes of fewer rows are asked for than they have.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from chom_pipelines.binlogs.archive.histories import History
from chom_pipelines.binlogs.archive.indexing import MANY_ROWS, Indexed, IndexedStatement, indexed
from chom_pipelines.binlogs.archive.segment_objects import index_of, log_of
from chom_pipelines.binlogs.archive.segments import Segment
from chom_pipelines.binlogs.format.lexemes import Dialect
from chom_pipelines.binlogs.format.scanning import Scanner
from chom_pipelines.binlogs.format.statements import Does, beginning
from chom_pipelines.binlogs.format.transactions import TableRows
from chom_pipelines.binlogs.recovery.stop_place import committed
from chom_pipelines.binlogs.recovery.targets import BeforePlace
from chom_pipelines.errors import ConfigurationError
from chom_pipelines.logical.tables import RESTORE_MARKER
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.server.facts import Flavour


class Change(StrEnum):
    """What can be searched for. `ddl` is all of create, alter, drop, truncate, rename, and grants and the like."""

    DROP = "drop"
    TRUNCATE = "truncate"
    DELETE = "delete"
    UPDATE = "update"
    INSERT = "insert"
    CREATE = "create"
    ALTER = "alter"
    RENAME = "rename"
    DDL = "ddl"

    @classmethod
    def parse(cls, text: str) -> frozenset[Change]:
        """`drop,delete`; raises ConfigurationError."""
        words = [word.strip().lower() for word in text.split(",") if word.strip()]
        unknown = [word for word in words if word not in set(cls)]
        if unknown or not words:
            raise ConfigurationError(
                f"there is no kind {', '.join(unknown) or text!r}", f"name one of these, or several: {', '.join(cls)}"
            )
        return frozenset(map(cls, words))


_STATEMENTS = {
    Change.DROP: {Does.DROP},
    Change.TRUNCATE: {Does.TRUNCATE},
    Change.CREATE: {Does.CREATE},
    Change.ALTER: {Does.ALTER},
    Change.RENAME: {Does.RENAME},
    Change.DDL: set(Does) - {Does.ROWS},
}
_OF_ROWS = frozenset({Change.INSERT, Change.UPDATE, Change.DELETE})
_VERBS = {
    "INSERT": Change.INSERT,
    "REPLACE": Change.INSERT,
    "LOAD": Change.INSERT,
    "UPDATE": Change.UPDATE,
    "DELETE": Change.DELETE,
}
"""First words of statements that were logged as text; those of others, as CALL, do not tell what they change."""


_ANY = Dialect(Flavour.MARIADB)
"""Texts are kept as MariaDB reads them."""


@dataclass(frozen=True)
class Search:
    """What is looked for: in [begin, end] (aware; None: open), in a table `db.t` or a database `db` ("": any)."""

    begin: datetime | None = None
    end: datetime | None = None
    table: str = ""
    changes: frozenset[Change] = frozenset(Change)
    rows: int = MANY_ROWS
    """From so many rows on a change is found."""

    def overlaps(self, segment: Segment) -> bool:
        """Whether something of it may be in that segment."""
        return self.reaches(segment.opened, segment.as_of)

    def reaches(self, first: datetime, last: datetime) -> bool:
        """Whether some of that time is searched; both are of whole seconds."""
        return (self.begin is None or last >= self.begin.replace(microsecond=0)) and (
            self.end is None or first <= self.end
        )

    def finds(self, entry: Indexed, time: datetime) -> tuple[tuple[TableRows, ...], tuple[IndexedStatement, ...]]:
        """What of a transaction of that time is looked for: tables with their rows, and statements."""
        if (self.begin and time < self.begin) or (self.end and time > self.end):
            return (), ()
        return tuple(filter(self._rows, entry.rows)), tuple(filter(self._statement, entry.statements))

    def _rows(self, rows: TableRows) -> bool:
        counts = {Change.INSERT: rows.inserted, Change.UPDATE: rows.updated, Change.DELETE: rows.deleted}
        many = any(counts[change] >= self.rows for change in self.changes & _OF_ROWS)
        uncounted = bool(rows.uncounted and self.changes & _OF_ROWS)
        return (many or uncounted) and self._is_table(rows.database, rows.table)

    def _statement(self, statement: IndexedStatement) -> bool:
        if statement.tables and all(table == RESTORE_MARKER for _, table in statement.tables):
            return False  # of a restore of ours
        if statement.does is Does.ROWS:
            verb = _VERBS.get(beginning(statement.text, _ANY).peek().word)
            if not self.changes & (_OF_ROWS if verb is None else {verb}):
                return False
        elif not any(statement.does in _STATEMENTS[change] for change in self.changes - _OF_ROWS):
            return False
        if statement.tables or not self.table:
            return not self.table or any(self._is_table(database, table) for database, table in statement.tables)
        # which tables it concerns is not known: its text is all there is
        database, _, table = self.table.partition(".")
        return (table or database) in statement.text or (not table and statement.database == database)

    def _is_table(self, database: str, table: str) -> bool:
        """A whole database, which has no table's name, concerns each table of it."""
        wanted, _, name = self.table.partition(".")
        return not self.table or (database == wanted and (not name or not table or table == name))


@dataclass(frozen=True)
class Event:
    """A transaction that was found, and what in it was looked for."""

    history: str
    newest: bool
    """It is of the history that the server writes, whose files go without saying."""
    file: str
    time: datetime
    """As `chom restore --at` goes by it: before this moment it was not committed, and on MySQL it was then."""
    entry: Indexed
    rows: tuple[TableRows, ...]
    statements: tuple[IndexedStatement, ...]

    @property
    def before(self) -> str:
        """What `chom restore --before` takes, for all that was there until then."""
        return str(BeforePlace(self.file, self.entry.start, "" if self.newest else self.history))


def events(history: History, search: Search, keyring: Keyring | None, *, newest: bool) -> Iterator[Event]:
    """All that is found in a history, in the order of its log.

    Raises DamagedError, BinlogDamagedError, UnknownFormatError, KeyUnavailableError. Of what `unread` names nothing is
    found.
    """
    read = _indexes if search.rows >= MANY_ROWS else _logs
    opened = {each.file: each.none_before for each in sorted(history.segments, key=lambda each: each.order)}
    for file, none_before in opened.items():
        for entry in read(history, file, search, keyring):
            time = committed(entry.time, none_before)
            rows, statements = search.finds(entry, time)
            if rows or statements:
                yield Event(history.name, newest, file, time, entry, rows, statements)


def unread(history: History, search: Search) -> list[Segment]:
    """What is archived and wanted, and is not searched: a log is read from its file's beginning, which is not there."""
    if search.rows >= MANY_ROWS:
        return []
    wanted = filter(search.overlaps, history.segments)
    return [each for each in wanted if each not in history.of_file(each.file)]


def _indexes(history: History, file: str, search: Search, keyring: Keyring | None) -> Iterator[Indexed]:
    segments = [each for each in history.segments if each.file == file and search.overlaps(each)]
    for segment in sorted(segments, key=lambda each: each.start):
        yield from index_of(history, segment, keyring).transactions


def _logs(history: History, file: str, search: Search, keyring: Keyring | None) -> Iterator[Indexed]:
    """A file is read once, from its beginning up to the last part that is wanted."""
    parts = history.of_file(file)
    end = max((each.end for each in parts if search.overlaps(each)), default=0)
    if not end:
        return
    scanner = Scanner(f"{file} of the history {history.name}")
    for part in parts:
        if part.start >= end:
            break
        for piece in log_of(history, part, keyring):
            for transaction in scanner.feed(piece):
                if entry := indexed(transaction, many_rows=search.rows):
                    yield entry
    scanner.finish()
