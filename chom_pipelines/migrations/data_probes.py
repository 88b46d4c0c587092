"""Questions to production's own rows that an empty copy cannot answer: reads only, within a deadline, one at a time."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace

from chom_pipelines.errors import ServerError
from chom_pipelines.migrations.column_probes import of_columns
from chom_pipelines.migrations.findings import MigrationFinding
from chom_pipelines.migrations.key_probes import of_checks, of_indexes, of_keys
from chom_pipelines.migrations.probes import Probe, asked, counted, limit
from chom_pipelines.migrations.production import Production
from chom_pipelines.migrations.replay import Step
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
    names: dict[TableName, dict[str, str]] = {}
    for step in steps:
        for found in step.differences:
            live = production.shape.tables.get(found.before.name) if found.before else None
            if found.before is None or live is None:
                continue
            if found.after is None:
                if step.statement.kind is not Kind.DATABASE:  # which is told as such
                    yield _of_dropped(step, live)
                continue
            earlier = names.setdefault(live.name, {})
            former = {**earlier, **{new: earlier.get(old, old) for new, old in step.renamed.items()}}
            wanted = (
                *of_columns(step, found, live),
                *of_indexes(step, found, live, former),
                *of_keys(step, found, live, production, changed),
                *of_checks(step, found, live),
            )
            # what the rows will be after a statement has changed them, the rows of now do not tell
            for each in wanted:
                yield (
                    each
                    if each.unaskable or each.code == "DS03"
                    else replace(each, unaskable=changed.get(live.name, ""))
                )
            names[live.name] = former
        if step.statement.kind in {Kind.CHANGE, Kind.TRUNCATE} and step.statement.table:
            changed[step.statement.table] = f"a statement before changes these rows ({step.statement.short(60)})"


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
