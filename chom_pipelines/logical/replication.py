"""Whom a server replicates and up to where it has executed, read while the lock of a snapshot holds up its commits.

It is asked for through a connection of its own: what the server is slow to answer, as a STOP REPLICA that waits for the
very commits that are held up, must not keep the lock.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from chom_pipelines.errors import MissingPrivilegeError, ServerError
from chom_pipelines.repository.manifest import ReplicationSource
from chom_pipelines.server.connection import Session
from chom_pipelines.server.facts import ServerFacts

_UNKNOWN = "up to where this replica has executed its source's binary log is not in this backup"


@dataclass
class Replication:
    """What is known of a server's sources; `warning` says what is not, and why."""

    sources: tuple[ReplicationSource, ...] = ()
    warning: str | None = None

    def read(self, session: Session, facts: ServerFacts, until: float) -> None:
        """Ask up to where everything was executed, and give up at that time of the monotonic clock."""
        self.sources = ()
        seconds = until - time.monotonic()
        if seconds <= 0:
            self.warning = f"{_UNKNOWN}: there was no time left to ask"
            return
        try:
            session.give_up_after(seconds)
            self.sources = _sources(session, facts)
        except MissingPrivilegeError as error:
            # a server that replicates none need not be told that nobody may ask
            self.warning = f"{_UNKNOWN}: {error.what} (chom check prints the GRANT)" if facts.replicates else None
        except ServerError as error:
            self.warning = f"{_UNKNOWN}: {error.what}"


def _sources(session: Session, facts: ServerFacts) -> tuple[ReplicationSource, ...]:
    rows = session.dicts(facts.replica_status_statement)
    if not rows:
        return ()
    # in its status MariaDB mixes what the replica was told by others with what it wrote itself
    gtid = session.value("SELECT @@global.gtid_slave_pos") if facts.is_mariadb else rows[0]["Executed_Gtid_Set"]
    named = [{name.replace("Master", "Source"): value for name, value in row.items()} for row in rows]
    return tuple(_source(row, str(gtid or "").replace("\n", "") or None) for row in named)


def _source(row: dict[str, Any], gtid: str | None) -> ReplicationSource:
    return ReplicationSource(
        name=row.get("Channel_Name", row.get("Connection_name")) or "",
        host=row["Source_Host"] or "",
        port=row["Source_Port"],
        file=row["Relay_Source_Log_File"] or "",
        position=row["Exec_Source_Log_Pos"],
        gtid=gtid,
    )
