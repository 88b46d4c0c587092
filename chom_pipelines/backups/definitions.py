"""Definitions: the statements that re-create a schema, and the SQL files that hold them. Pure.

A file is plain SQL for the stock client; each statement is preceded by a comment line with what the statement is and how
many bytes it has, so that it is read back exactly, whatever it contains.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field, replace

from chom_pipelines.errors import DamagedError
from chom_pipelines.server.identifiers import quote

_MARK = b"-- chom "
_NAME = re.compile(r"`((?:[^`]|``)+)`")
_COUNTER = re.compile(rb"\n\)(?P<before>[^\n]*?) AUTO_INCREMENT=\d+")


@dataclass(frozen=True)
class Context:
    """The session that a stored program or view was written in; None where it does not matter."""

    sql_mode: str | None = None
    client: str | None = None
    collation: str | None = None
    database_collation: str | None = None
    time_zone: str | None = None

    def settings(self) -> list[str]:
        """SET statements that bring it back."""
        values = []
        if self.sql_mode is not None:
            values.append(f"sql_mode='{self.sql_mode}'")
        if self.client and self.collation:
            values.append(f"character_set_client={self.client}, collation_connection={self.collation}")
        if self.time_zone is not None:
            values.append(f"time_zone='{self.time_zone}'")
        return [f"SET {', '.join(values)}"] if values else []


@dataclass(frozen=True)
class Definition:
    """One thing in a schema and the statement that creates it, in the bytes that the server gave."""

    kind: str
    database: str
    name: str
    statement: bytes = field(repr=False)
    context: Context = field(default_factory=Context)
    parent: str = ""
    """The table of a trigger."""
    value: str = ""
    """SQL that restores a state which CREATE does not: a sequence's counter."""

    @property
    def digest(self) -> str:
        """SHA-256 of what it is; a counter's position is not part of it."""
        context = json.dumps(asdict(self.context), sort_keys=True).encode()
        return hashlib.sha256(context + b"\n" + self.statement).hexdigest()

    @property
    def shape(self) -> str:
        """Like `digest`, blind to AUTO_INCREMENT, which moves while a dump runs without being a change of definition."""
        return replace(self, statement=_COUNTER.sub(rb"\n)\g<before>", self.statement)).digest

    @property
    def label(self) -> str:
        """For messages: `trigger chom.orders_audit`."""
        return f"{self.kind} {self.database}.{self.name}" if self.database else f"{self.kind} {self.name}"


def written(definitions: Iterable[Definition]) -> Iterator[bytes]:
    """The lines of an SQL file that creates the definitions in this order."""
    yield b"SET NAMES utf8mb4;\nSET foreign_key_checks=0, unique_checks=0;\nSET time_zone='+00:00';\n"
    for definition in definitions:
        delimiter = _delimiter(definition.statement)
        header = {
            "kind": definition.kind,
            "database": definition.database,
            "name": definition.name,
            "parent": definition.parent,
            "value": definition.value,
            "context": asdict(definition.context),
            "bytes": len(definition.statement),
            "delimiter": delimiter,
        }
        yield _MARK + json.dumps(header).encode() + b"\n"
        if definition.database and definition.kind != "database":
            yield f"USE {quote(definition.database)};\n".encode()
        for setting in definition.context.settings():
            yield f"{setting};\n".encode()
        yield f"DELIMITER {delimiter}\n".encode()
        yield definition.statement + f"\n{delimiter}\nDELIMITER ;\n".encode()
        if definition.value:
            yield f"{definition.value};\n".encode()
        if definition.context.settings():
            yield b"SET NAMES utf8mb4;\nSET time_zone='+00:00', sql_mode=DEFAULT;\n"


def parsed(data: bytes, where: str) -> list[Definition]:
    """Read such a file back. Raises DamagedError."""
    definitions: list[Definition] = []
    position = 0
    while True:
        start = position if data.startswith(_MARK, position) else data.find(b"\n" + _MARK, position) + 1
        if not data.startswith(_MARK, start):
            return definitions
        end = data.index(b"\n", start)
        try:
            header = json.loads(data[start + len(_MARK) : end])
            opening = f"DELIMITER {header['delimiter']}\n".encode()
            body = data.index(opening, end) + len(opening)
            position = body + header["bytes"]
            definitions.append(
                Definition(
                    kind=header["kind"],
                    database=header["database"],
                    name=header["name"],
                    statement=data[body:position],
                    context=Context(**header["context"]),
                    parent=header["parent"],
                    value=header["value"],
                ),
            )
        except (ValueError, KeyError, TypeError) as error:
            message = f"{where}: cannot be read at byte {start}: {error}"
            raise DamagedError(message, "restore another backup, or fetch this one from the second copy") from error


def in_dependency_order(views: list[Definition]) -> list[Definition]:
    """Views after the views that they name; the server's own text quotes every name."""
    known = {(view.database, view.name) for view in views}
    uses = {}
    for view in views:
        names = [name.replace("``", "`") for name in _NAME.findall(view.statement.decode("utf-8", "replace"))]
        pairs = {(view.database, name) for name in names} | set(zip(names, names[1:], strict=False))
        uses[view.database, view.name] = pairs & known - {(view.database, view.name)}
    ordered: list[Definition] = []
    placed: set[tuple[str, str]] = set()
    waiting = list(views)
    while waiting:
        # a cycle can only be a column that is named like a view: any order will do for it
        ready = [view for view in waiting if uses[view.database, view.name] <= placed] or waiting[:1]
        ordered += ready
        placed |= {(view.database, view.name) for view in ready}
        waiting = [view for view in waiting if (view.database, view.name) not in placed]
    return ordered


def _delimiter(statement: bytes) -> str:
    delimiter = ";;"
    while delimiter.encode() in statement:
        delimiter += "$"
    return delimiter
