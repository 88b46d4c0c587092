"""What is asked of the production server before anything is tried, in one reading session that changes nothing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from chom_pipelines.errors import UnknownDatabaseError, UnsupportedServerError
from chom_pipelines.logical.definitions import Definition
from chom_pipelines.logical.shown import ShownDefinitions
from chom_pipelines.migrations.reading_shapes import read_shape
from chom_pipelines.migrations.shapes import Shape, Table, TableName
from chom_pipelines.server.connection import Row, Session
from chom_pipelines.server.facts import SYSTEM_DATABASES, ServerFacts, read_facts
from chom_pipelines.server.identifiers import qualified, quote
from chom_pipelines.server.variables import read_variables

_LIKE_PRODUCTION = (
    *("sql_mode", "character_set_server", "collation_server", "innodb_strict_mode", "innodb_default_row_format"),
    *("explicit_defaults_for_timestamp", "foreign_key_checks", "default_storage_engine"),
    *("sql_generate_invisible_primary_key", "sql_require_primary_key", "restrict_fk_on_non_standard_key"),
)
"""Global variables that decide whether, or by which algorithm, a statement is done."""


@dataclass(frozen=True)
class TableSize:
    """As the server estimates it: rows, bytes of rows, bytes of indexes; AUTO_INCREMENT's next number."""

    rows: int
    data_bytes: int
    index_bytes: int
    next_number: int | None = None
    row_versions: int = 0
    """MySQL: how often it was changed instantly; 64 or 255 times it can be."""

    @property
    def bytes(self) -> int:
        """All of it."""
        return self.data_bytes + self.index_bytes


@dataclass(frozen=True)
class Records:
    """Rows of a table, by these columns."""

    columns: Sequence[str]
    rows: Sequence[Row]


@dataclass(frozen=True)
class Production:
    """A server, what its tables are made of and how large they are."""

    facts: ServerFacts
    settings: Mapping[str, str]
    definitions: Sequence[Definition]
    shape: Shape
    sizes: Mapping[TableName, TableSize]
    socket: str | None
    """Where it listens on this machine, if it is reached that way."""
    records: Mapping[TableName, Records]
    """The rows of the tables in which migrations are recorded."""
    pace: float = 1.0
    """By how much its past migrations took longer than what was measured elsewhere."""

    @property
    def digest(self) -> str:
        """SHA-256 of all definitions: the same as long as the schema is, wherever counters stand."""
        listed = sorted((*each.identity, each.shape) for each in self.definitions)
        return hashlib.sha256(json.dumps(listed).encode()).hexdigest()

    def size(self, table: TableName | None) -> TableSize:
        """Of a table; empty where production has none of that name."""
        return self.sizes.get(table, _NONE) if table else _NONE


_MOST_RECORDS = 100_000
_NONE = TableSize(0, 0, 0)


def read_production(
    session: Session, databases: Sequence[str], is_history: Callable[[Table], bool] = lambda _: False
) -> Production:
    """Read all of it; `databases` empty means every one that is not the server's own.

    `is_history` tells of which tables the rows are read as well.

    Raises UnknownDatabaseError where one is not there, UnsupportedServerError, and what a Session raises.
    """
    facts = read_facts(session)
    if not facts.is_supported:
        raise UnsupportedServerError(f"{facts.label} is older than what this version checks", "update the server")
    there = own_databases(session)
    if missing := [name for name in databases if name not in there]:
        what = f"{session.endpoint.where}: there is no database {', '.join(missing)}"
        raise UnknownDatabaseError(what, "correct `databases` in chom.yaml, or grant the user SELECT on it")
    wanted = list(databases) or there
    if facts.caches_statistics:  # else sizes are up to a day old
        session.execute("SET SESSION information_schema_stats_expiry = 0")
    shape = read_shape(session, facts, wanted)
    return Production(
        facts,
        read_variables(session, _LIKE_PRODUCTION),
        ShownDefinitions(session, facts, wanted).read(),
        shape,
        _sizes(session, facts, wanted),
        session.endpoint.socket,
        {table.name: _records(session, table) for table in shape.tables.values() if is_history(table)},
    )


def _records(session: Session, table: Table) -> Records:
    columns = [name for name, column in table.columns.items() if not column.generated]
    listed = ", ".join(map(quote, columns))
    return Records(columns, session.rows(f"SELECT {listed} FROM {qualified(*table.name)} LIMIT {_MOST_RECORDS}"))


def own_databases(session: Session) -> list[str]:
    """All that are not the server's own."""
    return [str(name) for (name,) in session.rows("SHOW DATABASES") if str(name).lower() not in SYSTEM_DATABASES]


def _sizes(session: Session, facts: ServerFacts, databases: Sequence[str]) -> dict[TableName, TableSize]:
    if not databases:
        return {}
    marks = ", ".join(["%s"] * len(databases))
    versions: dict[str, int] = {}
    if not facts.is_mariadb:
        rows = session.rows("SELECT name, total_row_versions FROM information_schema.INNODB_TABLES")
        versions = {str(name): int(number) for name, number in rows}
    return {
        (database, name): TableSize(
            int(rows or 0),
            int(data or 0),
            int(index or 0),
            int(following) if following else None,
            versions.get(f"{database}/{name}", 0),
        )
        for database, name, rows, data, index, following in session.rows(
            "SELECT table_schema, table_name, table_rows, data_length, index_length, auto_increment"
            f" FROM information_schema.tables WHERE table_schema IN ({marks}) AND table_type <> 'VIEW'",
            databases,
        )
    }
