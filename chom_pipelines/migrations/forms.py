"""Whether changes of a table cost less as one ALTER TABLE or as several: both forms are run on an empty table like it.

Either can be: one statement builds the table anew once for all of its changes, and it builds it anew for a change that
would have been instant by itself.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from chom_pipelines.errors import ServerError
from chom_pipelines.migrations.algorithms import execute
from chom_pipelines.migrations.reading_shapes import table_number
from chom_pipelines.migrations.shapes import TableName
from chom_pipelines.migrations.sources import Sent
from chom_pipelines.migrations.sql_text import clauses
from chom_pipelines.migrations.statements import Kind, Statement
from chom_pipelines.server.connection import Session
from chom_pipelines.server.facts import ServerFacts
from chom_pipelines.server.identifiers import qualified, quote

_LIKE_IT = "chom_form"


@dataclass(frozen=True, order=True)
class Cost:
    """How often the rows of a table are written anew: while writes wait, and in place."""

    copies: int
    rebuilds: int


@dataclass(frozen=True)
class Form:
    """Statements that lead to the same table, and what they cost."""

    statements: tuple[str, ...]
    cost: Cost


@dataclass(frozen=True)
class Advice:
    """A table whose changes would cost less in another form; `places` are the statements now, by their place."""

    table: TableName
    places: tuple[int, ...]
    better: Form


class Forms:
    """Tries the other form of each change as the replay comes to it."""

    def __init__(self, sent: Sequence[Sent], facts: ServerFacts, failed: Collection[str]) -> None:
        """`failed` are migrations that do not get through as they are: nothing is said of their form."""
        self._sent, self._facts, self._failed = sent, facts, failed
        self.found: list[Advice] = []
        self._grouped: set[int] = set()

    def at(self, place: int, session: Session) -> None:
        """Before the statement at `place` is run, on the session that will run it."""
        statement = self._sent[place].statement
        if not _divisible(statement) or not statement.table or self._sent[place].migration in self._failed:
            return
        group = tuple(each for each in _group(self._sent, place) if self._sent[each].migration not in self._failed)
        if len(group) > 1 and place not in self._grouped:
            self._grouped |= set(group)
            merged = ", ".join(self._sent[each].statement.after_table() for each in group)
            self._tried(session, statement.table, group, [merged])
        parts = clauses(statement.after_table())
        if len(parts) > 1:
            self._tried(session, statement.table, (place,), parts)

    def _tried(self, session: Session, table: TableName, places: tuple[int, ...], parts: Sequence[str]) -> None:
        like_it = (table[0], _LIKE_IT)
        try:
            session.execute(f"CREATE TABLE {qualified(*like_it)} LIKE {qualified(*table)}")
        except ServerError:
            return  # it is not there, or the statement itself fails: that is told by the statement
        copies = rebuilds = 0
        try:
            for part in parts:
                before = table_number(session, self._facts, like_it)
                way = execute(session, self._facts, Statement(f"ALTER TABLE {qualified(*like_it)} {part}", table[0]))
                if way.name == "COPY":
                    copies += 1
                elif table_number(session, self._facts, like_it) != before:
                    rebuilds += 1
        except ServerError:
            return  # it cannot be said so, for instance where one part needs the other
        finally:
            session.execute(f"DROP TABLE IF EXISTS {qualified(*like_it)}")
        whole = tuple(f"ALTER TABLE {quote(table[1])} {part}" for part in parts)
        self.found.append(Advice(table, places, Form(whole, Cost(copies, rebuilds))))


def _divisible(statement: Statement) -> bool:
    is_plain = "--" not in statement.bare and "/*" not in statement.bare and "#" not in statement.bare
    alone = statement.names_algorithm or statement.clauses.is_of_partitions or statement.clauses.renames_table
    return statement.kind is Kind.ALTER and is_plain and not alone


def _group(sent: Sequence[Sent], place: int) -> Iterator[int]:
    """The ALTERs of the same table from there on, up to what changes it, or changes or reads its rows."""
    table = sent[place].statement.table
    for at in range(place, len(sent)):
        statement = sent[at].statement
        names_it = table is None or table[1].lower() in statement.names
        if statement.kind in {Kind.OTHER, Kind.DATABASE} or (statement.kind is not Kind.ALTER and names_it):
            return
        if statement.kind is Kind.ALTER and statement.table == table:
            if not _divisible(statement):
                return
            yield at
