"""What a restore will do, decided before anything is touched. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from chom_pipelines.errors import RestoreRefusedError
from chom_pipelines.logical.definitions import INVALID_VIEW, Definition, without_places
from chom_pipelines.repository.manifest import Manifest
from chom_pipelines.repository.payloads import Table
from chom_pipelines.restores.table_sql import SplitTable, in_database, names_database, split_table
from chom_pipelines.server.identifiers import qualified, quote

MARKER = "_chom_restore_in_progress"
"""A table that stands in every database that is being restored, so that a restore that was cut off is recognised."""

_VIEWS = frozenset({"view", INVALID_VIEW})
_PROGRAMS = frozenset({"procedure", "function", "package", "package body", "trigger", "event"}) | _VIEWS
_ACCOUNTS = frozenset({"role", "account", "grant"})


@dataclass(frozen=True)
class RestoreRequest:
    """What to restore and how.

    `rename` maps a database of the backup to its name on the target; `tables` are `database.table` as in the backup,
    None means everything; `threads` 0 means one per core; `despite_failed_proof` restores what is known to be damaged;
    with `accept_losses`, what the target cannot store as it was is a warning and not the end.
    """

    rename: Mapping[str, str] = field(default_factory=dict)
    tables: tuple[str, ...] | None = None
    replace: bool = False
    threads: int = 0
    accounts: bool = False
    despite_failed_proof: bool = False
    accept_losses: bool = False


@dataclass(frozen=True)
class PlannedTable:
    """A table: where its data is, what creates it, and its name on the target."""

    table: Table
    split: SplitTable
    database: str
    """On the target."""

    @property
    def name(self) -> str:
        """Quoted, with its database."""
        return qualified(self.database, self.table.name)


@dataclass(frozen=True)
class RestorePlan:
    """Everything in the order in which it is made."""

    databases: Mapping[str, Definition]
    """By name on the target."""
    sequences: tuple[Definition, ...]
    tables: tuple[PlannedTable, ...]
    programs: tuple[Definition, ...]
    accounts: tuple[Definition, ...]
    warnings: tuple[str, ...]

    def lines(self) -> list[str]:
        """For people: what would be done."""
        rows, size = sum(each.table.rows for each in self.tables), sum(each.table.bytes for each in self.tables)
        keyed = sum(bool(each.split.keys or each.split.full_text) for each in self.tables)
        bound = sum(bool(each.split.foreign_keys) for each in self.tables)
        kinds = sorted({each.kind for each in self.programs})
        counted = [f"{sum(each.kind == kind for each in self.programs)} {kind}s" for kind in kinds]
        return [
            *(f"create database {name}" for name in self.databases),
            f"create {len(self.tables)} tables and load {rows} rows, {size} bytes of text",
            f"build the keys of {keyed} tables, then the foreign keys of {bound}",
            *([f"create {', '.join(counted)}"] if counted else []),
            *([f"create {len(self.accounts)} accounts, roles and grants"] if self.accounts else []),
            *(f"warning: {warning}" for warning in self.warnings),
        ]


def planned(manifest: Manifest, definitions: Sequence[Definition], request: RestoreRequest) -> RestorePlan:
    """Choose and rename. Raises RestoreRefusedError where what is asked for is not in the backup."""
    _refuse_unknown(manifest, request)
    tables = {table.identity: table for table in manifest.logical.tables}
    chosen = set(tables) if request.tables is None else _chosen(manifest, request.tables)
    databases = {database for database, _ in chosen} if request.tables is not None else set(manifest.logical.databases)
    by_kind: dict[str, list[Definition]] = {}
    for each in definitions:
        by_kind.setdefault(each.kind, []).append(each)
    everything = request.tables is None
    programs = [
        each
        for each in definitions
        if each.kind in _PROGRAMS
        and (everything or (each.kind == "trigger" and (each.database, each.parent) in chosen))
    ]
    return RestorePlan(
        databases={
            request.rename.get(each.name, each.name): each
            for each in by_kind.get("database", [])
            if each.name in databases
        },
        sequences=tuple(
            _moved(each, request)
            for each in by_kind.get("sequence", [])
            if everything or _is_used(each, [table for table in by_kind.get("table", []) if _key(table) in chosen])
        ),
        tables=tuple(
            PlannedTable(
                tables[_key(each)],
                split_table(without_places(each.statement)),
                request.rename.get(each.database, each.database),
            )
            for each in by_kind.get("table", [])
            if _key(each) in chosen
        ),
        programs=tuple(_moved(each, request) for each in programs),
        accounts=tuple(each for each in definitions if each.kind in _ACCOUNTS) if request.accounts else (),
        warnings=(
            *_displaced([each for each in by_kind.get("table", []) if _key(each) in chosen]),
            *_warnings(programs, manifest, request),
        ),
    )


def _refuse_unknown(manifest: Manifest, request: RestoreRequest) -> None:
    unknown = set(request.rename) - set(manifest.logical.databases)
    if unknown:
        message = f"{manifest.id} has no database {', '.join(sorted(unknown))}"
        raise RestoreRefusedError(message, f"it has {', '.join(manifest.logical.databases) or 'none'}")
    names = [request.rename.get(name, name) for name in manifest.logical.databases]
    if len(set(names)) != len(names):
        raise RestoreRefusedError("two databases would get the same name", "choose names that differ")


def _chosen(manifest: Manifest, labels: Sequence[str]) -> set[tuple[str, str]]:
    """The tables of these labels. Raises RestoreRefusedError where one names none, or several: names may hold dots."""
    found: dict[str, list[tuple[str, str]]] = {label: [] for label in labels}
    for table in manifest.logical.tables:
        found.get(table.label, []).append(table.identity)
    missing = sorted(label for label, named in found.items() if not named)
    if missing:
        message = f"{manifest.id} has no table {', '.join(missing)}"
        raise RestoreRefusedError(message, "name tables as database.table, as the backup has them")
    for label, named in found.items():
        if len(named) > 1:
            places = " and ".join(f"{quote(table)} of {quote(database)}" for database, table in named)
            raise RestoreRefusedError(f"{label} is {places}", "restore their databases whole, under other names")
    return {identity for named in found.values() for identity in named}


def _key(table: Definition) -> tuple[str, str]:
    return (table.database, table.name)


def _is_used(sequence: Definition, tables: Sequence[Definition]) -> bool:
    """Whether one of these tables takes its default values from the sequence; the server's text names it in full."""
    name = qualified(sequence.database, sequence.name).encode()
    return any(name in table.statement for table in tables)


