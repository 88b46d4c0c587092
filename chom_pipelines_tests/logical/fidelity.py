"""Data sets for the tests of fidelity: a database each, and what fills it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from chom_pipelines.server.connection import Session
from chom_pipelines.server.facts import Flavour, ServerFacts
from chom_pipelines.server.identifiers import quote

Statements = Callable[[ServerFacts], Iterable[str | bytes]]


@dataclass(frozen=True)
class DataSet:
    """A database and the statements that fill it; `others` are databases that they create besides."""

    name: str
    statements: Statements
    flavours: tuple[Flavour, ...]
    database: str
    others: tuple[str, ...] = ()

    def build(self, session: Session, facts: ServerFacts) -> None:
        """Create it; the session is root's and its sql_mode takes every value."""
        session.execute(f"CREATE DATABASE {quote(self.database)}")
        session.execute(f"USE {quote(self.database)}")
        session.execute("SET SESSION sql_mode = 'ALLOW_INVALID_DATES,NO_AUTO_VALUE_ON_ZERO', foreign_key_checks = 0")
        for statement in self.statements(facts):
            session.statement(statement if isinstance(statement, bytes) else statement.encode())


@dataclass(frozen=True)
class DataSets:
    """Collects the functions that it decorates: each yields the statements of one data set."""

    found: list[DataSet] = field(default_factory=list)

    def __call__(
        self,
        *flavours: Flavour,
        database: str | None = None,
        others: tuple[str, ...] = (),
    ) -> Callable[[Statements], Statements]:
        """For these flavours, or both; the database is called as the function unless it has a name of its own."""

        def register(statements: Statements) -> Statements:
            name = getattr(statements, "__name__", "")
            self.found.append(DataSet(name, statements, flavours or tuple(Flavour), database or name, others))
            return statements

        return register


def binary(data: bytes, charset: str = "binary") -> str:
    """A literal of exactly these bytes."""
    return f"_{charset} X'{data.hex()}'"


def numbered(rows: int) -> str:
    """A derived table with the column n, 1 to `rows`."""
    digits = " UNION ALL ".join(f"SELECT {digit} AS d" for digit in range(10))
    return (
        f"(SELECT 1 + a.d + 10 * b.d + 100 * c.d AS n FROM ({digits}) a, ({digits}) b, ({digits}) c "
        f"HAVING n <= {rows}) numbers"
    )
