"""The statements of all pending migrations once more, each by itself: what it changes, and how the server does that."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property

from chom_pipelines.errors import ServerError
from chom_pipelines.migrations.algorithms import Algorithm, execute
from chom_pipelines.migrations.forms import Advice, Cost, Form, Forms
from chom_pipelines.migrations.hidden_passwords import shown_message
from chom_pipelines.migrations.production import own_databases
from chom_pipelines.migrations.reading_shapes import read_shape
from chom_pipelines.migrations.shadow import Shadow
from chom_pipelines.migrations.shapes import Difference, Shape, TableName, differences
from chom_pipelines.migrations.sources import Sent
from chom_pipelines.migrations.statements import Kind, Statement
from chom_pipelines.server.connection import Session, error_number
from chom_pipelines.server.facts import ServerFacts
from chom_pipelines.server.identifiers import quote

_PATIENCE = 10
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

    @cached_property
    def differences(self) -> list[Difference]:
        """The tables that it changed; one of which it drops a column and adds it again may look as before."""
        found = differences(self.before, self.after)
        table = self.statement.table
        same = self.after.tables.get(table) if table and not self.failure else None
        if self.statement.clauses.dropped_columns and same and not any(each.after is same for each in found):
            found.append(Difference(same, same))
        return found

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

    @cached_property
    def renamed(self) -> dict[str, str]:
        """Columns that have another name after it: the new name, and the old one."""
        found = {}
        for each in self.differences:
            if each.before is None or each.after is None:
                continue
            old = {name.lower(): name for name in each.before.columns}
            new = {name.lower(): name for name in each.after.columns}
            for name, former in self.statement.clauses.renamed_columns.items():
                if former.lower() in old and name.lower() in new:
                    found[new[name.lower()]] = old[former.lower()]
        return found

    @property
    def copies(self) -> bool:
        """Whether it has rows copied into a new table, whatever algorithm the server has accepted."""
        return self.algorithm.name == "COPY" or any(each.copied for each in self.differences)


@dataclass(frozen=True)
class Rewriting:
    """Steps of one table, what they cost together, and a form of them that costs less."""

    table: TableName
    steps: Sequence[Step]
    cost: Cost
    better: Form


@dataclass(frozen=True)
class Replay:
    """The steps, and the schema after them. `advice` is of changes that would cost less in another form."""

    steps: Sequence[Step]
    final: Shape
    advice: Sequence[Rewriting] = ()


def replayed(shadow: Shadow, sent: Sequence[Sent], *, algorithms: bool, failed: Collection[str] = ()) -> Replay:
    """Fill the copy anew and run them all, in order, each on a session for its connection; failures are kept.

    A session ends with the last statement of its connection, as that did. Without `algorithms` each is run as it is,
    and how the server does it is not asked. `failed` are the migrations that failed before.
    """
    shadow.fill()
    facts = shadow.server.facts
    last = {each.connection: place for place, each in enumerate(sent)}
    steps: dict[int, Step] = {}
    sessions: dict[int, Session] = {}
    forms = Forms(sent, facts, failed)
    with ExitStack() as stack:
        reader = stack.enter_context(Session(shadow.endpoint))
        before = read_shape(reader, facts, _databases(shadow, reader))
        for place, each in enumerate(sent):
            statement = each.statement
            if statement.kind is not Kind.READ:
                if each.connection not in sessions:
                    sessions[each.connection] = stack.enter_context(_session(shadow, statement))
                if algorithms and each.migration:
                    forms.at(place, sessions[each.connection])
                algorithm, failure, number = _tried(sessions[each.connection], facts, statement, algorithms=algorithms)
                if statement.kind is not Kind.SET:
                    after = before
                    if statement.kind in _STRUCTURE:
                        after = read_shape(reader, facts, _databases(shadow, reader))
                    steps[place] = Step(each.migration, statement, before, after, algorithm, failure, number)
                    before = after
            if place == last[each.connection] and each.connection in sessions:
                sessions[each.connection].close()
        return Replay(list(steps.values()), before, list(_cheaper(steps, forms.found)))


def _cheaper(steps: Mapping[int, Step], tried: Sequence[Advice]) -> Iterator[Rewriting]:
    for advice in tried:
        now = [steps[place] for place in advice.places]
        if any(each.failure for each in now):
            continue
        copies = [each for each in now if each.algorithm.name == "COPY"]
        rebuilds = [each for each in now if each.copies and each not in copies]
        cost = Cost(len(copies), len(rebuilds))
        if advice.better.cost < cost:
            yield Rewriting(advice.table, now, cost, advice.better)


def _session(shadow: Shadow, first: Statement) -> Session:
    session = Session(shadow.endpoint)
    # what one migration holds another waits for, as in the run; but not for ever
    session.execute(f"SET SESSION lock_wait_timeout = {_PATIENCE}, innodb_lock_wait_timeout = {_PATIENCE}")
    if first.database:
        _try(session, f"USE {quote(first.database)}")
    return session


def _tried(
    session: Session, facts: ServerFacts, statement: Statement, *, algorithms: bool
) -> tuple[Algorithm, str, int | None]:
    """By which algorithm it was done; or why it was not, and the server's number of that."""
    try:
        if algorithms:
            return execute(session, facts, statement), "", None
        session.execute(statement.bare)
    except ServerError as error:
        what = shown_message(error.what.partition(": ")[2] or error.what, statement.bare)
        return Algorithm(), what, error_number(error)
    return Algorithm(), "", None


def _databases(shadow: Shadow, session: Session) -> list[str]:
    return sorted({*shadow.databases, *own_databases(session)})


def _try(session: Session, sql: str) -> None:
    """A database that is not there yet, or no more, is told by the statement itself."""
    try:
        session.execute(sql)
    except ServerError:
        return
