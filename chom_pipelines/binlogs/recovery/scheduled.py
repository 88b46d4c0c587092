"""Whether events of the scheduler are to run: replicas disable each that a log tells them of, whatever it was."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from chom_pipelines.binlogs.format.statements import Does, Statement, understand
from chom_pipelines.server.connection import Session
from chom_pipelines.server.facts import Flavour
from chom_pipelines.server.identifiers import account, literal, quote

Name = tuple[str, str]
"""Database, and event in lower case: the case of its name makes no difference."""

_QUOTED = re.compile(r"'(?:[^'\\]|\\.|'')*'|\"(?:[^\"\\]|\\.|\"\")*\"|/\*.*?\*/", re.DOTALL)
_BEHIND = re.compile(r"\b(?:DO|COMMENT)\b", re.IGNORECASE)
_STATUS = re.compile(r"\b(ENABLE|DISABLE)\b(\s+ON\s+(?:SLAVE|REPLICA)\b)?", re.IGNORECASE)
_RENAME = re.compile(r"\bRENAME\s+TO\s+", re.IGNORECASE)
_ONLY_NEW = re.compile(r"\bIF\s+NOT\s+EXISTS\b", re.IGNORECASE)
_NAMES = re.compile(r"`(?:[^`]|``)*`")
_STATUSES = (
    "SELECT event_schema, event_name, status, definer, time_zone, sql_mode, character_set_client, collation_connection "
    "FROM information_schema.events WHERE event_schema <> 'sys'"
)
_OF_REPLICAS = {"SLAVESIDE_DISABLED", "REPLICA_SIDE_DISABLED"}


def is_of_events(statement: Statement) -> bool:
    """Whether it may change what `statuses` tells."""
    return statement.object == "event" or (statement.object == "database" and statement.does is Does.DROP)


def statuses(before: Mapping[Name, str], statements: Iterable[Statement]) -> dict[Name, str]:
    """What SQL calls the status of each event after these statements: ENABLE, DISABLE, or DISABLE ON SLAVE."""
    found = dict(before)
    for statement in statements:
        for database, event in statement.tables[:1]:
            if statement.object == "database":
                found = {name: status for name, status in found.items() if name[0] != database}
            elif statement.does is Does.DROP:
                found.pop((database, event.lower()), None)
            else:
                _changed(found, statement, (database, event.lower()))
    return found


def _changed(found: dict[Name, str], statement: Statement, name: Name) -> None:
    text = _QUOTED.sub("''", statement.text)
    clauses = _BEHIND.split(text, maxsplit=1)[0]
    said = _STATUS.search(_NAMES.sub("``", clauses))
    status = f"{said[1].upper()}{' ON SLAVE' if said[2] else ''}" if said else None
    if statement.does is Does.CREATE:
        if name not in found or not _ONLY_NEW.search(clauses):
            found[name] = status or "ENABLE"
        return
    if status:
        found[name] = status
    if renamed := _RENAME.search(clauses):
        rest = clauses[renamed.end() :]
        again = f"ALTER EVENT {rest}".encode()  # whose comments are left out, which families execute differently
        for database, event in understand(again, statement.database, Flavour.MARIADB).tables:
            if name in found:
                found[database, event.lower()] = found.pop(name)


def read_statuses(session: Session) -> dict[Name, str]:
    """Those of a server."""
    return {(row[0], row[1].lower()): _spelled(row[2]) for row in session.rows(_STATUSES)}


def _spelled(status: str) -> str:
    return "DISABLE ON SLAVE" if status in _OF_REPLICAS else status.removesuffix("D")


def put_back(session: Session, wanted: Mapping[Name, str]) -> None:
    """Give events that a replica has disabled the status that they have at the source, and change nothing else."""
    for database, event, status, definer, zone, mode, charset, collation in session.rows(_STATUSES):
        right = wanted.get((database, event.lower()), _spelled(status))
        if status in _OF_REPLICAS and right != _spelled(status):
            session.execute(
                f"SET SESSION time_zone = {literal(zone)}, sql_mode = {literal(mode)}, "
                f"character_set_client = {charset}, collation_connection = {collation}"
            )
            user, _, host = str(definer).rpartition("@")
            session.execute(f"ALTER DEFINER = {account(user, host)} EVENT {quote(database)}.{quote(event)} {right}")
            session.execute("SET NAMES utf8mb4")
            session.execute("SET SESSION time_zone = '+00:00', sql_mode = DEFAULT")
