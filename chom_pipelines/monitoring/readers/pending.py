"""How many migrations are pending: files that no history of the database records."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from chom_pipelines.errors import ConfigurationError, MissingPrivilegeError, ServerError
from chom_pipelines.inventory.models import Server
from chom_pipelines.migrations.sql_files import SqlFiles, version_key
from chom_pipelines.monitoring.readers.reading import Lack, Reading
from chom_pipelines.monitoring.readers.tables import TABLE_PRIVILEGE
from chom_pipelines.monitoring.readers.visible import visible
from chom_pipelines.server.connection import Session
from chom_pipelines.server.facts import ServerFacts
from chom_pipelines.server.grants import Need
from chom_pipelines.server.identifiers import literal, qualified
from chom_pipelines.server.questions import current_account, databases_there

PENDING = "migrations"
"""The collector, and the capability."""

_HISTORIES = {
    "migrations": ("migration", {"migration", "batch"}),
    "flyway_schema_history": ("version", {"version", "script", "success"}),
    "schema_migrations": ("version", {"version"}),
}
"""Of Laravel, of Flyway, and of many others: the column with the name, and those by which the table is known."""


def read_pending(session: Session, facts: ServerFacts, server: Server) -> Reading[int]:
    """Count them; of a server with `migrations` in chom.yaml. Raises nothing for what a server or a disk refuses.

    The names alone are compared: what Laravel's packages bring along is not counted, as it takes the application to
    know of it. `chom migration check` does.
    """
    started = time.monotonic()
    assert server.migrations is not None  # noqa: S101  (the caller asks of those that have some)
    laravel = server.migrations.laravel is not None
    try:
        files = _of_laravel(server.migrations.laravel) if server.migrations.laravel else _of_sql(server.migrations.sql)
        recorded = _recorded(session, facts, server, laravel=laravel)
    except (ServerError, ConfigurationError) as error:
        return Reading(PENDING, None, time.monotonic() - started, failure=error.what)
    if isinstance(recorded, Lack):
        return Reading(PENDING, None, time.monotonic() - started, lacks=(recorded,))
    return Reading(PENDING, len(files - recorded), time.monotonic() - started, capabilities=(PENDING,))


def _of_laravel(place: Path) -> set[str]:
    folder = place / "database" / "migrations"
    try:
        return {each.stem for each in folder.iterdir() if each.suffix == ".php"}
    except OSError as refused:
        raise ConfigurationError(f"{folder} cannot be read: {refused.strerror}", "correct migrations.laravel") from None


def _of_sql(place: Path | None) -> set[str]:
    assert place is not None  # noqa: S101  (the model demands one of them)
    return {version_key(each.name) for each in SqlFiles(place).files()}


def _recorded(session: Session, facts: ServerFacts, server: Server, *, laravel: bool) -> set[str] | Lack:
    names = ["migrations"] if laravel else ["flyway_schema_history", "schema_migrations"]
    databases = server.databases or databases_there(session)
    listed = ", ".join(map(literal, databases)) or "NULL"
    there = session.rows(
        "SELECT table_schema, table_name, GROUP_CONCAT(column_name) FROM information_schema.columns"
        f" WHERE table_schema IN ({listed}) AND table_name IN ({', '.join(map(literal, names))}) GROUP BY 1, 2"
    )
    found = [
        (str(database), str(table))
        for database, table, columns in there
        if set(str(columns).split(",")) >= _HISTORIES[str(table)][1]
    ]
    if len(found) > 1:
        listed = ", ".join(".".join(each) for each in found)
        why = f"migrations are recorded in several tables: {listed}"
        return Lack(PENDING, why, "name the application's database alone in `databases` of chom.yaml")
    if not found:
        return _no_history(session, facts, server, names)
    recorded: set[str] = set()
    for database, table in found:
        column, _ = _HISTORIES[table]
        where = " WHERE success" if table == "flyway_schema_history" else ""
        try:
            rows = session.rows(f"SELECT {column} FROM {qualified(database, table)}{where}")
        except MissingPrivilegeError:
            user, host = current_account(session)
            why = f"SELECT on {database}.{table} is missing, in which migrations are recorded"
            return Lack(PENDING, why, Need("SELECT", qualified(database, table), "").grant(user, host))
        recorded |= {str(name) if laravel else version_key(str(name)) for (name,) in rows if name is not None}
    return recorded


def _no_history(session: Session, facts: ServerFacts, server: Server, names: Sequence[str]) -> Lack:
    """None is there, or the account does not see it. That all are pending is not said: it may have another name."""
    called = " or ".join(names)
    seen = visible(session, facts, server.databases, PENDING, TABLE_PRIVILEGE)
    if not seen.lacks:
        remedy = "run the migrations a first time; `chom migration check` also finds a history of another name"
        return Lack(PENDING, f"there is no table called {called}, in which migrations are recorded", remedy)
    user, host = current_account(session)
    place = qualified(server.databases[0], names[0]) if server.databases else "*.*"
    why = f"no table called {called} is seen, in which migrations are recorded"
    return Lack(PENDING, why, Need("SELECT", place, "").grant(user, host))
