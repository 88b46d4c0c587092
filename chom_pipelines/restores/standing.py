"""What stands on a target where a restore would go: asked of the server before anything is decided."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from chom_pipelines.errors import MissingPrivilegeError, RestoreRefusedError, UnsupportedServerError
from chom_pipelines.logical.accounts import account_label, account_names
from chom_pipelines.logical.tables import RESTORE_MARKER
from chom_pipelines.repository.manifest import Manifest
from chom_pipelines.repository.payloads import Method
from chom_pipelines.restores.authority import WHO_ELSE
from chom_pipelines.restores.selection import Selection
from chom_pipelines.server.connection import Endpoint, Session
from chom_pipelines.server.facts import ServerFacts
from chom_pipelines.server.grants import Wanted, spelled
from chom_pipelines.server.identifiers import qualified, quote
from chom_pipelines.server.questions import current_account

MARKER_COLUMNS = ("name", "backup", "since")

_KINDS = {"VIEW": "view", "SYSTEM VIEW": "view", "SEQUENCE": "sequence"}


@dataclass(frozen=True)
class DatabaseStanding:
    """A database that is there. `objects` are its tables, views and sequences, by name, with their kind."""

    statement: str
    """SHOW CREATE DATABASE."""
    collation: str
    objects: Mapping[str, str] = field(default_factory=dict)
    programs: tuple[tuple[str, str], ...] = ()
    """(kind, name) of its routines and events."""
    triggers: Mapping[str, str] = field(default_factory=dict)
    """The table of each, by name."""
    referring: tuple[tuple[str, str, str], ...] = ()
    """Foreign keys that lead to a table of it: (database, table) that has one, and the table that it leads to."""
    unfinished: Mapping[str, str] = field(default_factory=dict)
    """By name, the backup of whose restore it is a part that was cut off."""


@dataclass(frozen=True)
class Standing:
    """What a restore finds. An account is named as in the backup: a role by its name, else user@host."""

    databases: Mapping[str, DatabaseStanding] = field(default_factory=dict)
    accounts: frozenset[str] = frozenset()


def refuse_unfit_target(manifest: Manifest, facts: ServerFacts, target: Endpoint) -> None:
    """Raise UnsupportedServerError or RestoreRefusedError where this server cannot take the rows of the backup."""
    if facts.flavour.value != manifest.source.flavour:
        message = f"{target.where} is {facts.label}; the backup is of {manifest.source.flavour}"
        raise UnsupportedServerError(message, "restore into a server of the same family")
    mixed = [name for name in _names(manifest) if name != name.lower()]
    if facts.variables.get("lower_case_table_names", "0") != "0" and mixed:
        message = f"{target.where} keeps names in lower case; the backup has {', '.join(mixed[:3])}"
        raise RestoreRefusedError(message, "restore into a server with lower_case_table_names=0, or --into-directory")
    if not facts.accepts_local_files:
        message = f"{target.where} does not accept LOAD DATA LOCAL"
        raise RestoreRefusedError(message, "SET GLOBAL local_infile = 1 for the time of the restore")


def _names(manifest: Manifest) -> list[str]:
    """Of databases and tables; those in a physical backup are known once a server has run on it."""
    if manifest.method is Method.PHYSICAL:
        return []
    return sorted({*manifest.logical.databases, *(table.name for table in manifest.logical.tables)})


def read_standing(session: Session, facts: ServerFacts, selection: Selection) -> Standing:
    """Look at the databases that a selection touches, and at accounts where it has some. Raises the server's errors."""
    touched = {*selection.databases, *(each.database for each in selection.sequences)}
    there = {str(name) for (name,) in session.rows("SHOW DATABASES")}
    found = {name: _database(session, facts, name) for name in sorted(touched & there)}
    if not selection.accounts:
        return Standing(found)
    with _granted(session, facts, "mysql"):
        accounts = account_names(session, facts)
    return Standing(found, frozenset(account_label(user, host, is_role=is_role) for user, host, is_role in accounts))


