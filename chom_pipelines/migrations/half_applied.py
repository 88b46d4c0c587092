"""A migration that was begun before and stopped: what of it is done, the SQL that finishes it, and what undoes it.

MySQL and MariaDB commit before and after each statement that changes a schema. What a failed migration has done stays,
and is not recorded, so that the next try meets it.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from chom_pipelines.errors import ServerError
from chom_pipelines.log_lines import amount
from chom_pipelines.migrations.findings import MigrationFinding, error
from chom_pipelines.migrations.replay import Step, replayed
from chom_pipelines.migrations.shadow import Shadow
from chom_pipelines.migrations.shapes import Difference, Shape, Table, TableName
from chom_pipelines.migrations.sources import Ran, Run, Source
from chom_pipelines.migrations.statements import Kind, Statement
from chom_pipelines.server.identifiers import qualified, quote

_THERE_ALREADY = {1050, 1060, 1061, 1005, 1826}
_NAME = re.compile(r"(?:Duplicate column name|Duplicate key name|constraint name|Table) [`'\"]([^`'\"]+)[`'\"]")
_CANNOT_CREATE = 1005


@dataclass(frozen=True)
class _Made:
    """Something that a statement has made: its kind, its table and its name, and how it is taken away."""

    kind: str
    table: tuple[str, str]
    name: str

    @property
    def removal(self) -> str:
        """The SQL for that."""
        if self.kind == "table":
            return f"DROP TABLE {qualified(*self.table)}"
        word = {"column": "COLUMN", "index": "INDEX", "key": "FOREIGN KEY"}[self.kind]
        return f"ALTER TABLE {qualified(*self.table)} DROP {word} {quote(self.name)}"

    def is_in(self, wanted: Shape, there: Shape) -> bool:
        """Whether it is there as it is wanted; where a column stands, or what a table has beyond it, does not count."""
        ours, theirs = wanted.tables.get(self.table), there.tables.get(self.table)
        if ours is None or theirs is None:
            return False
        if self.kind == "table":
            return _parts(ours) <= _parts(theirs)
        if self.kind == "column":
            mine, its = ours.columns.get(self.name), theirs.columns.get(self.name)
            return mine is not None and its is not None and mine.essence == its.essence
        if self.kind == "index":
            return ours.indexes.get(self.name) == theirs.indexes.get(self.name) is not None
        return ours.foreign_keys.get(self.name) == theirs.foreign_keys.get(self.name) is not None


def half_applied(
    source: Source, shadow: Shadow, run: Run, has_rows: Callable[[TableName], bool], timeout: float
) -> Iterator[MigrationFinding]:
    """Of the first migration that met what is there already, if that is what the migration itself makes.

    What it meets is taken away on the copy, one after the other, until the migration runs through: then its statements
    are known, and each is done where production has what it makes. The copy is left as that. `has_rows` is asked of
    production before a way back is given: none is where rows would be lost. Where nothing is recorded at all, this is
    no matter of one migration.
    """
    production = shadow.production
    failed = next((each for each in run.ran if _meets(each)), None)
    if failed is None or (run.history not in production.shape.tables and any(run.history)):
        return
    name = failed.migration.name
    again = _run_through(source, shadow, name, timeout)
    if again is None:
        return
    steps = [each for each in replayed(shadow, again.sent, algorithms=False).steps if each.migration == name]
    recording = [each for each in steps if each.statement.table == run.history]
    steps = [each for each in steps if each.statement.table != run.history]
    if not steps:
        return
    last = steps[-1].after  # a later statement may have changed what an earlier one had made
    done = [
        bool(made := list(_made(step)))
        and all(any(each.is_in(shape, production.shape) for shape in (step.after, last)) for each in made)
        for step in steps
    ]
    if not any(done):
        return  # what is there under those names is something else: that is told as such
    yield _told(name, run, _Diagnosis(steps, done, recording), has_rows)


@dataclass(frozen=True)
class _Diagnosis:
    """The statements of a migration, whether production has what each makes, and those that record it."""

    steps: Sequence[Step]
    done: Sequence[bool]
    recording: Sequence[Step]

    @property
    def last_done(self) -> int:
        """The place of the last statement of which that is known."""
        return max(place for place, each in enumerate(self.done) if each)

    def finishing(self) -> Iterator[str]:
        """The rest. A change of rows leaves nothing to be known by: one before what is done was done, too."""
        unsure = True
        for place, (step, done) in enumerate(zip(self.steps, self.done, strict=True)):
            is_change = step.statement.kind is Kind.CHANGE
            if done or (is_change and place < self.last_done):
                continue
            if is_change and unsure:
                yield f"-- not known whether this was run, look first: {step.statement.bare};"
                continue
            unsure = False
            yield f"{step.statement.bare};"
        yield from (f"{each.statement.bare};" for each in self.recording)

    def made(self) -> list[_Made]:
        """What it has made, the last first; without what goes with something else."""
        every = [each for step, done in zip(self.steps, self.done, strict=True) if done for each in _made(step)]
        return [each for each in reversed(every) if not _goes_with(each, every)]


def _told(name: str, run: Run, found: _Diagnosis, has_rows: Callable[[TableName], bool]) -> MigrationFinding:
    finishing, made = list(found.finishing()), found.made()
    whole = all(done or step.statement.kind is Kind.CHANGE for step, done in zip(found.steps, found.done, strict=True))
    lost = sorted({".".join(each.table) for each in made if each.kind in {"table", "column"} and has_rows(each.table)})
    undoing = [] if lost or whole else [f"{each.removal};" for each in made]
    use = [f"USE {quote(run.database)};"]
    back = ["-- or take it back, and let it run again:", *undoing]
    if lost:
        back = [f"-- there is no way back by SQL: {', '.join(lost)} has rows, which would be lost"]
    count = sum(found.done)
    what = f"{name} was begun before and stopped: {amount(len(found.steps), 'statement')}, of which {count} are done"
    if whole:
        what = f"all that {name} makes is there already, and it is not recorded: was its file renamed?"
        back = []
    return error(
        "HS08",
        what,
        why="it is not recorded, so that it is run again, and stops at the first thing that is there already",
        remedy="\n".join(("-- read it first; either finish it:", *use, *finishing, *back)),
        migration=name,
        object=run.database,
        evidence={
            "done": [f"{each.kind} {each.name}" for each in reversed(made)],
            "finish": finishing,
            "undo": undoing,
        },
    )


def _meets(ran: Ran) -> bool:
    """Whether it failed at something that is there already; of MariaDB's 1005 only with that reason."""
    return ran.number in _THERE_ALREADY and (ran.number != _CANNOT_CREATE or "errno: 121" in ran.failure)


