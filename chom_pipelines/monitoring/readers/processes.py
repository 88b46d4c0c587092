"""Who is connected, and who waits for what: counts alone, from one look at the list of sessions."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from chom_pipelines.errors import ServerError
from chom_pipelines.monitoring.readers.reading import Lack, Reading
from chom_pipelines.server.connection import Row, Session
from chom_pipelines.server.facts import ServerFacts
from chom_pipelines.server.grants import Wanted, missing
from chom_pipelines.server.questions import current_account, shown_grants

PROCESSES = "processlist"
"""The collector, and the capability."""

_PRIVILEGE = Wanted("PROCESS", None, "sees the sessions of others, which are missing without an error otherwise")
_OWN_COMMANDS = ("Daemon", "Binlog Dump", "Binlog Dump GTID", "Slave_IO", "Slave_SQL", "Slave_worker", "Connect")
"""Of the server's own threads, and of replicas: no clients of an application."""
_KINDS = (
    ("row", re.compile(r"(?!)")),  # no state says it: InnoDB does
    (
        "metadata",
        re.compile(r"Waiting for (?:table|schema|stored \w+|trigger|event|view) metadata lock", re.IGNORECASE),
    ),
    (
        "global",
        re.compile(
            r"Waiting for (?:backup|global read|global metadata|commit) lock|Waiting for table flush", re.IGNORECASE
        ),
    ),
    ("table", re.compile(r"Waiting for table level lock", re.IGNORECASE)),
)
KINDS = tuple(kind for kind, _ in _KINDS)
_ROW_WAITS = """
SELECT TIMESTAMPDIFF(SECOND, CONVERT_TZ(trx_wait_started, 'SYSTEM', '+00:00'), UTC_TIMESTAMP())
FROM information_schema.INNODB_TRX WHERE trx_state = 'LOCK WAIT'
"""


@dataclass(frozen=True)
class Waiting:
    """So many sessions wait, the longest of them for so many seconds."""

    sessions: int = 0
    longest: float = 0.0


@dataclass(frozen=True)
class Processes:
    """Sessions of clients, without the one that asks; and those that wait, by the kind of what they wait for."""

    active: int
    idle: int
    waiting: Mapping[str, Waiting] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """All of them."""
        return self.active + self.idle


def read_processes(session: Session, facts: ServerFacts) -> Reading[Processes]:
    """Count them. Raises nothing for what a server refuses."""
    started = time.monotonic()
    try:
        for need in missing(facts, shown_grants(session), [_PRIVILEGE]):
            user, host = current_account(session)
            lack = Lack(PROCESSES, f"PROCESS on *.* is missing: it {need.why}", need.grant(user, host))
            return Reading(PROCESSES, None, time.monotonic() - started, lacks=(lack,))
        source = "performance_schema" if _has_schema(facts) else "information_schema"
        sessions = session.rows(f"SELECT command, state, time FROM {source}.processlist WHERE id <> CONNECTION_ID()")
        rows = session.rows(_ROW_WAITS)
    except ServerError as error:
        return Reading(PROCESSES, None, time.monotonic() - started, failure=error.what)
    value = counted(sessions, [float(each or 0) for (each,) in rows])
    return Reading(PROCESSES, value, time.monotonic() - started, capabilities=(PROCESSES,))


def counted(sessions: Iterable[Row], row_waits: Iterable[float]) -> Processes:
    """By command, state and seconds of each session, and the seconds that each waits for a row. Pure."""
    active = idle = 0
    seconds: dict[str, list[float]] = {kind: [] for kind in KINDS}
    seconds["row"] = list(row_waits)
    for command, state, waited in sessions:
        if str(command) in _OWN_COMMANDS:
            continue
        if str(command) == "Sleep":
            idle += 1
            continue
        active += 1
        kind = next((kind for kind, pattern in _KINDS if pattern.search(str(state or ""))), None)
        if kind:
            seconds[kind].append(float(waited or 0))
    return Processes(active, idle, {kind: Waiting(len(each), max(each, default=0.0)) for kind, each in seconds.items()})


def _has_schema(facts: ServerFacts) -> bool:
    """MySQL's list there takes no lock that connecting clients wait for; since 8.0.22."""
    return not facts.is_mariadb and facts.version >= (8, 0, 22)
