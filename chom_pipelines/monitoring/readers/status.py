"""What a server counts since it started: SHOW GLOBAL STATUS, which asks for no privilege."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

from chom_pipelines.errors import MissingPrivilegeError, ServerError
from chom_pipelines.monitoring.readers.reading import Lack, Reading
from chom_pipelines.server.connection import Session
from chom_pipelines.server.facts import ServerFacts
from chom_pipelines.server.grants import Need
from chom_pipelines.server.questions import current_account

STATUS, DEADLOCKS = "status", "deadlocks"
"""The collector, and the capability that MySQL gives to who has PROCESS."""

_OF_MYSQL = {
    "read": ("Innodb_rows_read",),
    "insert": ("Innodb_rows_inserted",),
    "update": ("Innodb_rows_updated",),
    "delete": ("Innodb_rows_deleted",),
}
_OF_MARIADB = {
    "read": (
        *("Handler_read_first", "Handler_read_key", "Handler_read_last", "Handler_read_next", "Handler_read_prev"),
        *("Handler_read_rnd", "Handler_read_rnd_next"),
    ),
    "insert": ("Handler_write",),
    "update": ("Handler_update",),
    "delete": ("Handler_delete",),
}
"""MariaDB has had no Innodb_rows_* since 10.6: what is asked of storage engines comes near, and is a little more."""
_MILLI = 1000


@dataclass(frozen=True)
class Status:
    """Counts since the server's start, `uptime` and `row_lock_seconds` in seconds; `deadlocks` None: it may not tell.

    `pool_reads` are requests that InnoDB's buffer pool could not answer from memory, of all `pool_requests`.
    """

    uptime: int
    queries: int
    slow_queries: int
    pool_reads: int
    pool_requests: int
    row_lock_waits: int
    row_lock_seconds: float
    table_locks_waited: int
    deadlocks: int | None
    operations: Mapping[str, int]
    most_connections: int


def read_status(session: Session, facts: ServerFacts) -> Reading[Status]:
    """Read it. Raises nothing for what a server refuses."""
    started = time.monotonic()
    lacks: tuple[Lack, ...] = ()
    try:
        found = {str(name): str(value) for name, value in session.rows("SHOW GLOBAL STATUS")}
        most = int(session.value("SELECT @@GLOBAL.max_connections"))
        deadlocks: int | None = None
        try:
            deadlocks = _deadlocks(session, facts, found)
            if deadlocks is None:
                on = "SET GLOBAL innodb_monitor_enable = 'lock_deadlocks'; and in my.cnf:\n"
                on += "[mysqld]\ninnodb_monitor_enable = lock_deadlocks"
                lacks = (Lack(DEADLOCKS, "InnoDB is told not to count deadlocks", on),)
        except MissingPrivilegeError:
            user, host = current_account(session)
            grant = Need("PROCESS", "*.*", "").grant(user, host)
            lacks = (Lack(DEADLOCKS, "PROCESS on *.* is missing: it sees what InnoDB counts", grant),)
        value = status_of(facts, found, most, deadlocks)
    except ServerError as error:
        return Reading(STATUS, None, time.monotonic() - started, failure=error.what)
    except KeyError as missing:
        why = f"this server does not tell {missing.args[0]}"
        return Reading(STATUS, None, time.monotonic() - started, failure=why)
    capabilities = () if lacks else (DEADLOCKS,)
    return Reading(STATUS, value, time.monotonic() - started, capabilities=capabilities, lacks=lacks)


def status_of(facts: ServerFacts, found: Mapping[str, str], most_connections: int, deadlocks: int | None) -> Status:
    """What the server's own names stand for; raises KeyError where it does not have one. Pure."""
    operations = _OF_MARIADB if facts.is_mariadb else _OF_MYSQL
    return Status(
        uptime=int(found["Uptime"]),
        queries=int(found["Queries"]),
        slow_queries=int(found["Slow_queries"]),
        pool_reads=int(found["Innodb_buffer_pool_reads"]),
        pool_requests=int(found["Innodb_buffer_pool_read_requests"]),
        row_lock_waits=int(found["Innodb_row_lock_waits"]),
        row_lock_seconds=int(found["Innodb_row_lock_time"]) / _MILLI,
        table_locks_waited=int(found["Table_locks_waited"]),
        deadlocks=deadlocks,
        operations={name: sum(int(found[each]) for each in of) for name, of in operations.items()},
        most_connections=most_connections,
    )


def _deadlocks(session: Session, facts: ServerFacts, found: Mapping[str, str]) -> int | None:
    if facts.is_mariadb:
        return int(found["Innodb_deadlocks"])
    counted = session.row(
        "SELECT count FROM information_schema.INNODB_METRICS WHERE name = 'lock_deadlocks' AND status = 'enabled'"
    )
    return int(counted[0]) if counted else None
