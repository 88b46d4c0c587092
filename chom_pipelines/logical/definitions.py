"""Definitions: the statements that re-create a schema, and the SQL files that hold them. Pure.

A file is plain SQL for the stock client; each statement is preceded by a comment line with what the statement is and
how many bytes it has, so that it is read back exactly, whatever it contains.
"""

from __future__ import annotations

import codecs
import hashlib
import itertools
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace

from pymysql.charset import charset_by_name

from chom_pipelines.errors import DamagedError
from chom_pipelines.repository.dump_records import SequenceCounter
from chom_pipelines.server.identifiers import quote

INVALID_VIEW = "invalid view"
"""Kind of a view that its server called invalid: it names what is not there, and can perhaps not be created again."""

SCHEMA_FILES: dict[str, frozenset[str]] = {
    "schema/10-tables": frozenset({"database", "sequence", "table"}),
    "schema/20-programs": frozenset({"procedure", "function", "package", "package body", "view", "trigger", "event"}),
    "schema/30-invalid-views": frozenset({INVALID_VIEW}),
    "schema/90-accounts": frozenset({"role", "account", "grant"}),
}
"""The schema's objects, without suffix, in the order in which they are restored, and the kinds in each."""

_MARK = b"-- chom "
_USUAL = b"SET time_zone='+00:00', sql_mode='ALLOW_INVALID_DATES';\n"
"""Takes every default and every double member that the source took."""
_NAME = re.compile(r"`((?:[^`]|``)+)`")
_COMMENT = re.compile(rb"COMMENT '(?:[^'\\]|\\.|'')*'")
_IMPLIED = re.compile(rb" CHARACTER SET \w+(?= COLLATE \w)")
_COUNTER = re.compile(rb"\n\)(?P<before>[^\n]*?) AUTO_INCREMENT=(?P<counter>\d+)")

_PLACE = re.compile(
    rb"(?P<quoted>`(?:[^`]|``)*`|'(?:[^'\\]|\\.|'')*')"
    rb"| (?:DATA|INDEX) DIRECTORY ?= ?'(?:[^'\\]|\\.|'')*'"
    rb"| (?:/\*!50100 )?TABLESPACE ?=? ?(?:`(?:[^`]|``)*`|\w+)(?: \*/)?",
    re.DOTALL,
)
"""Where a server keeps a table's files; in quotes it is something else."""


@dataclass(frozen=True)
class Context:
    """The session that a stored program or view was written in; None where it does not matter."""

    sql_mode: str | None = None
    client: str | None = None
    collation: str | None = None
    database_collation: str | None = None
    time_zone: str | None = None
    default_collation: str | None = None
    """The database's now; programs keep the one that it had when they were written."""

    @property
    def _moves_collation(self) -> bool:
        return bool(self.database_collation and self.default_collation) and (
            self.database_collation != self.default_collation
        )

    def settings(self) -> list[str]:
        """Statements that bring it back, with the database in use."""
        values = []
        if self.sql_mode is not None:
            values.append(f"sql_mode='{self.sql_mode}'")
        if self.client and self.collation:
            values.append(f"character_set_client={self.client}, collation_connection={self.collation}")
        if self.time_zone is not None:
            values.append(f"time_zone='{self.time_zone}'")
        altered = [f"ALTER DATABASE COLLATE {self.database_collation}"] if self._moves_collation else []
        return [*altered, f"SET {', '.join(values)}"] if values else altered

    def endings(self) -> list[str]:
        """What undoes the statements of `settings` that outlive the session."""
        return [f"ALTER DATABASE COLLATE {self.default_collation}"] if self._moves_collation else []


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
        """Like `digest`, blind to what differs without being a change of definition.

        AUTO_INCREMENT moves while a dump runs, and a copy's files lie elsewhere. MySQL names a column's character set
        beside its collation only where the CREATE TABLE did so: a copy made from SHOW CREATE TABLE says more than its
        source.
        """
        statement = _COUNTER.sub(rb"\n)\g<before>", without_places(self.statement))
        return replace(self, statement=_IMPLIED.sub(b"", statement)).digest

    @property
    def counter(self) -> int:
        """A table's AUTO_INCREMENT, 0 where none is shown."""
        found = _COUNTER.search(self.statement) if self.kind == "table" else None
        return int(found["counter"]) if found else 0

    def standing(self, counter: SequenceCounter) -> Definition:
        """A sequence with the SQL that brings its counter to there."""
        value = f"DO SETVAL({quote(self.name)}, {counter.following}, 0, {counter.cycle})"
        return replace(self, value=value)

    @property
    def identity(self) -> tuple[str, str, str]:
        """What tells it from all others: kind, database, name. Names may hold dots, so that labels may be alike."""
        return (self.kind, self.database, self.name)

    @property
    def label(self) -> str:
        """For messages: `trigger chom.orders_audit`."""
        return f"{self.kind} {self.database}.{self.name}" if self.database else f"{self.kind} {self.name}"


