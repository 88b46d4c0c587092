"""A server at a glance: what it does in a second, who is connected, what waits."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass

from chom_pipelines.errors import ServerError
from chom_pipelines.inventory.policies import Thresholds
from chom_pipelines.monitoring.console.rates import Counters, Rates
from chom_pipelines.monitoring.locks.locks import LockPicture
from chom_pipelines.monitoring.readers.reading import Reading
from chom_pipelines.monitoring.readers.sessions import others
from chom_pipelines.server.connection import Session
from chom_pipelines.server.facts import ServerFacts

STATUS = "status"

_DEADLOCKS = "SELECT COUNT FROM information_schema.INNODB_METRICS WHERE NAME = 'lock_deadlocks' AND STATUS = 'enabled'"

_ROWS = {
    "read": tuple(f"handler_read_{how}" for how in ("first", "key", "next", "prev", "rnd", "rnd_next")),
    "written": ("handler_write",),
    "updated": ("handler_update",),
    "deleted": ("handler_delete",),
}
_INNODB_ROWS = {
    "read": ("innodb_rows_read",),
    "written": ("innodb_rows_inserted",),
    "updated": ("innodb_rows_updated",),
    "deleted": ("innodb_rows_deleted",),
}


def read_counters(session: Session, facts: ServerFacts) -> Reading[Counters]:
    """SHOW GLOBAL STATUS, which takes no privilege and no lock; with MySQL's deadlocks, where PROCESS shows them."""
    began = time.monotonic()
    try:
        rows = session.rows("SHOW GLOBAL STATUS")
    except ServerError as error:
        return Reading(STATUS, None, time.monotonic() - began, failure=error.what)
    values = {_text(name): _text(value) for name, value in rows}
    if not facts.is_mariadb:
        with suppress(ServerError):  # then they are not known
            values["innodb_deadlocks"] = _text(session.value(_DEADLOCKS))
    return Reading(STATUS, Counters.of(time.monotonic(), values), time.monotonic() - began, (STATUS,))


def row_operations(facts: ServerFacts, rates: Rates) -> dict[str, float | None]:
    """Rows in a second by operation. MariaDB counts handlers' calls only, its temporary tables' among them."""
    names = _ROWS if facts.is_mariadb else _INNODB_ROWS
    return {operation: rates.per_second(*counters) for operation, counters in names.items()}


@dataclass(frozen=True)
class Connected:
    """Sessions of applications and people; of replication and the server itself none."""

    active: int
    idle: int
    longest_statement: float | None
    longest_transaction: float | None

    @classmethod
    def of(cls, picture: LockPicture) -> Connected:
        """Counted; the times are in seconds, None where there is none."""
        there = list(others(picture.sessions))
        active = [each for each in there if not each.is_idle]
        return cls(
            len(active),
            len(there) - len(active),
            max((each.seconds for each in active if each.statement), default=None),
            max((each.transaction_seconds for each in there if each.transaction_seconds is not None), default=None),
        )


def beyond(rates: Rates | None, thresholds: Thresholds) -> list[str]:
    """What is beyond a threshold of chom.yaml at this moment, for people."""
    if rates is None:
        return []
    found = []
    slow, hits = rates.per_second("slow_queries"), rates.buffer_pool_hit_percent
    if slow is not None and slow > thresholds.slow_queries_per_second:
        found.append(f"{slow:.1f} slow queries a second, more than slow_queries_per_second allows")
    if hits is not None and hits < thresholds.buffer_pool_hit_rate:
        found.append(f"{hits:.1f} % of the pages were in memory, fewer than buffer_pool_hit_rate asks for")
    return found


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
