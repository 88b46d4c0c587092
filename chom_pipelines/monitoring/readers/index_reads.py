"""How often each index was read since its server counts: by performance_schema, or by MariaDB's userstat."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from chom_pipelines.monitoring.readers.reading import Lack
from chom_pipelines.monitoring.readers.visible import Visible, visible
from chom_pipelines.server.connection import Session
from chom_pipelines.server.facts import ServerFacts
from chom_pipelines.server.grants import Wanted, missing
from chom_pipelines.server.questions import SYSTEM, current_account, shown_grants, status
from chom_pipelines.server.variables import read_variables

INDEX_READS = "index_reads"
"""The capability."""

_INSTRUMENT = "wait/io/table/sql/handler"
_SCHEMA = "performance_schema"
_COUNTS = """
SELECT object_schema, object_name, index_name, count_star
FROM performance_schema.table_io_waits_summary_by_index_usage
WHERE index_name IS NOT NULL AND count_star > 0 AND object_schema IN {databases}
"""
"""What updates and deletes rows by an index counts as well as what reads; inserts count for no index."""
_USERSTAT = """
SELECT table_schema, table_name, index_name, rows_read FROM information_schema.index_statistics
WHERE table_schema IN {databases}
"""
_EXCLUDED = """
SELECT object_schema, object_name FROM performance_schema.setup_objects
WHERE object_type = 'TABLE' AND enabled = 'NO' AND object_schema NOT IN {system}
"""
_FULL = ("Performance_schema_index_stat_lost", "Performance_schema_table_instances_lost")


@dataclass(frozen=True)
class Reads:
    """`counts` by database, table and index holds those that are not 0; `databases`: those that are counted."""

    source: str
    databases: frozenset[str]
    counts: Mapping[tuple[str, str, str], int]
    lacks: tuple[Lack, ...]

    def of(self, database: str, table: str, index: str) -> int | None:
        """None: the server does not tell."""
        return self.counts.get((database, table, index), 0) if database in self.databases else None


def read_index_reads(session: Session, facts: ServerFacts, seen: Visible) -> Reads:
    """Of the databases that are seen; raises ServerError."""
    settings = read_variables(session, ("performance_schema", "userstat"))
    by_schema = _lack_of_schema(session, facts, settings.get("performance_schema"))
    if by_schema is None:
        return Reads(_SCHEMA, frozenset(seen.databases), _counted(session, _COUNTS, seen), ())
    if settings.get("userstat") == "ON":
        wanted = Wanted("SELECT", None, "sees the counts of userstat, which are missing without an error otherwise")
        counted = visible(session, facts, seen.databases, INDEX_READS, wanted)
        counts = _counted(session, _USERSTAT, counted)
        return Reads("userstat", frozenset(counted.databases), counts, counted.lacks)
    return Reads("", frozenset(), {}, (by_schema,))


def _counted(session: Session, statement: str, seen: Visible) -> Mapping[tuple[str, str, str], int]:
    rows = session.rows(statement.format(databases=seen.as_list)) if seen.databases else []
    return {(str(database), str(table), str(index)): int(count) for database, table, index, count in rows}


def _lack_of_schema(session: Session, facts: ServerFacts, setting: str | None) -> Lack | None:
    """Why performance_schema does not count the reads of all indexes."""
    if setting != "ON":
        return _off(facts)
    wanted = Wanted("SELECT", _SCHEMA, "sees how often indexes were read")
    for need in missing(facts, shown_grants(session), [wanted]):
        user, host = current_account(session)
        why = f"{need.privilege} on {need.scope} is missing: it {need.why}"
        return Lack(INDEX_READS, why, need.grant(user, host))
    return next(_uncounted(session), None)


def _off(facts: ServerFacts) -> Lack:
    if facts.is_mariadb:
        why = "performance_schema and userstat are off, so that nothing counts the reads of indexes"
        return Lack(INDEX_READS, why, "SET GLOBAL userstat = ON; and in my.cnf:\n[mariadbd]\nuserstat = ON")
    why = "performance_schema is off, so that nothing counts the reads of indexes"
    return Lack(INDEX_READS, why, "in my.cnf, then restart:\n[mysqld]\nperformance_schema = ON")


def _uncounted(session: Session) -> Iterator[Lack]:
    for table, name in (("setup_instruments", _INSTRUMENT), ("setup_consumers", "global_instrumentation")):
        if session.value(f"SELECT enabled FROM {_SCHEMA}.{table} WHERE name = '{name}'") != "YES":
            why = f"{name} is off in performance_schema, so that reads of indexes are not counted"
            yield Lack(INDEX_READS, why, f"UPDATE {_SCHEMA}.{table} SET enabled = 'YES' WHERE name = '{name}';")
    for database, table in session.rows(_EXCLUDED.format(system=SYSTEM)):
        why = f"performance_schema is told not to count tables like {database}.{table}"
        remedy = f"UPDATE {_SCHEMA}.setup_objects SET enabled = 'YES' WHERE object_type = 'TABLE';"
        yield Lack(INDEX_READS, why, remedy)
    for name in _FULL:
        if int(status(session, name) or 0):
            why = f"performance_schema has no room for all tables ({name} is not 0): some look as if never read"
            settings = "performance_schema_max_table_instances = -1\nperformance_schema_max_index_stat = -1"
            yield Lack(INDEX_READS, why, f"in my.cnf, then restart:\n[mysqld]\n{settings}")
