"""The statements of all pending migrations once more, each by itself: what it changes, and how the server does that."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

from chom_pipelines.errors import ServerError
from chom_pipelines.migrations.algorithms import Algorithm, execute
from chom_pipelines.migrations.reading_shapes import read_shape
from chom_pipelines.migrations.shadow import Shadow
from chom_pipelines.migrations.shapes import Difference, Shape, differences
from chom_pipelines.migrations.sources import Sent
from chom_pipelines.migrations.statements import Kind, Statement
from chom_pipelines.server.connection import Session, error_number

_STRUCTURE = {Kind.ALTER, Kind.INDEX, Kind.CREATE, Kind.DROP, Kind.RENAME, Kind.DATABASE, Kind.OTHER, Kind.TRUNCATE}


@dataclass(frozen=True)
class Step:
    """One statement that changes something, on a copy on which all before it were done."""

    migration: str
    statement: Statement
    before: Shape
    after: Shape
    algorithm: Algorithm = field(default_factory=Algorithm)
    failure: str = ""
    number: int | None = None

    @property
    def differences(self) -> list[Difference]:
        """The tables that it changed."""
        return differences(self.before, self.after)

    @property
    def is_structure(self) -> bool:
        """Whether it changed the schema, and not rows; one that failed did neither."""
        return not self.failure and self.statement.kind is not Kind.CHANGE

    @property
    def waiting(self) -> str:
        """Who waits while it runs: nobody, writes, reads and writes; "" where it failed."""
        if self.failure:
            return ""
        return self.algorithm.blocks if self.is_structure else "writes to these rows"

    @property
    def renamed(self) -> dict[str, str]:
        """Columns that have another name after it: the new name, and the old one."""
        found = {}
        for each in self.differences:
            if each.before is None or each.after is None or not self.statement.renames:
                continue
            gone = [name for name in each.before.columns if name not in each.after.columns]
            new = [name for name in each.after.columns if name not in each.before.columns]
            if len(gone) == len(new) == 1:
                found[new[0]] = gone[0]
        return found

    @property
    def copies(self) -> bool:
        """Whether it has rows copied into a new table, whatever algorithm the server has accepted."""
        return self.algorithm.name == "COPY" or any(each.copied for each in self.differences)


def replayed(shadow: Shadow, sent: Sequence[Sent], *, algorithms: bool) -> list[Step]:
    """Fill the copy anew and run them all, in order, each on a session for its connection; failures are kept.

    Without `algorithms` each is run as it is, and how the server does it is not asked.
    """
    shadow.fill()
    facts = shadow.server.facts
    steps: list[Step] = []
    with ExitStack() as stack:
        reader = stack.enter_context(Session(shadow.endpoint))
        sessions: dict[int, Session] = {}
        before = read_shape(reader, facts, _databases(shadow, reader))
        for each in sent:
            statement = each.statement
            if statement.kind is Kind.READ:
                continue
            if each.connection not in sessions:
                sessions[each.connection] = stack.enter_context(Session(shadow.endpoint))
                if statement.database:
                    _try(sessions[each.connection], f"USE `{statement.database.replace('`', '``')}`")
            session = sessions[each.connection]
            algorithm, failure, number = Algorithm(), "", None
            try:
                if algorithms:
                    algorithm = execute(session, facts, statement)
                else:
                    session.execute(statement.bare)
            except ServerError as error:
                failure, number = error.what.partition(": ")[2] or error.what, error_number(error)
            if statement.kind is Kind.SET:
                continue
            after = before
            if statement.kind in _STRUCTURE:
                after = read_shape(reader, facts, _databases(shadow, reader))
            steps.append(Step(each.migration, statement, before, after, algorithm, failure, number))
            before = after
    return steps


def _databases(shadow: Shadow, session: Session) -> list[str]:
    from chom_pipelines.migrations.production import own_databases

    return sorted({*shadow.databases, *own_databases(session)})


def _try(session: Session, sql: str) -> None:
    """A database that is not there yet, or no more, is told by the statement itself."""
    try:
        session.execute(sql)
    except ServerError:
        return
