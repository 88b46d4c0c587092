"""What a server replicates: whether that runs, and how far it is behind."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from chom_pipelines.errors import MissingPrivilegeError, ServerError
from chom_pipelines.monitoring.readers.reading import Lack, Reading
from chom_pipelines.server.connection import Session
from chom_pipelines.server.facts import ServerFacts
from chom_pipelines.server.grants import Need
from chom_pipelines.server.questions import current_account

REPLICATION = "replication"
"""The collector, and the capability."""


@dataclass(frozen=True)
class Channel:
    """One source. `lag` is in seconds, None where the server does not tell, as it stands still."""

    name: str
    reads: bool
    applies: bool
    lag: float | None


def read_replication(session: Session, facts: ServerFacts) -> Reading[tuple[Channel, ...]]:
    """Every source, none where it replicates nothing. Raises nothing for what a server refuses."""
    started = time.monotonic()
    try:
        rows = session.dicts(facts.replica_status_statement)
    except MissingPrivilegeError:
        user, host = current_account(session)
        privilege = "SLAVE MONITOR" if facts.is_mariadb else "REPLICATION CLIENT"
        why = f"{privilege} on *.* is missing: it sees what is replicated"
        lack = Lack(REPLICATION, why, Need(privilege, "*.*", "").grant(user, host))
        return Reading(REPLICATION, None, time.monotonic() - started, lacks=(lack,))
    except ServerError as error:
        return Reading(REPLICATION, None, time.monotonic() - started, failure=error.what)
    value = tuple(_channel(row) for row in rows)
    return Reading(REPLICATION, value, time.monotonic() - started, capabilities=(REPLICATION,))


def _channel(row: dict[str, Any]) -> Channel:
    told = {name.replace("Master", "Source").replace("Slave", "Replica"): value for name, value in row.items()}
    reads = told["Replica_IO_Running"] == "Yes"
    lag = told["Seconds_Behind_Source"] if reads else None  # MySQL says 0 while it tries to reach its source
    return Channel(
        name=str(told.get("Channel_Name", told.get("Connection_name")) or ""),
        reads=reads,
        applies=told["Replica_SQL_Running"] == "Yes",
        lag=None if lag is None else float(lag),
    )
