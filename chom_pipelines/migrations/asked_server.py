"""Whose rows are asked: production's own, or those of a replica that is not behind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from chom_pipelines.errors import ChomError, ServerError
from chom_pipelines.inventory.models import Inventory, Server
from chom_pipelines.migrations.findings import MigrationFinding, unknown
from chom_pipelines.server.connection import Session
from chom_pipelines.server.facts import ServerFacts, read_facts

_BEHIND_SECONDS = 60
_FILTERS = (
    *("Replicate_Do_", "Replicate_Ignore_DB", "Replicate_Ignore_Table", "Replicate_Ignore_Domain_Ids"),
    *("Replicate_Ignore_Server_Ids", "Replicate_Wild_", "Replicate_Rewrite_DB"),
)
"""Columns of the status; each empty where everything is replicated."""


@contextmanager
def asked_server(
    inventory: Inventory, server: Server, session: Session
) -> Iterator[tuple[Session | None, list[MigrationFinding]]]:
    """The session to ask rows on, and what is to be said of that; no session where the replica cannot be asked.

    Production is not asked instead: who names a replica wants it left alone.
    """
    name = server.migrations.replica if server.migrations else None
    if name is None:
        yield session, []
        return
    try:
        replica = Session(inventory.server(name).endpoint())
    except ChomError as refused:  # its password may not be there, either
        yield None, [_unasked(name, refused.what)]
        return
    with replica:
        try:
            replica.execute("SET SESSION TRANSACTION READ ONLY")
            reason = next(_unfit(replica, session), "")
        except ServerError as refused:
            reason = refused.what
        yield (None, [_unasked(name, reason)]) if reason else (replica, [])


def _unfit(replica: Session, production: Session) -> Iterator[str]:
    """Why its rows are not production's of about now; nothing where they are. Only the first counts."""
    facts, source = read_facts(replica), read_facts(production)
    if facts.flavour is not source.flavour:
        yield f"it is {facts.label}"
    sources = [_told(row) for row in replica.dicts(facts.replica_status_statement)]
    if not sources:
        yield "it replicates nothing"
    if not source.logs_binary:
        yield f"{source.hostname} keeps no binary log, so that nothing can replicate it"
    for told in sources:
        yield from _not_whole(told)
    if not any(_follows(told, source) for told in sources):
        yield f"it does not replicate {source.hostname} itself, by that server's own number"
    if facts.is_mariadb:
        there, given = _positions(replica, "gtid_slave_pos"), _positions(production, "gtid_binlog_pos")
        if not is_part(there, given):
            yield f"its transactions are not those of {source.hostname}"
    if hidden := _not_logged(production, source):
        yield f"{source.hostname} does not log all ({hidden})"


def _not_whole(told: Mapping[str, Any]) -> Iterator[str]:
    """What one of its sources, and how it follows that, leaves to be desired."""
    if (told["Replica_IO_Running"], told["Replica_SQL_Running"]) != ("Yes", "Yes"):
        yield "its replication does not run"
    behind = told["Seconds_Behind_Source"]
    if behind is None:
        yield "it does not tell how far it is behind"
    elif int(behind) > _BEHIND_SECONDS:
        yield f"it is {behind} s behind"
    if left_out := sorted(name for name, value in told.items() if name.startswith(_FILTERS) and value):
        yield f"it does not replicate all ({', '.join(left_out)})"


def _told(row: Mapping[str, Any]) -> dict[str, Any]:
    """The status by its names of now."""
    return {name.replace("Master", "Source").replace("Slave", "Replica"): value for name, value in row.items()}


def _follows(told: Mapping[str, Any], source: ServerFacts) -> bool:
    """Whether that is its source: by the UUID, which MariaDB does not have."""
    if source.is_mariadb:
        return int(told["Source_Server_Id"]) == source.server_id
    return bool(source.server_uuid) and told["Source_UUID"] == source.server_uuid


def _positions(session: Session, variable: str) -> dict[str, int]:
    """Of MariaDB: of each domain the number of the last transaction."""
    told = str(session.value(f"SELECT @@GLOBAL.{variable}") or "")
    parts = [each.strip().split("-") for each in told.split(",") if each.strip()]
    return {domain: int(number) for domain, _, number in parts}


def is_part(replica: Mapping[str, int], source: Mapping[str, int]) -> bool:
    """Two servers may have the same number, as both were born with it; few have as many transactions as well."""
    return all(domain in replica and replica[domain] <= number for domain, number in source.items())


def _not_logged(production: Session, facts: ServerFacts) -> str:
    """What production keeps out of its binary log."""
    shown = next(iter(production.dicts(facts.binlog_status_statement)), {})
    return ", ".join(name for name in ("Binlog_Do_DB", "Binlog_Ignore_DB") if shown.get(name))


def _unasked(name: str, reason: str) -> MigrationFinding:
    return unknown(
        "DP03",
        f"rows were not asked, as migrations.replica names {name}, and {reason}",
        why="what stands in the way of the statements is not known",
        remedy="see to its replication, or leave migrations.replica out to have the server itself asked",
        object="rows",
    )
