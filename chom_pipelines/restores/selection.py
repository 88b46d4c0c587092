"""What of a backup is restored, and under which names: decided before anything is touched. Pure.

What a target has to lose by it is not known here; that is in `planning`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from chom_pipelines.errors import RestoreRefusedError
from chom_pipelines.logical.definition_lines import foreign_keys
from chom_pipelines.logical.definitions import INVALID_VIEW, Definition, encoding_of, without_places
from chom_pipelines.repository.manifest import Manifest
from chom_pipelines.repository.payloads import Table
from chom_pipelines.restores.renaming import (
    disabled,
    in_databases,
    names_database,
    names_table,
    qualifiers,
    trigger_in,
    untied,
    view_in,
)
from chom_pipelines.restores.table_sql import SplitTable, split_table
from chom_pipelines.server.facts import SYSTEM_DATABASES
from chom_pipelines.server.identifiers import qualified, quote

_VIEWS = frozenset({"view", INVALID_VIEW})
_PROGRAMS = frozenset({"procedure", "function", "package", "package body", "trigger", "event"}) | _VIEWS
_LONGEST_NAME = 64
_NO_DATABASE = "no database "
"""Whose names end with no blank."""
_ACCOUNTS = frozenset({"role", "account", "grant"})


@dataclass(frozen=True)
class RestoreRequest:
    """What to restore and how.

    `rename` maps a database of the backup to its name on the target; `tables` are `database.table` as in the backup,
    None means everything; `threads` 0 means one per core; `despite_failed_proof` restores what is known to be damaged;
    `called` is what people call the backup, instead of its id;
    with `accept_losses`, what the target cannot store as it was is a warning and not the end; with `compare`, rows are
    read back and compared with what was dumped, before triggers and events are there; without `defer_keys`, tables have
    all of their keys from the start, which takes longer: for who measures that.
    """

    rename: Mapping[str, str] = field(default_factory=dict)
    tables: tuple[str, ...] | None = None
    replace: bool = False
    threads: int = 0
    accounts: bool = False
    despite_failed_proof: bool = False
    accept_losses: bool = False
    compare: bool = False
    defer_keys: bool = True
    called: str = ""


@dataclass(frozen=True)
class SelectedTable:
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
class Selection:
    """Everything in the order in which it is made, under the names that it gets."""

    backup: str
    """What people call it."""
    whole: bool
    """The databases, not only some of their tables."""
    replace: bool
    """The request allows that what is there under the same names is lost."""
    databases: Mapping[str, Definition]
    """By name on the target."""
    sequences: tuple[Definition, ...]
    tables: tuple[SelectedTable, ...]
    programs: tuple[Definition, ...]
    accounts: tuple[Definition, ...]
    warnings: tuple[str, ...]


def selected(manifest: Manifest, definitions: Sequence[Definition], request: RestoreRequest) -> Selection:
    """Choose and rename. Raises RestoreRefusedError where what is asked for cannot be had from the backup."""
    _refuse_unknown(manifest, request)
    whole = request.tables is None
    dumped = {table.identity: table for table in manifest.logical.tables}
    chosen = set(dumped) if request.tables is None else _chosen(manifest, request.tables)
    databases = set(manifest.logical.databases) if whole else {database for database, _ in chosen}
    if request.rename and databases - set(request.rename):
        what = f"no other name is given for {', '.join(sorted(databases - set(request.rename)))}"
        raise RestoreRefusedError(what, "name another for each database, or for none")
    tables = [each for each in definitions if each.kind == "table" and _key(each) in chosen]
    programs = [
        each
        for each in definitions
        if each.kind in _PROGRAMS and (whole or (each.kind == "trigger" and (each.database, each.parent) in chosen))
    ]
    cut_loose = [_untied(each, request) for each in tables]
    sequences = [
        each
        for each in definitions
        if each.kind == "sequence"
        and (whole or _is_used(each, tables))
        and (not request.rename or each.database in request.rename)
    ]
    return Selection(
        backup=request.called or manifest.id,
        whole=whole,
        replace=request.replace,
        databases={
            request.rename.get(each.name, each.name): each
            for each in definitions
            if each.kind == "database" and each.name in databases
        },
        sequences=tuple(_moved(each, request) for each in sequences),
        tables=tuple(
            SelectedTable(
                dumped[_key(each)],
                _split(in_databases(without_places(statement), request.rename), request),
                request.rename.get(each.database, each.database),
            )
            for each, (statement, _) in zip(tables, cut_loose, strict=True)
        ),
        programs=tuple(_moved(each, request) for each in programs),
        accounts=tuple(each for each in definitions if each.kind in _ACCOUNTS) if request.accounts else (),
        warnings=(
            *_displaced(tables),
            *_ties(tables, [left for _, left in cut_loose], request),
            *(() if whole else _not_restored(definitions, chosen, request)),
            *_warnings(programs, manifest, request),
        ),
    )


def _split(statement: bytes, request: RestoreRequest) -> SplitTable:
    split = split_table(statement)
    return split if request.defer_keys else replace(split, create=statement, keys=(), full_text=(), foreign_keys=())


def _refuse_unknown(manifest: Manifest, request: RestoreRequest) -> None:
    unknown = set(request.rename) - set(manifest.logical.databases)
    if unknown:
        message = f"{manifest.id} has no database {', '.join(sorted(unknown))}"
        raise RestoreRefusedError(message, f"it has {', '.join(manifest.logical.databases) or 'none'}")
    names = [request.rename.get(name, name) for name in manifest.logical.databases]
    if len(set(names)) != len(names):
        raise RestoreRefusedError("two databases would get the same name", "choose names that differ")
    unfit = sorted(
        {name for name in request.rename.values() if not 0 < len(name) <= _LONGEST_NAME or name.endswith(" ")}
    )
    if unfit:
        raise RestoreRefusedError(f"{unfit[0]!r} cannot be the name of a database", "choose another name")
    own = sorted({name for name in request.rename.values() if name.lower() in SYSTEM_DATABASES})
    if own:
        raise RestoreRefusedError(f"{', '.join(own)} is the server's own database", "choose another name")


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


def _untied(table: Definition, request: RestoreRequest) -> tuple[bytes, list[str]]:
    """Its definition without what would tie a copy to the original, and the names of the foreign keys that that was."""
    return untied(table.statement, request.rename) if table.database in request.rename else (table.statement, [])


def _ties(tables: Sequence[Definition], left: Sequence[list[str]], request: RestoreRequest) -> Iterator[str]:
    """What was cut loose from the original, and what cannot be."""
    for table, names in zip(tables, left, strict=True):
        if names:
            yield f"left out of {table.label}, as they lead to tables that stay: foreign keys {', '.join(names)}"
        others = qualifiers(untied(table.statement, request.rename)[0]) - set(request.rename)
        if table.database in request.rename and others:
            yield f"{table.label} still names databases that stay as they are: {', '.join(sorted(others))}"


def _not_restored(
    definitions: Sequence[Definition], chosen: set[tuple[str, str]], request: RestoreRequest
) -> Iterator[str]:
    """Where foreign keys and triggers of single tables lead to others of the backup, which are not restored."""
    there = {_key(each) for each in definitions if each.kind == "table"} - chosen
    for key in foreign_keys(each for each in definitions if each.kind == "table" and _key(each) in chosen):
        if key.parent in there and (not request.rename or key.parent[0] in request.rename):
            table, parent = (_label(request, *each) for each in (key.table, key.parent))
            yield (
                f"{table} has the foreign key {key.name} to {parent}, which is not restored with it: "
                "a row is refused unless what it leads to is there"
            )
    for each in definitions:
        if each.kind == "trigger" and (each.database, each.parent) in chosen:
            body = _body(each, request)
            named = sorted(other for other in there if names_table(body, other, each.database))
            if named:
                others = ", ".join(_label(request, *other) for other in named)
                yield f"trigger {_label(request, each.database, each.name)} names {others}, not restored with it"


def _label(request: RestoreRequest, database: str, name: str) -> str:
    """What is called so on the target."""
    return f"{request.rename.get(database, database)}.{name}"


def _moved(definition: Definition, request: RestoreRequest) -> Definition:
    new = request.rename.get(definition.database, definition.database)
    statement = definition.statement
    if definition.kind in _VIEWS:
        statement = view_in(request.rename, statement)
    elif definition.kind == "event" and new != definition.database:
        statement, _ = disabled(statement)
    elif definition.kind == "trigger" and definition.database in request.rename:
        statement = _trigger(definition, new)
    return replace(definition, database=new, statement=statement)


def _body(program: Definition, request: RestoreRequest) -> bytes:
    """What of it no restore writes anew: not the head of a trigger, which may name any database."""
    is_trigger = program.kind == "trigger" and program.database in request.rename
    return _trigger(program, _NO_DATABASE) if is_trigger else program.statement


def _trigger(trigger: Definition, database: str) -> bytes:
    encoding = encoding_of(trigger.context.client)
    name, table = (quote(each).encode(encoding, "replace") for each in (trigger.name, trigger.parent))
    moved = trigger_in(database, name, table, trigger.statement)
    if moved is None:
        what = f"{trigger.label}: its definition is not understood well enough to make it in {database}"
        raise RestoreRefusedError(what, "restore without another name, or report it with the definition")
    return moved


def _warnings(programs: list[Definition], manifest: Manifest, request: RestoreRequest) -> tuple[str, ...]:
    found = [
        f"{each.label} names the database {old} itself, and still does under its new name"
        for each in programs
        for old, new in request.rename.items()
        if old != new and each.kind not in _VIEWS and names_database(_body(each, request), old)
    ]
    events = [
        each.label
        for each in programs
        if each.kind == "event"
        and request.rename.get(each.database, each.database) != each.database
        and disabled(each.statement)[1]
    ]
    if events:
        found.append(f"disabled, so that they do not run twice: {', '.join(events)}")
    if request.tables is not None:
        found.append("only tables, their triggers and the sequences that they use: no views, routines or events")
    if request.accounts and not any(each.kind in _ACCOUNTS for each in manifest.logical.schema_objects):
        found.append("this backup holds no accounts")
    return (*found, *manifest.warnings)
