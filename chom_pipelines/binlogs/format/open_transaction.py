"""A transaction whose end has not been read yet, and the statements that end it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from chom_pipelines.binlogs.format.conversions import Conversion, conversions, may_convert
from chom_pipelines.binlogs.format.events import Query
from chom_pipelines.binlogs.format.gtid_events import MysqlGtidEvent
from chom_pipelines.binlogs.format.gtid_position import MariadbGtid
from chom_pipelines.binlogs.format.gtids import Executed
from chom_pipelines.binlogs.format.lexemes import Dialect
from chom_pipelines.binlogs.format.statements import Statement, names_directory, understand
from chom_pipelines.binlogs.format.transactions import Ending, TableRows, Transaction
from chom_pipelines.server.facts import Flavour

_MOST_STATEMENTS = 100
_OF_NO_CONSEQUENCE = (b"SAVEPOINT", b"ROLLBACK TO", b"RELEASE", b"XA START", b"XA BEGIN", b"XA END", b"BEGIN")


@dataclass(slots=True)
class OpenTransaction:
    """What is known of it so far."""

    start: int
    time: int
    """In microseconds since 1970."""
    time_on_source: int = 0
    mysql: MysqlGtidEvent | None = None
    mariadb: MariadbGtid | None = None
    begun: bool = False
    """It goes on until something ends it; else the next statement is all of it, and this is how it ends:"""
    ending: Ending = Ending.STATEMENT
    statements: list[Statement] = field(default_factory=list)
    statement_count: int = 0
    zones: set[str] = field(default_factory=set)
    textual: frozenset[str] = frozenset()
    conversions: set[Conversion] = field(default_factory=set)

    def take(self, query: Query, flavour: Flavour) -> Ending | None:
        """Take a statement of a server of this family, and return how it ends the transaction, if it does."""
        first = query.text[:12].upper()
        if not self.begun and first.startswith((b"XA START", b"XA BEGIN")):
            self.begun = True
            return None
        if self.begun and first == b"COMMIT":
            return Ending.COMMIT
        if self.begun and first.startswith(b"ROLLBACK") and not first.startswith(b"ROLLBACK TO"):
            return Ending.ROLLBACK
        if first.startswith((b"XA COMMIT", b"XA ROLLBACK")):
            self._record(query, flavour)
            return Ending.XA_COMMIT if first.startswith(b"XA C") else Ending.XA_ROLLBACK
        if self.begun and first.startswith(_OF_NO_CONSEQUENCE):
            return None
        self._record(query, flavour)
        return None if self.begun else self.ending

    def _record(self, query: Query, flavour: Flavour) -> None:
        self.statement_count += 1
        statement = understand(query.text, query.database, flavour, query.sql_mode)
        self.textual |= statement.changes
        if may_convert(query.text):
            self.conversions.update(conversions(query.text, statement, Dialect(flavour, query.sql_mode)))
        if len(self.statements) < _MOST_STATEMENTS:
            if query.has_directory and statement.may_make_files:
                names = query.is_cut or names_directory(query.text, Dialect(flavour, query.sql_mode))
                statement = replace(statement, names_directory=names)
            self.statements.append(statement)

    def executed(self, executed: Executed | None) -> str | None:
        """Count it as executed where that is followed, and return its GTID."""
        if self.mysql is not None:
            if executed:
                executed.add(self.mysql.source, self.mysql.number)
            return f"{self.mysql.source}:{self.mysql.number}"
        if self.mariadb is not None:
            if executed:
                executed.add_mariadb(self.mariadb)
            return str(self.mariadb)
        return None

    def finished(self, ending: Ending, end: int, gtid: str | None, rows: tuple[TableRows, ...]) -> Transaction:
        """All of it, now that it has ended."""
        return Transaction(
            gtid,
            self.start,
            end,
            self.time,
            self.time_on_source,
            ending,
            rows,
            tuple(self.statements),
            self.statement_count,
            tuple(self.zones),
            self.textual,
            tuple(self.conversions),
        )