def standing(
    definitions: Iterable[Definition], counters: Mapping[tuple[str, str], SequenceCounter]
) -> list[Definition]:
    """The same, each sequence where its counter says."""
    return [
        each.standing(counters[each.database, each.name]) if each.kind == "sequence" else each for each in definitions
    ]


def without_places(statement: bytes) -> bytes:
    """A table's definition without directories and tablespaces: a copy must not write to where its original is."""
    return _PLACE.sub(lambda found: found["quoted"] or b"", statement)


def written(definitions: Iterable[Definition]) -> Iterator[bytes]:
    """The lines of an SQL file that creates the definitions in this order."""
    yield b"SET NAMES utf8mb4;\nSET foreign_key_checks=0, unique_checks=0;\n" + _USUAL
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
        charset = definition.context.client if encoding_of(definition.context.client) != "utf-8" else None
        if charset:  # the stock client has to know where a character of several bytes ends
            yield f"\\C {charset}\n".encode()
        for setting in definition.context.settings():
            yield f"{setting};\n".encode()
        yield f"DELIMITER {delimiter}\n".encode()
        yield definition.statement + f"\n{delimiter}\nDELIMITER ;\n".encode()
        if definition.value:
            yield f"{definition.value};\n".encode()
        for ending in definition.context.endings():
            yield f"{ending};\n".encode()
        if definition.context.settings():
            yield (b"\\C utf8mb4\n" if charset else b"") + b"SET NAMES utf8mb4;\n" + _USUAL


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
            raise DamagedError(message) from error


def encoding_of(charset: str | None) -> str:
    """Python's encoding for a server's character set; utf8 where it knows none."""
    try:
        return codecs.lookup(charset_by_name(charset or "utf8mb4").encoding).name
    except LookupError:
        return "utf-8"


def in_one_charset(statement: bytes, charset: str, names: Iterable[str]) -> bytes:
    """A program's statement with its own and its table's name and its comment in the character set of its body.

    Servers give them in utf8, whatever the body is in, and read the whole statement in the body's.
    """
    encoding = encoding_of(charset)
    found = _COMMENT.search(statement)
    comment = [found[0].decode("utf-8", "replace")] if found else []
    for text in [*map(quote, names), *comment]:
        if "\ufffd" not in text:
            with suppress(UnicodeEncodeError):  # a name that the charset has not: the server refuses the statement
                statement = statement.replace(text.encode(), text.encode(encoding), 1)
    return statement


def in_dependency_order(views: list[Definition]) -> list[Definition]:
    """Views after the views that they name; the server's own text quotes every name."""
    known = {(view.database, view.name) for view in views}
    uses = {}
    for view in views:
        text = view.statement.decode(encoding_of(view.context.client), "replace")
        names = [name.replace("``", "`") for name in _NAME.findall(text)]
        pairs = {(view.database, name) for name in names} | set(itertools.pairwise(names))
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