@contextmanager
def _granted(session: Session, facts: ServerFacts, database: str) -> Iterator[None]:
    """Raise RestoreRefusedError with the GRANT where nothing of this database may be read."""
    try:
        yield
    except MissingPrivilegeError as error:
        need = spelled(facts, Wanted("SELECT", database, ""))
        what = f"{error.what}; {need.privilege} on {need.scope} is missing; nothing was done"
        raise RestoreRefusedError(what, f"{WHO_ELSE}\n{need.grant(*current_account(session))}") from error


def _database(session: Session, facts: ServerFacts, name: str) -> DatabaseStanding:
    shown = session.row(f"SHOW CREATE DATABASE {quote(name)}")
    objects = {
        str(table): _KINDS.get(str(kind), "table")
        for table, kind in session.rows(f"SHOW FULL TABLES FROM {quote(name)}")
    }
    with _granted(session, facts, name):
        unfinished = _unfinished(session, name) if RESTORE_MARKER in objects else {}
    return DatabaseStanding(
        statement=str(shown[1]) if shown else "",
        collation=_collation(session, name),
        objects=objects,
        programs=tuple(_programs(session, name)),
        triggers=dict(
            _of(session, name, "EVENT_OBJECT_TABLE, TRIGGER_NAME", "TRIGGERS", "TRIGGER_SCHEMA", swapped=True)
        ),
        referring=tuple(_referring(session, name)) if objects else (),
        unfinished=unfinished,
    )


def _collation(session: Session, name: str) -> str:
    rows = session.rows("SELECT SCHEMA_NAME, DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA")
    return next(str(collation) for schema, collation in rows if schema == name)


def _programs(session: Session, database: str) -> Iterable[tuple[str, str]]:
    for kind, name in _of(session, database, "ROUTINE_TYPE, ROUTINE_NAME", "ROUTINES", "ROUTINE_SCHEMA"):
        yield kind.lower(), name
    for _, name in _of(session, database, "'event', EVENT_NAME", "EVENTS", "EVENT_SCHEMA"):
        yield "event", name


def _of(
    session: Session, database: str, columns: str, source: str, schema: str, *, swapped: bool = False
) -> list[tuple[str, str]]:
    """Two columns of an information_schema table about exactly this database: it compares without case and accents."""
    rows = session.rows(f"SELECT {schema}, {columns} FROM information_schema.{source} WHERE {schema} = %s", (database,))
    pairs = [(str(first), str(second)) for where, first, second in rows if where == database]
    return [(second, first) for first, second in pairs] if swapped else pairs


def _referring(session: Session, database: str) -> Iterable[tuple[str, str, str]]:
    rows = session.rows(
        "SELECT UNIQUE_CONSTRAINT_SCHEMA, CONSTRAINT_SCHEMA, TABLE_NAME, REFERENCED_TABLE_NAME "
        "FROM information_schema.REFERENTIAL_CONSTRAINTS WHERE UNIQUE_CONSTRAINT_SCHEMA = %s",
        (database,),
    )
    for where, child_database, child, parent in rows:
        if where == database:
            yield str(child_database), str(child), str(parent)


def _unfinished(session: Session, database: str) -> dict[str, str]:
    """What the marker says; raises RestoreRefusedError where a table of that name is somebody else's."""
    columns = tuple(str(row[0]) for row in session.rows(f"SHOW COLUMNS FROM {qualified(database, RESTORE_MARKER)}"))
    if columns != MARKER_COLUMNS:
        what = f"{session.endpoint.where}: the table {database}.{RESTORE_MARKER} was not made by this version of chom"
        raise RestoreRefusedError(what, "rename or drop that table")
    return {
        str(name): str(backup)
        for name, backup in session.rows(f"SELECT name, backup FROM {qualified(database, RESTORE_MARKER)}")
    }
