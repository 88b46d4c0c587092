"""The account that monitors a server: it sees sizes, sessions and counts, and no row of the application's. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from chom_pipelines.server.facts import ServerFacts
from chom_pipelines.server.grants import Need, Wanted, spelled
from chom_pipelines.server.identifiers import account, literal, qualified

MOST_CONNECTIONS = 4
"""An exporter that hangs cannot use up the server's."""


def monitor_needs(facts: ServerFacts, databases: Sequence[str] | None) -> Iterator[Need]:
    """Each privilege and what it is for; `databases` None means all."""
    yield spelled(facts, Wanted("PROCESS", None, "sees sessions, locks and InnoDB's counts"))
    replication = "SLAVE MONITOR" if facts.is_mariadb else "REPLICATION CLIENT"
    yield spelled(facts, Wanted(replication, None, "sees what is replicated"))
    schema = "sees how long statements take, who waits for whom, and which indexes are read"
    yield spelled(facts, Wanted("SELECT", "performance_schema", schema))
    for database in databases if databases is not None else (None,):
        yield spelled(facts, Wanted("REFERENCES", database, "sees sizes, indexes and foreign keys, and no rows"))
    yield Need("SELECT", "mysql.innodb_index_stats", "sees the sizes of indexes")


def monitor_account(
    facts: ServerFacts,
    databases: Sequence[str],
    *,
    user: str,
    host: str,
    password: str,
    history: str = "schema_migrations",
) -> Iterator[str]:
    """The statements that make it; `history` is the table that records migrations."""
    who = account(user, host)
    limits = f"WITH MAX_USER_CONNECTIONS {MOST_CONNECTIONS}"
    yield f"CREATE USER {who} IDENTIFIED BY {literal(password)} {limits}"
    for need in monitor_needs(facts, databases):
        yield need.grant(user, host)
    for database in databases:
        yield Need("SELECT", qualified(database, history), "").grant(user, host)
