"""What is dangerous in a statement itself: rows that are removed, databases that are dropped. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from chom_pipelines.migrations.findings import MigrationFinding, error, unknown
from chom_pipelines.migrations.production import Production
from chom_pipelines.migrations.replay import Step
from chom_pipelines.migrations.statements import Kind

_TWO_PHASES = "stop using it, deploy that, and drop it with the next deploy; `chom backup` first"


def check_statement(step: Step, production: Production) -> Iterator[MigrationFinding]:
    """Of rows that it removes or changes, whatever becomes of the schema."""
    statement = step.statement
    rows = production.size(statement.table).rows
    label = ".".join(statement.table or ())
    lives = statement.table in production.shape.tables
    if statement.kind is Kind.TRUNCATE and not step.failure and lives:
        what = f"all rows of {label} are removed (about {rows:,} now)"
        yield _placed(error("DS04", what, object=label, remedy="take a backup first"), step)
    if not step.failure and lives:
        yield from (_placed(finding, step) for finding in _partitions(step, label))
    if statement.is_for_every_row and lives:
        yield _placed(
            error(
                "DS04",
                f"{statement.verb} without WHERE changes all of {label} (about {rows:,} rows) in one transaction",
                why="its locks hold up the application, its undo and binary log are as large as the table",
                remedy="do it in batches by key, after the deploy",
                object=label,
            ),
            step,
        )
    for database in sorted(step.before.databases - step.after.databases):
        yield _placed(error("DS01", f"the database {database} is dropped", remedy=_TWO_PHASES, object=database), step)


def _partitions(step: Step, label: str) -> Iterator[MigrationFinding]:
    if step.statement.clauses.loses_partitions:
        what = f"rows of {label} are removed with a partition or its history, or go into another table"
        yield error("DS08", what, object=label, remedy="take a backup first")
    elif step.statement.clauses.divides_anew:
        yield unknown(
            "DS08",
            f"the rows of {label} are divided into other partitions, and whether each has one was not asked",
            why="the statement fails where one has none, or leaves it out",
            remedy="check with --deep, which runs it on the rows of the latest backup",
            object=label,
        )


def _placed(finding: MigrationFinding, step: Step) -> MigrationFinding:
    return replace(finding, migration=step.migration, statement=step.statement.short())
