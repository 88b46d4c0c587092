"""Whether a restored copy is its original: by the server's own checksums and definitions, of both."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from chom_pipelines.server.connection import Session
from chom_pipelines.server.identifiers import literal, qualified

_COUNTER = re.compile(r" AUTO_INCREMENT=\d+")


@dataclass(frozen=True)
class TableState:
    """What a table holds by CHECKSUM TABLE, and how it is defined, its counter aside."""

    checksum: int | None
    definition: str


def read_state(session: Session, databases: Sequence[str]) -> dict[str, TableState]:
    """Every base table of these databases; raises the server's errors."""
    names = ", ".join(map(literal, databases))
    listed = session.rows(
        "SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.TABLES "
        f"WHERE TABLE_TYPE = 'BASE TABLE' AND TABLE_SCHEMA IN ({names}) ORDER BY 1, 2"
    )
    found = {}
    for database, table in listed:
        name = qualified(str(database), str(table))
        checksum = (session.row(f"CHECKSUM TABLE {name}") or (None, None))[1]
        shown = session.row(f"SHOW CREATE TABLE {name}") or ("", "")
        head, _, tail = str(shown[1]).rpartition("\n)")  # what follows the columns: partitions come last
        definition = f"{head}\n){_COUNTER.sub('', tail)}"
        found[f"{database}.{table}"] = TableState(None if checksum is None else int(checksum), definition)
    return found


def differences(original: Mapping[str, TableState], copy: Mapping[str, TableState]) -> Iterator[str]:
    """In what a copy is not its original, by table. Pure."""
    for name in sorted({*original, *copy}):
        if name not in copy:
            yield f"table {name}: it is not in the copy"
        elif name not in original:
            yield f"table {name}: it is in the copy only"
        elif original[name].checksum is None or original[name].checksum != copy[name].checksum:
            yield f"table {name}: the rows of the copy have another checksum"
        elif original[name].definition != copy[name].definition:
            yield f"table {name}: the copy is defined otherwise"
