"""Where migrations come from: one interface, so that another framework is one class."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from chom_pipelines.migrations.findings import MigrationFinding
from chom_pipelines.migrations.shadow import Logged, Shadow, statements_of
from chom_pipelines.migrations.shapes import Shape, Table
from chom_pipelines.migrations.statements import Kind, Statement
from chom_pipelines.server.connection import Session

_BEGIN, _END, _BACK = "chom: begin ", "chom: end ", "chom: back"


@dataclass(frozen=True)
class Migration:
    """One migration, by the name under which it is recorded."""

    name: str
    file: Path


@dataclass(frozen=True)
class Sent:
    """A statement that the copy got: by which connection, of which migration; "" for between them."""

    migration: str
    connection: int
    statement: Statement


@dataclass(frozen=True)
class Ran:
    """How one pending migration ended on the copy.

    `failure` is why it failed, "" where it did not, and `number` the server's number of that, where it was the server
    that refused.
    """

    migration: Migration
    failure: str = ""
    number: int | None = None
    seconds: float = 0.0


@dataclass(frozen=True)
class Run:
    """What the application has, and what became of what is pending: `history` is the table where it is recorded."""

    application: str
    database: str
    history: tuple[str, str]
    files: Sequence[Migration]
    ran: Sequence[Ran]
    sent: Sequence[Sent]
    """All that the copy got, in order."""
    rolled_back: Shape | None = None
    """The copy's schema after all was rolled back; None where that was not tried."""
    rollback_failure: str = ""


class Source(Protocol):
    """An application's migrations."""

    @property
    def place(self) -> Path:
        """Where they are."""
        ...

    @property
    def is_squashed(self) -> bool:
        """Whether the first of them are gone, and a dump of what they made has taken their place."""
        ...

    def is_history(self, table: Table) -> bool:
        """Whether this may be the table that it records them in: the copy gets its rows, too."""
        ...

    def run(self, shadow: Shadow, timeout: float, *, roll_back: bool = False) -> Run:
        """Run what is pending on the copy, one after the other; where one fails, the next is tried all the same.

        With `roll_back` those that ran are rolled back then, where the application can do that.

        Raises MigrationCheckError where they cannot be run at all, or not within `timeout` seconds;
        ProgramMissingError, ConfigurationError.
        """
        ...

    def check_history(self, production: Session, run: Run) -> Iterator[MigrationFinding]:
        """What is wrong with what production has recorded, and with the files: HS01 to HS07."""
        ...


def begin(migration: str) -> str:
    """What is written into the copy's log where a migration begins."""
    return f"{_BEGIN}{migration}"


def end(migration: str) -> str:
    """And where it ends."""
    return f"{_END}{migration}"


def sent(lines: Sequence[Logged]) -> Iterator[Sent]:
    """What the copy got, in order, by the marks of the migrations in its log; without those."""
    current = ""
    for connection, statement in statements_of(lines):
        text = statement.text
        if _BEGIN in text and statement.kind is Kind.READ:
            current = text.partition(_BEGIN)[2].strip().rstrip("'\"")
        elif _BACK in text and statement.kind is Kind.READ:
            return
        elif _END in text and statement.kind is Kind.READ:
            current = ""
        else:
            yield Sent(current, connection, statement)
