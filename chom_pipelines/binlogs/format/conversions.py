"""Which time zones a statement names as it converts times: what they are to its server is not in the log."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from chom_pipelines.binlogs.format.lexemes import Dialect, Kind, Lexeme, Reader
from chom_pipelines.binlogs.format.statements import Does, Statement

UNSAID = ""
"""Instead of the name of a zone that is in a column or a variable."""
_FUNCTION = "CONVERT_TZ"
_IN_BYTES = _FUNCTION.encode()
_STORED = frozenset({"procedure", "function", "package", "event", "trigger", "view"})
"""What converts nothing as it is defined."""


class Conversion(NamedTuple):
    """A zone that a statement converts from or to, by its name, and the database of a table that it is about.

    `alters`: it is an ALTER, which fills the rows that there are.
    """

    zone: str
    database: str
    alters: bool


def may_convert(text: bytes) -> bool:
    """Whether a statement of this text may have `conversions`; of most it is sooner known that they have none."""
    return _IN_BYTES in text.upper()


def conversions(text: bytes, statement: Statement, dialect: Dialect) -> Iterator[Conversion]:
    """Those of a statement of which this is the text; zones with an offset as their name are everywhere the same."""
    if statement.object in _STORED:
        return
    databases = statement.databases | statement.changes or {statement.database}
    for zone in _zones(Reader.of(text.decode(errors="replace"), dialect)):
        for database in databases:
            yield Conversion(zone, database, statement.does is Does.ALTER)


def _zones(reader: Reader) -> Iterator[str]:
    while reader.peek().kind is not Kind.END:
        if not reader.take(_FUNCTION, "("):
            reader.step()
            continue
        first, *others = _arguments(reader)
        yield from _zones(Reader(first))
        for argument in others:
            yield from _zones(Reader(argument))
            zone = _said(argument)
            if zone.upper() != "SYSTEM" and zone[:1] not in {"+", "-"}:
                yield zone


def _arguments(reader: Reader) -> list[list[Lexeme]]:
    """Up to the parenthesis that closes them."""
    found: list[list[Lexeme]] = [[]]
    depth = 1
    while reader.peek().kind is not Kind.END:
        each = reader.step()
        depth += {"(": 1, ")": -1}.get(each.word, 0)
        if not depth:
            break
        if depth == 1 and each.word == ",":
            found.append([])
        else:
            found[-1].append(each)
    return found


def _said(argument: list[Lexeme]) -> str:
    """What a literal says, also with the name of a character set before it."""
    *before, last = argument or [Lexeme(Kind.END, "", -1)]
    is_literal = last.kind is Kind.STRING and all(each.text[:1] == "_" for each in before)
    return last.text[1:-1] if is_literal and len(before) <= 1 else UNSAID
