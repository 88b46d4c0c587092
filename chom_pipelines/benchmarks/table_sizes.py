"""How large the databases of a server are: read from its information_schema, and nothing else is asked of it."""

from __future__ import annotations

from collections.abc import Sequence

from chom_pipelines.benchmarks.report import Sizes, TableSize
from chom_pipelines.server.connection import Session
from chom_pipelines.server.facts import ServerFacts
from chom_pipelines.server.identifiers import literal
from chom_pipelines.server.questions import SYSTEM, tell_current_sizes

LARGEST = 50
"""Tables that are listed one by one."""

_SHARED = "innodb_file_per_table"


def read_sizes(session: Session, facts: ServerFacts, databases: Sequence[str] | None) -> Sizes:
    """Of these databases (None: all but the server's own); raises the server's errors.

    A table in a shared tablespace is told the free space of all of that, so it counts only where each has its own.
    """
    tell_current_sizes(session, facts)
    chosen = f"NOT IN {SYSTEM}" if databases is None else f"IN ({', '.join(map(literal, databases))})"
    free = "DATA_FREE" if int(session.value(f"SELECT @@{_SHARED}")) else "0"
    rows = session.rows(
        "SELECT CONCAT(TABLE_SCHEMA, '.', TABLE_NAME), COALESCE(ENGINE, ''), COALESCE(TABLE_ROWS, 0), "
        f"COALESCE(DATA_LENGTH, 0), COALESCE(INDEX_LENGTH, 0), COALESCE({free}, 0) FROM information_schema.TABLES "
        f"WHERE TABLE_TYPE = 'BASE TABLE' AND TABLE_SCHEMA {chosen}"
    )
    tables = [
        TableSize(
            table=str(name),
            engine=str(engine),
            rows=int(count),
            data_bytes=int(data),
            index_bytes=int(index),
            reclaimable_bytes=int(unused),
        )
        for name, engine, count, data, index, unused in rows
    ]
    tables.sort(key=lambda table: (-table.data_bytes - table.index_bytes, table.table))
    return Sizes(
        tables=len(tables),
        rows=sum(table.rows for table in tables),
        data_bytes=sum(table.data_bytes for table in tables),
        index_bytes=sum(table.index_bytes for table in tables),
        reclaimable_bytes=sum(table.reclaimable_bytes for table in tables),
        largest=tuple(tables[:LARGEST]),
    )
