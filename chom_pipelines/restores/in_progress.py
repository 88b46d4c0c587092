"""The operations that put up the table which names what is being restored, and take it down. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from chom_pipelines.logical.tables import RESTORE_MARKER
from chom_pipelines.restores.operations import Action, Operation
from chom_pipelines.restores.selection import Selection
from chom_pipelines.restores.standing import Standing
from chom_pipelines.server.identifiers import literal, qualified

_LONGEST = 64


def _made(selection: Selection, standing: Standing, database: str) -> list[str]:
    """What is not there before: tables and sequences."""
    there = standing.databases.get(database)
    sequences = [
        each.name
        for each in selection.sequences
        if each.database == database and (selection.whole or there is None or each.name not in there.objects)
    ]
    return [*sequences, *(each.table.name for each in selection.tables if each.database == database)]


def mark_operations(selection: Selection, standing: Standing, now: datetime) -> Iterator[Operation]:
    """What names, in each database, all that is being restored there, before anything is."""
    for database in selection.databases:
        names = _made(selection, standing, database)
        if not names:
            continue
        there = standing.databases.get(database)
        marker = qualified(database, RESTORE_MARKER)
        backup = literal(selection.backup[:_LONGEST])
        rows = ", ".join(f"({literal(name)}, {backup}, '{now:%Y-%m-%d %H:%M:%S}')" for name in names)
        create = (
            f"CREATE TABLE {marker} (name VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PRIMARY KEY, "
            f"backup VARCHAR({_LONGEST}) NOT NULL, since DATETIME NOT NULL)"
        )
        stands = there is not None and RESTORE_MARKER in there.objects
        again = [name for name in names if there and (selection.whole or name in there.unfinished)]
        removed = f"DELETE FROM {marker}" + (
            "" if selection.whole else f" WHERE name IN ({', '.join(map(literal, again))})"
        )
        begin = (removed.encode(),) if stands and again else () if stands else (create.encode(),)
        statements = (*begin, f"INSERT INTO {marker} VALUES {rows}".encode(), b"COMMIT")
        action = Action.ALTER if stands else Action.CREATE
        note = "names what is being restored, until it is"
        yield Operation(action, "table", database, RESTORE_MARKER, note, statements=statements)


def unmark_operations(selection: Selection, standing: Standing) -> Iterator[Operation]:
    """What takes these names away again when all is restored; those of an earlier restore that was cut off stay."""
    for database in selection.databases:
        names = _made(selection, standing, database)
        if not names:
            continue
        there = standing.databases.get(database)
        marker = qualified(database, RESTORE_MARKER)
        others = set() if selection.whole or there is None else set(there.unfinished) - set(names)
        if others:
            listed = ", ".join(map(literal, names))
            statement = f"DELETE FROM {marker} WHERE name IN ({listed})"
            note = f"what an earlier restore left unfinished stays named: {', '.join(sorted(others))}"
            yield Operation(
                Action.ALTER, "table", database, RESTORE_MARKER, note, statements=(statement.encode(), b"COMMIT")
            )
        else:
            yield Operation(
                Action.DROP, "table", database, RESTORE_MARKER, statements=(f"DROP TABLE {marker}".encode(),)
            )
