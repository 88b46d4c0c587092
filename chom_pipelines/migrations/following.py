"""Whether what was seen of the migrations is all that they do: what was not understood is not verified. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence

from chom_pipelines.migrations.findings import MigrationFinding, unknown, warning
from chom_pipelines.migrations.production import Production
from chom_pipelines.migrations.replay import Step
from chom_pipelines.migrations.shapes import Shape
from chom_pipelines.migrations.sources import Run
from chom_pipelines.migrations.statements import Kind

_HARMLESS = re.compile(
    r"CREATE\b.*?\b(?:VIEW|PROCEDURE|FUNCTION|TRIGGER|SEQUENCE)\b|LOCK\s+TABLES?\b|UNLOCK\s+TABLES\b"
    r"|ANALYZE\s+(?:(?:LOCAL|NO_WRITE_TO_BINLOG)\s+)?TABLES?\b|DROP\s+TEMPORARY\b",
    re.IGNORECASE | re.DOTALL,
)
"""Of statements that change no table: those that take nothing away."""
_DROPS = re.compile(
    r"DROP\s+(?P<kind>VIEW|PROCEDURE|FUNCTION|TRIGGER|EVENT|SEQUENCE)\s+(?:IF\s+EXISTS\s+)?(?P<name>[^\s;]+)",
    re.IGNORECASE,
)


_LOCKS = re.compile(r"LOCK\s+TABLES?\b", re.IGNORECASE)
_TRIGGER = re.compile(r"CREATE\b.*?\bTRIGGER\b", re.IGNORECASE)
_REPLACES = re.compile(
    r"CREATE\s+OR\s+REPLACE\s.*?\b(?P<kind>VIEW|PROCEDURE|FUNCTION)\s+(?:[\w`]+\s*\.\s*)?(?P<name>`[^`]+`|[\w$]+)",
    re.IGNORECASE | re.DOTALL,
)


def check_following(
    run: Run, steps: Sequence[Step], final: Shape | None, replayed: Shape, production: Production
) -> Iterator[MigrationFinding]:
    """Whether each statement was understood, and all together did in the replay what they did in the run.

    `final` is the copy's schema after the run, None where it was rolled back then.
    """
    succeeded = {each.migration.name for each in run.ran if not each.failure}
    for step in steps:
        why = _not_understood(step, succeeded)
        if why:
            yield _unfollowed(step, why)
            continue
        yield from _of_running_code(step, production)
        if gone := _DROPS.match(step.statement.bare):
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


def _of_running_code(step: Step, production: Production) -> Iterator[MigrationFinding]:
    """What tables, triggers and views do to the code that runs meanwhile."""
    place = {"migration": step.migration, "statement": step.statement.short()}
    plain = step.statement.plain
    live = sorted(
        table.label for name, table in production.shape.tables.items() if name[1].lower() in step.statement.names
    )
    if _LOCKS.match(plain) and live:
        yield warning(
            "LK09",
            f"{', '.join(live)} {'are' if len(live) > 1 else 'is'} locked by LOCK TABLES",
            why="the application waits until they are unlocked, or the connection ends",
            remedy="leave it out: a statement takes the locks that it needs",
            object=live[0],
            **place,
        )
    if step.failure or step.statement.kind is not Kind.OTHER:
        return
    if _TRIGGER.match(plain) and live:
        yield warning(
            "DS07",
            f"a trigger is made on {', '.join(live)}",
            why="the code that runs until the deploy is through runs it with each of its writes",
            remedy="see that it refuses nothing that this code writes",
            object=live[0],
            **place,
        )
    if (made := _REPLACES.match(plain)) and any(
        each.name.lower() == made["name"].strip("`").lower() for each in production.definitions
    ):
        yield warning(
            "DS07",
            f"the {made['kind'].lower()} {made['name']} is replaced",
            why="the code that runs until the deploy is through uses it as it was",
            remedy="keep what that code needs of it, or make it under another name",
            object=made["name"].strip("`"),
            **place,
        )


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
