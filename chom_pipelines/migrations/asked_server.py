"""Whose rows are asked: production's own, or those of a replica that is not behind."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from chom_pipelines.errors import ServerError
from chom_pipelines.inventory.models import Inventory, Server
from chom_pipelines.migrations.findings import MigrationFinding, unknown
from chom_pipelines.server.connection import Session
from chom_pipelines.server.facts import read_facts

_BEHIND_SECONDS = 60


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
    except ServerError as refused:
        yield None, [_unasked(name, refused.what)]
        return
    with replica:
        try:
            replica.execute("SET SESSION TRANSACTION READ ONLY")
            reason = _unfit(replica, session)
        except ServerError as refused:
            reason = refused.what
        yield (None, [_unasked(name, reason)]) if reason else (replica, [])


def _unfit(replica: Session, production: Session) -> str:
    """Why its rows are not production's of about now; "" where they are."""
    facts = read_facts(replica)
    if facts.flavour is not read_facts(production).flavour:
        return f"it is {facts.label}"
    sources = replica.dicts(facts.replica_status_statement)
    if not sources:
        return "it replicates nothing"
    for row in sources:
        told = {name.replace("Master", "Source").replace("Slave", "Replica"): value for name, value in row.items()}
        if (told["Replica_IO_Running"], told["Replica_SQL_Running"]) != ("Yes", "Yes"):
            return "its replication does not run"
        behind = told["Seconds_Behind_Source"]
        if behind is None or int(behind) > _BEHIND_SECONDS:
            return f"it is {behind} s behind" if behind is not None else "it does not tell how far it is behind"
    return ""


def _unasked(name: str, reason: str) -> MigrationFinding:
    return unknown(
        "DP03",
        f"rows were not asked, as migrations.replica names {name}, and {reason}",
        why="what stands in the way of the statements is not known",
        remedy="see to its replication, or leave migrations.replica out to have the server itself asked",
        object="rows",
    )
