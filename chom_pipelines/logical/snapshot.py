"""One snapshot seen by many connections, and the binary log coordinates of exactly that snapshot.

The lock that makes it so is held for milliseconds, and never for more than HELD_SECONDS, whoever hangs: a worker, this
process, the network. The wait for it is bounded as well: while it waits, a lock request holds up every writer behind
it, so a long SELECT must not turn a backup into an outage.

MariaDB: BACKUP STAGE BLOCK_COMMIT lets statements run and holds up commits only; it waits for running DDL, not for
SELECT.
MySQL: LOCK INSTANCE FOR BACKUP keeps DDL out for the whole dump, and FLUSH TABLES WITH READ LOCK stands for the moment.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from chom_pipelines.errors import BackupFailedError, LockNotObtainedError, ServerError
from chom_pipelines.logical.replication import Replication
from chom_pipelines.logical.xa_prepared import Prepared, read_prepared
from chom_pipelines.repository.manifest import Coordinates, Position
from chom_pipelines.server.connection import IDLE_SECONDS, Session, error_number
from chom_pipelines.server.driver_errors import DEADLOCK
from chom_pipelines.server.facts import ServerFacts
from chom_pipelines.server.identifiers import literal

LOCK_SECONDS = 10
"""The longest that writers may be held up by the wait; web requests commonly time out at 30 s."""

HELD_SECONDS = 2
"""The longest that commits may be held up by the lock itself. The server ends it where this process cannot."""

BEGIN = "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"
NO_SQL_MODE = "SET SESSION sql_mode = 'ALLOW_INVALID_DATES'"
"""Definitions are then shown in the server's own dialect, and nothing of them is left out; a key may be any date."""

STATEMENTS = (
    NO_SQL_MODE,
    "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
    "SET character_set_results = NULL",
)
"""What every connection of a dump is told before its snapshot."""

POSITION = "SHOW STATUS LIKE 'binlog_snapshot_%'"
"""Where a snapshot of MariaDB itself says it stands."""

_BLOCKERS = 3
_NOTES = 10


@contextmanager
def definitions_locked(session: Session, facts: ServerFacts) -> Iterator[None]:
    """Keep DDL out while the context lasts, where the server can without harm to others.

    Raises LockNotObtainedError with the blocker.
    """
    if not facts.has_instance_lock:
        yield
        return
    _bounded(session, "LOCK INSTANCE FOR BACKUP")
    try:
        yield
    finally:
        with suppress(ServerError):  # the lock ends with the connection as well
            session.execute("UNLOCK INSTANCE")


Begin = Callable[[float], list[list[list[str]]]]
"""begin(seconds): opens every snapshot in that time; what each answers of itself."""


@dataclass(frozen=True)
class Frozen:
    """Where the snapshots stand, in the logs of sources too, and for how many seconds commits were held up for that."""

    coordinates: Coordinates
    as_of: datetime
    """By the server's clock, which the times in its binary log are of."""
    held_seconds: float
    replication: Replication
    prepared: Prepared


def frozen(session: Session, facts: ServerFacts, begin: Begin) -> Frozen:
    """Stop commits, have `begin` open every snapshot within so many seconds, read the coordinates, let go.

    Raises LockNotObtainedError with the blocker; BackupFailedError where a snapshot stands elsewhere, and what `begin`
    raises; ConnectionFailedError where the server has ended the session, and with it the lock.
    """
    lock: tuple[str, ...]
    if facts.has_backup_stages:
        lock, unlock = ("BACKUP STAGE START", "BACKUP STAGE BLOCK_COMMIT"), "BACKUP STAGE END"
    else:
        lock, unlock = ("FLUSH TABLES WITH READ LOCK",), "UNLOCK TABLES"
    replication = Replication()
    with Session(session.endpoint, purpose="backup") as beside:
        replication.read(beside, facts, time.monotonic() + LOCK_SECONDS)  # a server without sources is not asked again
        try:
            session.execute(f"SET SESSION wait_timeout = {HELD_SECONDS}")  # a session that is closed holds no lock
            for statement in lock:
                _bounded(session, statement)
            began = time.monotonic()
            answers = begin(HELD_SECONDS)
            end = _position(session, facts)
            as_of = session.value("SELECT SYSDATE(6)").replace(tzinfo=UTC)
            purged = _variable(session, facts.purged_gtid_variable)
            prepared = read_prepared(session, facts)
            if replication.sources:
                replication.read(beside, facts, began + HELD_SECONDS)
        finally:
            with suppress(ServerError):  # the lock ends with the connection as well
                session.execute(unlock)
                session.execute(f"SET SESSION wait_timeout = {IDLE_SECONDS}")
        held = time.monotonic() - began
    if facts.has_backup_stages and end is not None:
        for rows in answers:
            snapshot = {name.lower(): value for name, value in rows}
            found = snapshot.get("binlog_snapshot_file"), snapshot.get("binlog_snapshot_position")
            if found != (end.file, str(end.position)) and not _same_but_for_notes(session, found, end):
                message = f"a snapshot stands at {found[0]}:{found[1]}, not at {end.file}:{end.position}"
                raise BackupFailedError(message, "run again; report it if it happens again")
    return Frozen(Coordinates(end=end, purged=purged), as_of, held, replication, prepared)


