"""The sizes of tables."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from chom_pipelines.errors import ServerError
from chom_pipelines.monitoring.readers.reading import Reading
from chom_pipelines.monitoring.readers.visible import visible
from chom_pipelines.server.connection import Row, Session
from chom_pipelines.server.facts import ServerFacts
from chom_pipelines.server.grants import Wanted
from chom_pipelines.server.questions import tell_current_sizes

TABLE_SIZES = "table_sizes"
"""The capability."""

TABLE_PRIVILEGE = Wanted(
    "REFERENCES",  # which gives away nothing of the rows
    None,
    "sees the sizes of tables, which are missing without an error otherwise",
    ("SELECT", "INSERT", "SHOW VIEW", "TRIGGER", "INDEX"),
)
_SIZES = """
SELECT t.table_schema, t.table_name, t.engine, t.data_length, t.index_length, t.data_free, t.table_rows, t.table_comment
FROM information_schema.tables t WHERE t.table_type <> 'VIEW' AND t.table_schema IN {databases}
"""
"""Not `= 'BASE TABLE'`: MariaDB's system-versioned tables and sequences are of types of their own."""
_NAMED = 3
_MERGE = "MRG_MYISAM"


@dataclass(frozen=True)
class TableSize:
    """Of one table, in bytes; `rows` is the server's estimate. `reclaimable` is what a rebuild could give back."""

    database: str
    table: str
    engine: str
    data: int
    index: int
    reclaimable: int
    rows: int

    @property
    def total(self) -> int:
        """Data and indexes."""
        return self.data + self.index


def read_tables(
    session: Session, facts: ServerFacts, databases: Sequence[str] | None
) -> Reading[tuple[TableSize, ...]]:
    """Every table of these databases, or of all (None) but the server's own, partitions summed; by database and name.

    The value holds the databases that the account sees whole; a Lack has the GRANT for each of the others. Tables that
    the server cannot open are named in `failure`, and are not among them. Raises nothing for what a server refuses.
    """
    started = time.monotonic()
    try:
        tell_current_sizes(session, facts)
        seen = visible(session, facts, databases, TABLE_SIZES, TABLE_PRIVILEGE)
        rows = session.rows(_SIZES.format(databases=seen.as_list)) if seen.databases else []
        complaints = {message for _, _, message in session.warnings()} if rows else set()
    except ServerError as error:
        return Reading(TABLE_SIZES, None, time.monotonic() - started, failure=error.what)
    nothing_seen = bool(seen.lacks) and not seen.databases
    return Reading(
        TABLE_SIZES,
        None if nothing_seen else tuple(sorted(_sizes(rows, complaints), key=lambda each: (each.database, each.table))),
        time.monotonic() - started,
        capabilities=() if seen.lacks else (TABLE_SIZES,),
        lacks=seen.lacks,
        failure=_unreadable(rows, complaints),
    )


def _sizes(rows: Sequence[Row], complaints: AbstractSet[str]) -> Iterator[TableSize]:
    for database, table, engine, data, index, free, count, comment in rows:
        if data is None or _is_broken(engine, comment, complaints):
            continue  # without a size: its rows are on another server
        if str(engine).upper() == _MERGE:  # its bytes are those of its members, which are listed
            data = index = free = 0  # noqa: PLW2901
        yield TableSize(
            *(str(database), str(table), str(engine)),
            *(int(data), int(index or 0), int(free or 0), int(count or 0)),
        )


def _unreadable(rows: Sequence[Row], complaints: AbstractSet[str]) -> str | None:
    """What the server says of tables that it cannot open."""
    broken = [
        f"{database}.{table}: {comment}"
        for database, table, engine, *_, comment in rows
        if _is_broken(engine, comment, complaints)
    ]
    if not broken:
        return None
    more = f", and {len(broken) - _NAMED} more" if len(broken) > _NAMED else ""
    return f"the server cannot tell the size of {'; '.join(broken[:_NAMED])}{more}"


def _is_broken(engine: str | None, comment: str, complaints: AbstractSet[str]) -> bool:
    """The error stands in the place of the comment, and is a warning too: MySQL's sizes are 0 then, MariaDB's NULL."""
    return engine is None or comment in complaints
