"""Whether production is what its migrations make: all of them are run on an empty copy, and both ends are compared."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from chom_pipelines.errors import ChomError, ScratchServerError
from chom_pipelines.migrations.findings import MigrationFinding, info, warning
from chom_pipelines.migrations.shadow import Shadow
from chom_pipelines.migrations.shapes import Shape, Table
from chom_pipelines.migrations.sources import Run, Source

_SHOWN = 5
_LATER = "what is tried with these migrations elsewhere is not what happens in production"


def check_drift(source: Source, shadow: Shadow, run: Run, after: Shape, timeout: float) -> Iterator[MigrationFinding]:
    """Compare what all migrations make of empty databases with `after`, which the pending ones made of production's.

    Where a pending one fails, or nothing is recorded, there is nothing to compare. What they made stays on the copy.
    """
    if any(each.failure for each in run.ran) or run.history not in shadow.production.shape.tables:
        return
    if source.is_squashed:
        yield info("HS10", "the first migrations were squashed into a dump, so that drift is not looked for")
        return
    bare = [each for each in shadow.production.definitions if each.kind == "database"]
    empty = replace(shadow, production=replace(shadow.production, definitions=bare, records={}), removed=[])
    try:
        empty.fill()
        anew = source.run(empty, timeout)
    except ScratchServerError:
        raise
    except ChomError as problem:
        yield _unknown(problem.what)
        return
    if failed := next((each for each in anew.ran if each.failure), None):
        yield _unknown(f"{failed.migration.name}: {' '.join(failed.failure.split())[:160]}", failed.migration.name)
        return
    yield from drifted(after, empty.shape(), run.history)


def drifted(production: Shape, made: Shape, history: tuple[str, str]) -> Iterator[MigrationFinding]:
    """A finding for each table that differs, but for the one in which migrations are recorded. Pure."""
    for name in sorted(production.tables.keys() | made.tables.keys()):
        here, there = production.tables.get(name), made.tables.get(name)
        if name == history or (here and there and not (said := list(_unlike(here, there)))):
            continue
        label = ".".join(name)
        if there is None:
            what = f"{label} is in production, and no migration makes it"
        elif here is None:
            what = f"{label} is made by the migrations, and is not in production"
        else:
            more = f", and {len(said) - _SHOWN} more" if len(said) > _SHOWN else ""
            what = f"{label} is not as the migrations make it: {'; '.join(said[:_SHOWN])}{more}"
        yield warning(
            "HS10", what, why=_LATER, remedy="write a migration that makes it so, or undo the change", object=label
        )


def _unlike(here: Table, there: Table) -> Iterator[str]:
    """Where columns stand, and how constraints are called, is left out."""
    for name in sorted(here.columns.keys() | there.columns.keys()):
        mine, theirs = here.columns.get(name), there.columns.get(name)
        if mine is None or theirs is None:
            yield f"column {name} is {'only in production' if mine else 'missing in production'}"
        elif mine.essence != theirs.essence:
            differing = (
                "of another default, or collation" if mine.type == theirs.type else f"{mine.type}, not {theirs.type}"
            )
            if mine.nullable != theirs.nullable:
                differing = "NULL, not NOT NULL" if mine.nullable else "NOT NULL, not NULL"
            yield f"column {name} is {differing}"
    for what, ours, others in (
        ("index on", _indexes(here), _indexes(there)),
        ("foreign key on", _keys(here), _keys(there)),
        ("check", set(here.checks.values()), set(there.checks.values())),
    ):
        yield from (f"{what} {each} is only in production" for each in sorted(ours - others))
        yield from (f"{what} {each} is missing in production" for each in sorted(others - ours))
    if here.engine != there.engine:
        yield f"engine {here.engine}, not {there.engine}"


def _indexes(table: Table) -> set[str]:
    return {("unique " if each.unique else "") + ", ".join(each.columns) for each in table.indexes.values()}


def _keys(table: Table) -> set[str]:
    return {f"{', '.join(each.columns)} to {'.'.join(each.parent)}" for each in table.foreign_keys.values()}


def _unknown(reason: str, migration: str = "") -> MigrationFinding:
    return warning(
        "HS10",
        f"whether production is as its migrations make it is not known: on an empty database they fail: {reason}",
        why="a new copy of the database cannot be made by them, as tests and new machines do",
        remedy="mend that migration for new databases, or squash those that were run",
        migration=migration,
        object="schema",
    )
