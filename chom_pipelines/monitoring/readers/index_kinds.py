"""Which indexes cannot stand in for others: not B-trees, not in ascending order, or hidden from queries."""

from __future__ import annotations

from collections.abc import Sequence

from chom_pipelines.monitoring.readers.redundant import Place
from chom_pipelines.server.connection import Session
from chom_pipelines.server.facts import ServerFacts
from chom_pipelines.server.identifiers import literal
from chom_pipelines.server.questions import SYSTEM


def indexes_apart(session: Session, facts: ServerFacts, databases: Sequence[str] | None) -> frozenset[Place]:
    """Those, of these databases or of all (None). Raises ServerError."""
    hidden = "ignored = 'YES'" if facts.is_mariadb else "is_visible = 'NO'"
    where = f"IN ({', '.join(map(literal, databases))})" if databases else f"NOT IN {SYSTEM}"
    rows = session.rows(
        "SELECT DISTINCT table_schema, table_name, index_name FROM information_schema.statistics "
        f"WHERE table_schema {where} AND (index_type <> 'BTREE' OR collation = 'D' OR {hidden})"
    )
    return frozenset((str(database), str(table), str(name)) for database, table, name in rows)
