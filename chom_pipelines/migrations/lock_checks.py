"""What the application would notice: rows that are copied, and locks that make it wait. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence

from chom_pipelines.log_lines import amount
from chom_pipelines.migrations.findings import MigrationFinding, error, info, warning
from chom_pipelines.migrations.forms import Cost
from chom_pipelines.migrations.prediction import predicted
from chom_pipelines.migrations.production import Production
from chom_pipelines.migrations.replay import Rewriting, Step
from chom_pipelines.migrations.statements import Kind

_LONG_SECONDS = 10.0
"""An application that waits longer has given up; half of that is told as a warning."""
_VERSIONS = {False: 64, True: 255}
_MANY_VERSIONS = (9, 1, 0)
_ENOUGH = 0.8
_COUNTER_SHARE = 0.8


def check_locks(steps: Sequence[Step], production: Production) -> Iterator[MigrationFinding]:
    """Of every statement that changes a table which production has."""
    for step in steps:
        if step.statement.kind not in {Kind.ALTER, Kind.INDEX}:
            continue
        for found in step.differences:
            if found.before is None or found.after is None or found.before.name not in production.shape.tables:
                continue
            yield from _one(step, found.before.label, production)
            if step.copies and found.after.foreign_keys.keys() - found.before.foreign_keys.keys():
                yield warning(
                    "FK07",
                    f"a foreign key is added to {found.before.label} by copying its rows",
                    why="with foreign_key_checks on, the server knows no other way",
                    remedy="SET SESSION foreign_key_checks = 0 for it, if neither FK04 nor DP03 is told: the server"
                    " looks for no rows without a parent then",
                    migration=step.migration,
                    statement=step.statement.short(),
                    object=found.before.label,
                )
            yield from _budget(step, found.before.name, production)


def check_counters(production: Production) -> Iterator[MigrationFinding]:
    """Columns that count and are soon at their end."""
    for table in production.shape.tables.values():
        following = production.size(table.name).next_number
        for column in table.columns.values():
            if column.counts and following and (limits := column.integers) and following > limits[1] * _COUNTER_SHARE:
                yield warning(
                    "DD07",
                    f"{table.label}.{column.name} is at {following:,} of {limits[1]:,}",
                    why="inserts fail when it is at its end",
                    remedy="make it BIGINT UNSIGNED while the table is small enough for that",
                    object=f"{table.label}.{column.name}",
                )


def _one(step: Step, label: str, production: Production) -> Iterator[MigrationFinding]:
    taken = predicted(step, production)
    algorithm = step.algorithm
    place = {"migration": step.migration, "statement": step.statement.short(), "object": label}
    evidence = {
        "algorithm": algorithm.name,
        "lock": algorithm.lock,
        "least_seconds": taken.least,
        "most_seconds": taken.most,
    }
    reason = f" ({algorithm.why_not})" if algorithm.why_not else ""
    if step.copies and algorithm.name in {"COPY", "INSTANT", ""}:
        said = (
            "" if algorithm.name == "COPY" else f", though the server accepts ALGORITHM={algorithm.name or 'DEFAULT'}"
        )
        found = error if taken.most > _LONG_SECONDS else warning
        yield found(
            "LK01",
            f"{label} is copied row by row{said}, {taken.words}, while writes wait{reason}",
            why="every write to it waits until the copy is done, and reads queue behind the last moment of it",
            remedy=_elsewhere(step),
            evidence=evidence,
            **place,
        )
    elif step.copies:
        yield warning(
            "LK02",
            f"{label} is built anew in place, {taken.words}; {algorithm.blocks} must wait{reason}",
            why="it takes disk, memory and I/O of the server, and a replica falls behind by as long",
            remedy="deploy it at a quiet time",
            evidence=evidence,
            **place,
        )
    elif algorithm.lock in {"SHARED", "EXCLUSIVE"}:
        found = error if taken.most > _LONG_SECONDS else warning
        yield found(
            "LK01",
            f"{algorithm.blocks} of {label} wait, {taken.words}{reason}",
            why="the server knows no way to do it without that lock",
            remedy=_elsewhere(step),
            evidence=evidence,
            **place,
        )
    elif taken.most > _LONG_SECONDS and not step.statement.names_algorithm:
        yield info(
            "LK04",
            f"{label}: {algorithm.words or 'done at once'}, {taken.words}, and the statement does not demand that",
            why="where the server cannot do it so, it copies the table instead of failing",
            remedy=f"add ALGORITHM={algorithm.name}" + (f", LOCK={algorithm.lock}" if algorithm.lock else ""),
            evidence=evidence,
            **place,
        )


def _elsewhere(step: Step) -> str:
    table, change = step.statement.table or ("", ""), shlex.quote(step.statement.after_table())
    return (
        "add a column beside it and move the rows in batches, or use a tool that copies in the background:"
        f"\npt-online-schema-change --alter {change} D={table[0]},t={table[1]} --execute"
        "\n(it does not work with triggers, gh-ost not with foreign keys; a UNIQUE index can lose rows with either)"
    )


def _budget(step: Step, table: tuple[str, str], production: Production) -> Iterator[MigrationFinding]:
    if production.facts.is_mariadb or step.algorithm.name != "INSTANT":
        return
    allowed = _VERSIONS[production.facts.version >= _MANY_VERSIONS]
    used = production.size(table).row_versions
    if used >= allowed * _ENOUGH:
        found = error if used >= allowed else warning
        yield found(
            "LK07",
            f"{'.'.join(table)} was changed instantly {used} times, and {allowed} are possible",
            why="the next change of that kind is refused, or copies the table",
            remedy=f"OPTIMIZE TABLE `{table[0]}`.`{table[1]}` at a quiet time",
            migration=step.migration,
            statement=step.statement.short(),
            object=".".join(table),
        )


def check_forms(advice: Sequence[Rewriting], production: Production) -> Iterator[MigrationFinding]:
    """Of changes that would cost less as one statement, or as several; both were tried."""
    for each in advice:
        if each.table not in production.shape.tables:
            continue
        count, better = len(each.steps), each.better
        form = "one ALTER TABLE" if len(better.statements) == 1 else f"{len(better.statements)} statements"
        yield info(
            "LK05",
            f"{'.'.join(each.table)} is {_written(each.cost)} by {amount(count, 'statement')},"
            f" and {_written(better.cost)} by {form}",
            why="this server was asked for both, on an empty table like it",
            remedy=";\n".join(better.statements),
            migration=each.steps[0].migration,
            statement=each.steps[0].statement.short(),
            object=".".join(each.table),
            evidence={"statements": [one.statement.short() for one in each.steps]},
        )


def _written(cost: Cost) -> str:
    if cost == Cost(0, 0):
        return "not written anew"
    parts = (
        f"copied {cost.copies} times" if cost.copies else "",
        f"built anew {cost.rebuilds} times" * bool(cost.rebuilds),
    )
    return " and ".join(filter(None, parts)).replace("1 times", "once").replace("2 times", "twice")
