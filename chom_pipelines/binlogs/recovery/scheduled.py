"""Whether events of the scheduler are to run: replicas disable each that a log tells them of, whatever it was."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping

from chom_pipelines.binlogs.format.statements import Does, Statement
from chom_pipelines.server.connection import Session
from chom_pipelines.server.identifiers import account, literal, quote

Name = tuple[str, str]
"""Database, and event as `same`."""

_STATUSES = (
    "SELECT event_schema, event_name, status, definer, time_zone, sql_mode, character_set_client, collation_connection "
    "FROM information_schema.events WHERE event_schema <> 'sys'"
)
_OF_REPLICAS = {"SLAVESIDE_DISABLED", "REPLICA_SIDE_DISABLED"}


def same(name: str) -> str:
    """What names of events have in common that are one to a server: it compares them without case and accents."""
    return "".join(map(_same, name))


def _same(letter: str) -> str:
    parts = unicodedata.normalize("NFD", letter)
    is_accented = all(map(unicodedata.combining, parts[1:]))
    return (parts[0] if is_accented else letter).upper()[:1].lower()


def is_of_events(statement: Statement) -> bool:
    """Whether it may change what `statuses` tells."""
    return statement.object == "event" or (statement.object == "database" and statement.does is Does.DROP)


def statuses(before: Mapping[Name, str], statements: Iterable[Statement], *, any_case: bool = False) -> dict[Name, str]:
    """What SQL calls the status of each event after these statements: ENABLE, DISABLE, or DISABLE ON SLAVE.

    With `any_case`, databases whose names differ in case only are one: then they are told in lower case.
    """

    def named(database: str, event: str) -> Name:
        return database.lower() if any_case else database, same(event)

    found = dict(before)
    for statement in statements:
        for name in (named(*each) for each in statement.tables[:1]):
            if statement.object == "database":
                found = {each: status for each, status in found.items() if each[0] != name[0]}
            elif statement.does is Does.DROP:
                found.pop(name, None)
            elif said := statement.event:
                if statement.does is Does.CREATE and not (said.only_new and name in found):
                    found[name] = said.status or "ENABLE"
                elif statement.does is Does.ALTER and (status := said.status or found.get(name)):
                    found.pop(name, None)
                    found[named(*said.renamed) if said.renamed else name] = status
    return found


def read_statuses(session: Session) -> dict[Name, str]:
    """Those of a server."""
    return {(row[0], same(row[1])): _spelled(row[2]) for row in session.rows(_STATUSES)}


def _spelled(status: str) -> str:
    return "DISABLE ON SLAVE" if status in _OF_REPLICAS else status.removesuffix("D")


def put_back(session: Session, wanted: Mapping[Name, str]) -> None:
    """Give events that a replica has disabled the status that they have at the source, and change nothing else."""
    for database, event, status, definer, zone, mode, charset, collation in session.rows(_STATUSES):
        right = wanted.get((database, same(event)), _spelled(status))
        if status in _OF_REPLICAS and right != _spelled(status):
            session.execute(
                f"SET SESSION time_zone = {literal(zone)}, sql_mode = {literal(mode)}, "
                f"character_set_client = {charset}, collation_connection = {collation}"
            )
            user, _, host = str(definer).rpartition("@")
            session.execute(f"ALTER DEFINER = {account(user, host)} EVENT {quote(database)}.{quote(event)} {right}")
            session.execute("SET NAMES utf8mb4")
            session.execute("SET SESSION time_zone = '+00:00', sql_mode = DEFAULT")
