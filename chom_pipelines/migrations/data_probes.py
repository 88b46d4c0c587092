"""Questions to production's own rows that an empty copy cannot answer: reads only, within a deadline, one at a time."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace

from chom_pipelines.errors import ServerError
from chom_pipelines.migrations.column_probes import ColumnProbes
from chom_pipelines.migrations.findings import MigrationFinding
from chom_pipelines.migrations.key_probes import KeyProbes
from chom_pipelines.migrations.probes import Probe, asked, counted, limit
from chom_pipelines.migrations.production import Production
from chom_pipelines.migrations.replay import Step
from chom_pipelines.migrations.rows_then import RowsThen
from chom_pipelines.migrations.shapes import Table, TableName
from chom_pipelines.migrations.statements import Kind
from chom_pipelines.server.connection import Session
from chom_pipelines.server.identifiers import qualified


def check_rows(
    session: Session, steps: Sequence[Step], production: Production, seconds: float
) -> Iterator[MigrationFinding]:
    """Ask what the statements make necessary, for at most so many seconds; what was not asked is not verified."""
    give_up = time.monotonic() + seconds
    probes = list(_probes(steps, production))
    try:
        for probe in probes:
            yield from asked(session, probe, production, give_up - time.monotonic())
    finally:
        with suppress(ServerError):
            limit(session, production, 0)


def _probes(steps: Sequence[Step], production: Production) -> Iterator[Probe]:
    changed: dict[TableName, str] = {}
    then = {name: RowsThen.now(table) for name, table in production.shape.tables.items()}
    for step in steps:
        later: dict[TableName, RowsThen] = {}
        for found in step.differences:
            rows = then.pop(found.before.name, None) if found.before else None
            if found.before is None or rows is None:
                continue
            if found.after is None:
                if step.statement.kind is not Kind.DATABASE:  # which is told as such
                    yield _of_dropped(step, rows.live)
                continue
            after = rows.after(step, found.before, found.after, is_mariadb=production.facts.is_mariadb)
            later[found.after.name] = after
            wanted = (
                *ColumnProbes(step, found.before, found.after, rows, production).all(),
                *KeyProbes(step, found.before, found.after, after, production, changed).all(),
            )
            # what the rows will be after a statement has changed them, the rows of now do not tell
            for each in wanted:
                if each.code == "DS03" or found.before.name not in changed:
                    yield each
                else:
                    yield replace(each, unaskable=changed[found.before.name], only_where=None)
        then |= later
        changed |= dict.fromkeys(
            _changed_by(step), f"a statement before changes these rows ({step.statement.short(60)})"
        )


def _changed_by(step: Step) -> Iterator[TableName]:
    """Tables whose rows are others after it; with rows go those that refer to them, where the key says so."""
    if step.statement.kind is Kind.TRUNCATE and step.statement.table:
        yield step.statement.table
    if step.statement.kind is not Kind.CHANGE and not step.statement.selects:
        return
    named = step.statement.touched
    for table in step.after.tables.values():
        if table.name[1].lower() in named or table.name == step.statement.table:
            yield table.name
            if step.statement.kind is Kind.CHANGE:
                yield from (child.name for child, _ in step.after.children_of(table.name))


def _of_dropped(step: Step, live: Table) -> Probe:
    return Probe(
        "DS02",
        counted(qualified(*live.name)),
        f"{live.label} is dropped, and has at least {{found}} rows",
        "they are gone, and the code that runs until the deploy is through uses them",
        "stop using it, deploy that, and drop it with the next deploy; `chom backup` first",
        live.label,
        step,
        harmless=f"{live.label} is dropped, and has no rows",
    )
