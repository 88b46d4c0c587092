"""A table's definition by its lines, and the foreign keys among them. Pure.

Works on the server's own SHOW CREATE TABLE, which puts every column, key and constraint on a line of its own; a line
break in a name or a comment is inside its quotes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from chom_pipelines.logical.definitions import Definition

FOREIGN_KEY = re.compile(rb"  CONSTRAINT `((?:[^`]|``)+)` FOREIGN KEY ")
"""The line of a foreign key; its group is the name, quotes doubled."""
_LINE = re.compile(rb"(?:[^`'\n]+|`(?:[^`]|``)*`|'(?:[^'\\]|\\.|'')*')+", re.DOTALL)
_NAME = rb"`((?:[^`]|``)+)`"
_LEADS_TO = re.compile(
    FOREIGN_KEY.pattern
    + rb"\((?:"
    + _NAME
    + rb"(?:, )?)+\) REFERENCES "
    + _NAME
    + rb"(?:\."
    + _NAME
    + rb")?(?P<rest>.*)",
    re.DOTALL,
)
_CHANGES = re.compile(rb" ON (?:DELETE|UPDATE) (?:CASCADE|SET )")


@dataclass(frozen=True)
class TableLines:
    """SHOW CREATE TABLE by its lines: what is before the columns, each of those and of the keys, and what is after."""

    head: bytes
    items: list[bytes]
    tail: bytes

    def joined(self, items: list[bytes]) -> bytes:
        """The statement with these items."""
        return b"\n".join([self.head, b",\n".join(items), self.tail])


@dataclass(frozen=True)
class ForeignKey:
    """A foreign key of `table`, which leads to `parent`: both are a database and a name."""

    table: tuple[str, str]
    name: str
    parent: tuple[str, str]
    changes: bool
    """The server changes rows by it."""

    @property
    def line(self) -> str:
        """For people: what it leads from and to."""
        return f"{'.'.join(self.table)} has a foreign key to {'.'.join(self.parent)}"

    @property
    def line_out(self) -> str:
        """The same of one that leads out of what is backed up."""
        return f"{self.line}, which is not backed up: back up {self.parent[0]} too"


def table_lines(statement: bytes) -> TableLines | None:
    """Take a table's definition apart; None where it does not look as expected."""
    lines = _LINE.findall(statement)
    if b"\n".join(lines) != statement:
        return None
    end = next((number for number, line in enumerate(lines) if number and line.startswith(b")")), None)
    if end is None:
        return None
    return TableLines(lines[0], [line.removesuffix(b",") for line in lines[1:end]], b"\n".join(lines[end:]))


def foreign_keys(definitions: Iterable[Definition]) -> Iterator[ForeignKey]:
    """Those of all tables among these definitions."""
    for each in definitions:
        lines = table_lines(each.statement) if each.kind == "table" else None
        for item in lines.items if lines else ():
            if found := _LEADS_TO.match(item):
                name, _, first, second = (_unquoted(group) for group in found.groups()[:4])
                parent = (first, second) if second else (each.database, first)
                changes = _CHANGES.search(found["rest"]) is not None
                yield ForeignKey((each.database, each.name), name, parent, changes)


def leading_out(keys: Iterable[ForeignKey], databases: Sequence[str]) -> list[ForeignKey]:
    """Those that lead to none of these databases."""
    return [key for key in keys if key.parent[0] not in databases]


def led_by(keys: Sequence[ForeignKey], tables: Iterable[tuple[str, str]]) -> frozenset[tuple[str, str]]:
    """These tables, and all from which foreign keys lead to them, by whatever way."""
    found = set(tables)
    while more := {key.table for key in keys if key.parent in found} - found:
        found |= more
    return frozenset(found)


def _unquoted(name: bytes | None) -> str:
    return (name or b"").replace(b"``", b"`").decode()