def _run_through(source: Source, shadow: Shadow, name: str, timeout: float) -> Run | None:
    """Take away on the copy what the migration meets, until it runs; None where something else stops it."""
    shadow.removed.clear()
    give_up = time.monotonic() + timeout
    while time.monotonic() < give_up:
        try:
            shadow.fill()
        except ServerError:  # what it met is not what its name says: there is no diagnosis, and the failure is told
            return None
        again = source.run(shadow, timeout)
        ran = next(each for each in again.ran if each.migration.name == name)
        if not ran.failure:
            return again
        met = _met(ran, again)
        if met is None or met.removal in shadow.removed:
            return None
        shadow.removed.append(met.removal)
    return None


def _met(ran: Ran, run: Run) -> _Made | None:
    """What was there already, by the statement that failed and the server's words."""
    if not _meets(ran):
        return None
    changes = [each.statement for each in run.sent if each.migration == ran.migration.name]
    statement = next((each for each in reversed(changes) if each.kind not in {Kind.READ, Kind.SET}), None)
    table = statement.table if statement else None
    if statement is None or table is None:
        return None
    if statement.kind is Kind.CREATE:
        return _Made("table", table, table[1]) if ran.number == 1050 else None  # noqa: PLR2004  (it exists)
    found = _NAME.search(ran.failure)
    kind = {1060: "column", 1061: "index", 1826: "key"}.get(ran.number or 0)
    if kind is None:  # of MariaDB: it cannot create the table, error 121
        return _key_of(statement, table)
    return _Made(kind, table, found[1].rpartition(".")[2]) if found else None


def _key_of(statement: Statement, table: tuple[str, str]) -> _Made | None:
    named = re.search(r"CONSTRAINT\s+`?(\w+)`?", statement.bare, re.IGNORECASE)
    return _Made("key", table, named[1]) if named else None


def _made(step: Step) -> Iterator[_Made]:
    for found in step.differences:
        yield from _made_of(found)


def _made_of(found: Difference) -> Iterator[_Made]:
    before, after = found.before, found.after
    if after is None:
        return
    if before is None:
        yield _Made("table", after.name, after.name[1])
        return
    yield from (_Made("column", after.name, name) for name in after.columns if name not in before.columns)
    yield from (_Made("index", after.name, name) for name in after.indexes if name not in before.indexes)
    yield from (_Made("key", after.name, name) for name in after.foreign_keys if name not in before.foreign_keys)


def _goes_with(made: _Made, done: Sequence[_Made]) -> bool:
    """Whether the removal of something else removes it: of its table, or of the column that it is made of."""
    return made.kind != "table" and any(each.kind == "table" and each.table == made.table for each in done)


def _parts(table: Table) -> set[object]:
    columns = {(name, column.essence) for name, column in table.columns.items()}
    return columns | set(table.indexes.values()) | set(table.foreign_keys.values())