def _displaced(tables: Sequence[Definition]) -> Iterator[str]:
    names = ", ".join(each.label for each in tables if without_places(each.statement) != each.statement)
    if names:
        yield f"in the server's own data directory, not where their definitions say: {names}"


def _moved(definition: Definition, request: RestoreRequest) -> Definition:
    new = request.rename.get(definition.database, definition.database)
    statement = definition.statement
    if definition.kind in _VIEWS:
        for old, name in request.rename.items():
            statement = in_database(statement, old, name)
    return replace(definition, database=new, statement=statement)


def _warnings(programs: list[Definition], manifest: Manifest, request: RestoreRequest) -> tuple[str, ...]:
    found = [
        f"{each.label} names the database {old} itself, and still does under its new name"
        for each in programs
        for old in request.rename
        if each.kind not in _VIEWS and names_database(each.statement, old)
    ]
    events = [each.label for each in programs if each.kind == "event"]
    if events and request.rename:
        found.append(f"disabled, so that they do not run twice: {', '.join(events)}")
    if request.tables is not None:
        found.append("only tables, their triggers and the sequences that they use: no views, routines or events")
    if request.accounts and not any(each.kind in _ACCOUNTS for each in manifest.logical.schema_objects):
        found.append("this backup holds no accounts")
    return (*found, *manifest.warnings)
