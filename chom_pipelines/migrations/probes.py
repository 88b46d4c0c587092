"""A question to production's own rows, and how it is asked: reads only, within a deadline."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from chom_pipelines.errors import ServerError
from chom_pipelines.migrations.findings import MigrationFinding, error, info, unknown
from chom_pipelines.migrations.production import Production
from chom_pipelines.migrations.replay import Step
from chom_pipelines.migrations.shapes import Table
from chom_pipelines.server.connection import Session, error_number
from chom_pipelines.server.identifiers import qualified

SHOWN = 5
"""Rows that are named, of those that stand in the way."""
_TOO_LONG = {1969, 3024, 1317}
"""A statement was ended by its limit: max_statement_time, max_execution_time."""
_MOST_COUNTED = 1000


@dataclass(frozen=True)
class Probe:
    """A query that names offending rows, at most some of them; none where the statement can be done."""

    code: str
    sql: str
    what: str
    """With `{found}` for what was found."""
    why: str
    remedy: str
    object: str
    step: Step
    harmless: str = ""
    """What to say, for information, where nothing was found; "" for nothing."""
    unaskable: str = ""
    """Why production's rows of now do not answer it; "" where they do."""
    only_where: Table | None = None
    """Where this has no rows, what is unaskable is no question."""


def asked(session: Session, probe: Probe, production: Production, seconds: float) -> Iterator[MigrationFinding]:
    """Ask it, and say what was found; what could not be asked within that time is not verified."""
    place = {"migration": probe.step.migration, "statement": probe.step.statement.short(), "object": probe.object}
    if probe.unaskable:
        if probe.only_where and not _has_rows(session, probe.only_where, production, seconds):
            return
        remedy = "check with --deep, which runs it on the rows of the latest backup"
        yield unknown(probe.code, f"{probe.object} was not asked: {probe.unaskable}", remedy=remedy, **place)
        return
    if seconds <= 0:
        yield unknown(probe.code, f"{probe.object} was not asked: the time for questions to rows is over", **place)
        return
    try:
        limit(session, production, seconds)
        rows = session.rows(probe.sql)
    except ServerError as refused:
        why = "it took too long" if error_number(refused) in _TOO_LONG else refused.what
        remedy = f"ask it at a quiet time, or on a replica:\n{probe.sql}"
        yield unknown(probe.code, f"{probe.object} could not be asked: {why}", remedy=remedy, **place)
        return
    if rows:
        found = "; ".join(", ".join(map(_shown, row)) for row in rows[:SHOWN])
        evidence = {"query": probe.sql, "rows": [[_shown(value) for value in row] for row in rows[:SHOWN]]}
        yield error(
            probe.code,
            probe.what.replace("{found}", found),
            why=probe.why,
            remedy=probe.remedy,
            evidence=evidence,
            **place,
        )
    elif probe.harmless:
        yield info(probe.code, probe.harmless, evidence={"query": probe.sql}, **place)


def _has_rows(session: Session, table: Table, production: Production, seconds: float) -> bool:
    """Whether it has any; what does not answer may have some."""
    if seconds <= 0:
        return True
    try:
        limit(session, production, seconds)
        return bool(session.rows(f"SELECT 1 FROM {qualified(*table.name)} LIMIT 1"))
    except ServerError:
        return True


def limit(session: Session, production: Production, seconds: float) -> None:
    """Of seconds that a statement may take; 0 for none."""
    if production.facts.is_mariadb:
        session.execute(f"SET SESSION max_statement_time = {max(seconds, 0):.3f}")
    else:
        session.execute(f"SET SESSION max_execution_time = {max(int(seconds * 1000), 0)}")


def _shown(value: object) -> str:
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    return text if len(text) <= 40 else text[:39] + "…"  # noqa: PLR2004  (of a key, to be recognised)


def counted(rows: str) -> str:
    """How many there are, up to some number; no row where there are none."""
    return f"SELECT COUNT(*) FROM (SELECT 1 FROM {rows} LIMIT {_MOST_COUNTED}) f HAVING COUNT(*) > 0"
