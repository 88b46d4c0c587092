"""Columns that count, and how much of what their type can hold is used."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from chom_pipelines.errors import ServerError
from chom_pipelines.monitoring.readers.reading import Reading
from chom_pipelines.monitoring.readers.tables import TABLE_PRIVILEGE
from chom_pipelines.monitoring.readers.visible import visible
from chom_pipelines.server.connection import Session
from chom_pipelines.server.facts import ServerFacts

AUTO_INCREMENT = "auto_increment"
"""The collector, and the capability."""

MOST = 20
"""So many are told of, the fullest."""
_BITS = {"tinyint": 8, "smallint": 16, "mediumint": 24, "int": 32, "bigint": 64}
_QUERY = """
SELECT t.table_schema, t.table_name, c.column_name, c.data_type, c.column_type LIKE '%unsigned%', t.auto_increment
FROM information_schema.tables t JOIN information_schema.columns c
  ON c.table_schema = t.table_schema AND c.table_name = t.table_name
  AND BINARY c.table_schema = BINARY t.table_schema AND BINARY c.table_name = BINARY t.table_name
  AND c.extra LIKE '%auto_increment%'
WHERE t.auto_increment IS NOT NULL AND t.table_schema IN {databases}
"""
"""MariaDB compares these names without case, and keeps both tables; what is BINARY alone finds no table by its name."""


@dataclass(frozen=True)
class Counter:
    """One column; `used` is from 0 to 1."""

    database: str
    table: str
    column: str
    used: float


def read_counters(
    session: Session, facts: ServerFacts, databases: Sequence[str] | None
) -> Reading[tuple[Counter, ...]]:
    """The fullest ones, in that order. Raises nothing for what a server refuses."""
    started = time.monotonic()
    try:
        seen = visible(session, facts, databases, AUTO_INCREMENT, TABLE_PRIVILEGE)
        rows = session.rows(_QUERY.format(databases=seen.as_list)) if seen.databases else []
    except ServerError as error:
        return Reading(AUTO_INCREMENT, None, time.monotonic() - started, failure=error.what)
    found = [
        Counter(str(database), str(table), str(column), used(str(kind), int(following), unsigned=bool(unsigned)))
        for database, table, column, kind, unsigned, following in rows
        if str(kind) in _BITS
    ]
    value = tuple(sorted(found, key=lambda each: -each.used)[:MOST])
    return Reading(
        AUTO_INCREMENT,
        None if seen.lacks and not seen.databases else value,
        time.monotonic() - started,
        capabilities=() if seen.lacks else (AUTO_INCREMENT,),
        lacks=seen.lacks,
    )


def used(kind: str, following: int, *, unsigned: bool) -> float:
    """Of what an integer type can hold, when `following` is the next number. Pure."""
    bits = _BITS[kind] if unsigned else _BITS[kind] - 1
    return min((following - 1) / float(2**bits - 1), 1.0)