def _position(session: Session, facts: ServerFacts) -> Position | None:
    row = session.row(facts.binlog_status_statement) if facts.logs_binary else None
    if row is None:
        return None
    return Position(file=_text(row[0]), position=int(row[1]), gtid=_variable(session, facts.gtid_variable))


def _same_but_for_notes(session: Session, found: tuple[str | None, str | None], end: Position) -> bool:
    """Whether nothing lies between but what MariaDB notes in its log by itself, a moment after it began a file.

    A snapshot's own position leaves such a note out until the next commit.
    """
    if found[0] != end.file or not found[1]:
        return False
    at = int(found[1])
    for event in session.dicts(f"SHOW BINLOG EVENTS IN {literal(end.file)} FROM {at} LIMIT {_NOTES}"):
        if at == end.position or event["Event_type"] != "Binlog_checkpoint":
            break
        at = int(event["End_log_pos"])
    return at == end.position


def _variable(session: Session, name: str | None) -> str | None:
    """GTIDs in a global variable, which MySQL breaks into lines; None where there are none."""
    return _text(session.value(f"SELECT @@global.{name}") or "").replace("\n", "") or None if name else None


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _bounded(session: Session, statement: str) -> None:
    """Take a lock or give up after LOCK_SECONDS, naming who holds it up."""
    session.execute(f"SET SESSION lock_wait_timeout = {LOCK_SECONDS}")
    try:
        session.execute(statement)
    except LockNotObtainedError as error:
        refused = "met a deadlock" if error_number(error) == DEADLOCK else f"was not granted within {LOCK_SECONDS} s"
        raise not_obtained(session, f"{statement} {refused}") from error


def not_obtained(session: Session, what: str) -> LockNotObtainedError:
    """The error for a lock that was given up, with who is in its way."""
    running, idle = "; ".join(_longest(session)), "; ".join(_longest(session, idle=True))
    blockers = f"Running: {running}" if running else f"Nobody runs a statement; idle, perhaps in LOCK TABLES: {idle}"
    remedy = "let it end, or KILL it, and run again; nothing is locked any more"
    return LockNotObtainedError(f"{session.endpoint.where}: {what}. {blockers}", remedy)


def _longest(session: Session, *, idle: bool = False) -> list[str]:
    """The others whose statements run, or who are idle, for longest; of texts, which may hold data, the beginning."""
    busy = "p.COMMAND NOT IN ('Sleep', 'Daemon', 'Binlog Dump', 'Binlog Dump GTID') AND p.INFO IS NOT NULL"
    busy += " AND p.INFO NOT LIKE 'BACKUP STAGE%'"  # who waits is not in the way
    others = "p.COMMAND = 'Sleep' AND p.USER <> SUBSTRING_INDEX(USER(), '@', 1)"  # the dump's own wait for the lock
    state = others if idle else busy
    rows = session.rows(
        "SELECT p.ID, p.USER, p.HOST, p.COMMAND, p.TIME, p.STATE, LEFT(p.INFO, 40) "
        "FROM information_schema.PROCESSLIST p "
        f"WHERE p.ID <> CONNECTION_ID() AND {state} AND p.USER NOT IN ('system user', 'event_scheduler') "
        f"ORDER BY p.TIME DESC LIMIT {_BLOCKERS}",
    )
    return [
        f"connection {identity} of {_plain(user)}@{_plain(host)}, {seconds} s"
        + ("" if idle else f", {_plain(state)}: {_plain(info)}")
        for identity, user, host, _, seconds, state, info in rows
    ]


def _plain(value: object) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
