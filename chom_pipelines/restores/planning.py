"""What a restore does on a target: the list of operations that a selection takes on what stands there. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime

from chom_pipelines.errors import RestoreRefusedError
from chom_pipelines.log_lines import amount
from chom_pipelines.logical.definitions import INVALID_VIEW, Definition
from chom_pipelines.logical.tables import RESTORE_MARKER
from chom_pipelines.restores.in_progress import mark_operations, unmark_operations
from chom_pipelines.restores.loading import VALUES_AS_THEY_ARE
from chom_pipelines.restores.operations import Action, Operation, Operations
from chom_pipelines.restores.selection import SelectedTable, Selection
from chom_pipelines.restores.standing import DatabaseStanding, Standing
from chom_pipelines.server.identifiers import account, qualified, quote

_DROPPED = ("table", "sequence", "event", "view", "procedure", "function", "package body", "package")
"""Kinds in the order in which they go: first what has to be waited for, where somebody uses it."""
_PACKAGES = frozenset({"package", "package body"})
_AS_ORACLE = b"SET SESSION sql_mode = 'ORACLE'"
"""MariaDB 10.11 knows DROP PACKAGE in no other mode."""
_DATABASE = re.compile(r"CREATE DATABASE `(?:[^`]|``)*` ?")
_GRANTED = re.compile(r" (?:#|late )\d+$")
_BACK_TO_OURS = (b"SET NAMES utf8mb4", b"SET time_zone = '+00:00'", VALUES_AS_THEY_ARE.encode())


def operations_for(selection: Selection, standing: Standing, now: datetime) -> Operations:
    """What a selection takes on what stands on the target.

    Raises RestoreRefusedError where something is in the way that a restore of this kind never removes.
    """
    _refuse_what_is_in_the_way(selection, standing)
    accounts, kept = _accounts(selection, standing)
    drops = tuple(_drops(selection, standing))
    return Operations(
        databases=tuple(selection.databases),
        before=(
            *drops,
            *_databases(selection, standing),
            *mark_operations(selection, standing, now),
            *(_sequence(each, selection, standing) for each in selection.sequences),
            *(_table(each) for each in selection.tables),
        ),
        after=(
            *(_constraints(each) for each in selection.tables if each.split.foreign_keys),
            *(_program(each, selection, standing) for each in selection.programs),
            *accounts,
            *unmark_operations(selection, standing),
        ),
        warnings=(*selection.warnings, *_unchecked(drops, standing), *kept),
    )


def _refuse_what_is_in_the_way(selection: Selection, standing: Standing) -> None:
    for each in selection.sequences:
        if each.database not in standing.databases and each.database not in selection.databases:
            what = f"{each.label} is needed, and there is no database {each.database}"
            raise RestoreRefusedError(what, f"create it, or restore tables of {each.database} as well")
    if selection.whole:
        return
    tables = {(each.database, each.table.name) for each in selection.tables}
    for each in selection.programs:
        there = standing.databases.get(each.database)
        owner = there.triggers.get(each.name) if there else None
        if owner is not None and (each.database, owner) not in tables:
            what = f"{each.label} is there, and belongs to another table, {owner}"
            raise RestoreRefusedError(what, "rename or drop that trigger, or restore with --as-database")
    for each in selection.sequences:
        there = standing.databases.get(each.database)
        if there and there.objects.get(each.name, "sequence") != "sequence":
            what = f"{each.database}.{each.name} is a {there.objects[each.name]}, and a sequence is needed there"
            raise RestoreRefusedError(what, "rename it, or restore with --as-database")


def _drops(selection: Selection, standing: Standing) -> Iterator[Operation]:
    """All that goes, by name. Tables go first and by one statement, which has them all before it drops the first."""
    drops: list[Operation] = []
    for database, there in standing.databases.items():
        wanted = {each.table.name for each in selection.tables if each.database == database}
        if selection.whole:
            known = {
                *wanted,
                *(each.name for each in (*selection.sequences, *selection.programs) if each.database == database),
            }
            found = [*((kind, name) for name, kind in there.objects.items() if name != RESTORE_MARKER), *there.programs]
        else:
            known = wanted
            found = [(kind, name) for name, kind in there.objects.items() if name in wanted]
        drops += [_drop(database, there, kind, name, is_known=name in known) for kind, name in found]
    tables = ", ".join(qualified(each.database, each.name) for each in drops if each.kind == "table")
    for each in sorted(drops, key=lambda each: (_DROPPED.index(each.kind), each.database, each.name)):
        if each.kind != "table":
            yield each
        else:
            yield replace(each, statements=(f"DROP TABLE IF EXISTS {tables}".encode(),) if tables else ())
            tables = ""


def _unchecked(drops: Iterable[Operation], standing: Standing) -> Iterator[str]:
    """Tables that stay while one that their foreign keys lead to is replaced: servers do not check such rows again."""
    gone = {(each.database, each.name) for each in drops}
    children = {
        f"{database}.{child}"
        for parents, there in standing.databases.items()
        for database, child, parent in there.referring
        if (parents, parent) in gone and (database, child) not in gone
    }
    if children:
        yield f"their rows may refer to rows that are gone then, as they stay: {', '.join(sorted(children))}"


def _drop(database: str, there: DatabaseStanding, kind: str, name: str, *, is_known: bool) -> Operation:
    triggers = sorted(trigger for trigger, table in there.triggers.items() if table == name and kind == "table")
    notes = []
    if not is_known:
        notes.append("the backup does not have it")
    if name in there.unfinished:
        notes.append(f"of a restore of {there.unfinished[name]} that was cut off")
    if triggers:
        notes.append(f"with its triggers {', '.join(triggers)}")
    sql = f"DROP {kind.upper()} IF EXISTS {qualified(database, name)}".encode()
    packaged = kind in _PACKAGES
    return Operation(
        Action.DROP,
        kind,
        database,
        name,
        "; ".join(notes),
        needs_replace=True,
        statements=(_AS_ORACLE, sql) if packaged else (sql,),
        endings=_BACK_TO_OURS if packaged else (),
    )


def _databases(selection: Selection, standing: Standing) -> Iterator[Operation]:
    for name, definition in selection.databases.items():
        there = standing.databases.get(name)
        shown = definition.statement.decode()
        if there is None:
            create = f"CREATE DATABASE {quote(name)} {_defaults(shown)}"
            yield Operation(Action.CREATE, "database", name, name, statements=(create.encode(),))
        elif selection.whole and _defaults(there.statement) != _defaults(shown):
            alter = f"ALTER DATABASE {quote(name)} {_defaults(shown)}"
            note = f"its defaults become {_defaults(shown)}, and were {_defaults(there.statement)}"
            yield Operation(Action.ALTER, "database", name, name, note, statements=(alter.encode(),))


def _defaults(shown: str) -> str:
    return _DATABASE.sub("", shown, count=1)


def _sequence(sequence: Definition, selection: Selection, standing: Standing) -> Operation:
    """One that is there is not made anew: its counter only ever moves forward, which is all that SETVAL does."""
    use = f"USE {quote(sequence.database)}".encode()
    value = (sequence.value.encode(),) if sequence.value else ()
    there = standing.databases.get(sequence.database)
    if selection.whole or there is None or sequence.name not in there.objects:
        create = (use, sequence.statement, *value)
        return Operation(Action.CREATE, "sequence", sequence.database, sequence.name, statements=create)
    note = "to where the backup has it, unless it is beyond that"
    return Operation(
        Action.ADVANCE, "sequence", sequence.database, sequence.name, note, statements=(use, *value) if value else ()
    )


def _table(selected: SelectedTable) -> Operation:
    table, split = selected.table, selected.split
    keys = len(split.keys) + len(split.full_text)
    built = f", {amount(keys, 'key')} built after them" if keys else ""
    return Operation(
        Action.CREATE,
        "table",
        selected.database,
        table.name,
        f"{amount(table.rows, 'row')}, {amount(table.bytes, 'byte')} of text{built}",
        statements=(f"USE {quote(selected.database)}".encode(), split.create),
        table=selected,
    )


def _constraints(selected: SelectedTable) -> Operation:
    statements = tuple(selected.split.constraints(selected.name))
    note = f"with {amount(len(selected.split.foreign_keys), 'foreign key')}"
    return Operation(Action.ALTER, "table", selected.database, selected.table.name, note, statements=statements)


def _program(program: Definition, selection: Selection, standing: Standing) -> Operation:
    there = None if selection.whole else standing.databases.get(program.database)
    context = program.context
    if there and context.database_collation:  # the database keeps its own default, and not that of the backup
        context = replace(context, default_collation=there.collation)
    endings = tuple(ending.encode() for ending in context.endings())
    note = ""
    if endings and there:
        note = (
            f"for its creation the default collation of {program.database} is {context.database_collation}, "
            f"and then {context.default_collation} again"
        )
    settings = tuple(setting.encode() for setting in context.settings())
    return Operation(
        Action.CREATE,
        program.kind,
        program.database,
        program.name,
        note,
        statements=(f"USE {quote(program.database)}".encode(), *settings, program.statement),
        endings=(*endings, *_BACK_TO_OURS) if settings else (),
        may_fail=program.kind == INVALID_VIEW,
    )


def _accounts(selection: Selection, standing: Standing) -> tuple[list[Operation], list[str]]:
    """Accounts and roles that are not there, with their grants, and a warning of those that are left as they are.

    What is there is never replaced: where its new grants were refused, it would be gone.
    """
    found: list[Operation] = []
    grants: dict[str, list[bytes]] = {}
    kinds: dict[str, str] = {}
    for each in selection.accounts:
        if each.kind == "grant":
            grants.setdefault(_GRANTED.sub("", each.name), []).append(each.statement)
        elif each.name not in standing.accounts:
            kinds[each.name] = each.kind
            create = each.statement.replace(b" IF NOT EXISTS", b"", 1)
            found.append(Operation(Action.CREATE, each.kind, "", each.name, statements=(create,)))
    for name, statements in grants.items():
        if name in kinds:
            note = f"{amount(len(statements), 'grant')}; where one is refused, the account goes again"
            undo = (_drop_account(kinds[name], name),)
            found.append(Operation(Action.ALTER, kinds[name], "", name, note, statements=tuple(statements), undo=undo))
    left = ", ".join(sorted({each.name for each in selection.accounts} & standing.accounts))
    return found, [f"left as they are there, with their passwords and grants: {left}"] if left else []


def _drop_account(kind: str, label: str) -> bytes:
    user, _, host = label.rpartition("@")
    return (f"DROP ROLE {quote(label)}" if kind == "role" else f"DROP USER {account(user, host)}").encode()
