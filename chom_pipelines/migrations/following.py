"""Whether what was seen of the migrations is all that they do: what was not understood is not verified. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence

from chom_pipelines.migrations.findings import MigrationFinding, info, unknown, warning
from chom_pipelines.migrations.production import Production
from chom_pipelines.migrations.replay import Step
from chom_pipelines.migrations.shapes import Shape, TableName
from chom_pipelines.migrations.sources import Run
from chom_pipelines.migrations.statements import Kind

_HARMLESS = re.compile(
    r"CREATE\b.*?\b(?:VIEW|PROCEDURE|FUNCTION|TRIGGER|EVENT|SEQUENCE)\b|(?:UN)?LOCK\s+TABLES?\b|ANALYZE\b|DROP\s+TEMPORARY\b",
    re.IGNORECASE | re.DOTALL,
)
"""Of statements that change no table: those that take nothing away."""
_DROPS = re.compile(
    r"DROP\s+(?P<kind>VIEW|PROCEDURE|FUNCTION|TRIGGER|EVENT|SEQUENCE)\s+(?:IF\s+EXISTS\s+)?(?P<name>[^\s;]+)",
    re.IGNORECASE,
)
_DEEP = "check with --deep, which runs it on the rows of the latest backup"


def readers(run: Run, production: Production) -> dict[str, set[TableName]]:
    """The migrations that read rows, of which the copy has none, and of which tables."""
    found: dict[str, set[TableName]] = {}
    for each in run.sent:
        read = each.statement.reads
        if each.migration and read is not None and read != run.history and production.size(read).rows:
            found.setdefault(each.migration, set()).add(read)
    return found


def check_rows_seen(run: Run, steps: Sequence[Step], production: Production) -> Iterator[MigrationFinding]:
    """What depends on rows that the copy does not have."""
    for migration, tables in readers(run, production).items():
        for table in sorted(tables):
            yield unknown(
                "RN04",
                f"{migration} reads rows of {'.'.join(table)}, of which the copy has none",
                why="what it does with them was not seen",
                remedy=_DEEP,
                migration=migration,
                object=".".join(table),
            )
    for step in steps:
        changed = step.statement.table
        if step.statement.kind is Kind.CHANGE and not step.failure and changed and production.size(changed).rows:
            yield info(
                "RN06",
                f"{step.statement.verb} was tried on {'.'.join(changed)} without its rows",
                why="a key that is taken, or a row that another refers to, shows with them alone",
                remedy=_DEEP,
                migration=step.migration,
                statement=step.statement.short(),
                object=".".join(changed),
            )


def check_following(
    run: Run, steps: Sequence[Step], final: Shape | None, replayed: Shape
) -> Iterator[MigrationFinding]:
    """Whether each statement was understood, and all together did in the replay what they did in the run.

    `final` is the copy's schema after the run, None where it was rolled back then.
    """
    succeeded = {each.migration.name for each in run.ran if not each.failure}
    for step in steps:
        why = _not_understood(step, succeeded)
        if why:
            yield _unfollowed(step, why)
        elif gone := _DROPS.match(step.statement.bare):
            what = f"{gone['kind'].lower()} {gone['name']}"
            yield warning(
                "DS07",
                f"the {what} is dropped",
                why="the code that runs until the deploy is through may use it",
                remedy="stop using it, deploy that, and drop it with the next deploy",
                migration=step.migration,
                statement=step.statement.short(),
                object=gone["name"].strip("`"),
            )
    if final is not None and (unlike := sorted(_unlike(final, replayed))):
        yield unknown(
            "RN05",
            f"what the migrations did to {', '.join(unlike[:5])} was not followed statement by statement",
            why="a statement was not written down by the copy, or does not do alone what it did in its place",
            remedy="look at these tables; or write that migration in plain statements",
            object=unlike[0],
        )


def _not_understood(step: Step, succeeded: Collection[str]) -> str:
    """Why, or "" where it was."""
    statement = step.statement
    if step.failure:
        return f"it failed when it was tried alone: {step.failure}" if step.migration in succeeded else ""
    if statement.kind is Kind.CHANGE and statement.table is None:
        return "whose rows it changes was not understood"
    if statement.kind is not Kind.OTHER or step.differences:
        return ""
    bare = statement.bare
    return "" if _HARMLESS.match(bare) or _DROPS.match(bare) else "what it does was not understood"


def _unfollowed(step: Step, why: str) -> MigrationFinding:
    return unknown(
        "RN05",
        f"a statement was not judged: {why}",
        remedy="look at it; or write it in plain statements",
        migration=step.migration,
        statement=step.statement.short(),
        object=".".join(step.statement.table or ()),
    )


def _unlike(one: Shape, other: Shape) -> Iterator[str]:
    for name in one.tables.keys() | other.tables.keys():
        ours, theirs = one.tables.get(name), other.tables.get(name)
        if ours is None or theirs is None or not ours.same_structure(theirs):
            yield ".".join(name)
