"""Which tables a definition concerns: those that it names first, and others that it makes, takes or leads to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from chom_pipelines.binlogs.format.lexemes import Kind, Lexeme, Reader
from chom_pipelines.binlogs.format.query_tables import Name, query_tables

_WITHOUT_ARGUMENTS = frozenset(
    {"SYS_GUID", "UUID", "UUID_SHORT", "UUID_V4", "UUID_V7"}
    | {"CONNECTION_ID", "CURRENT_ROLE", "SESSION_USER", "SYSTEM_USER", "USER"}
)
_WITH_ARGUMENTS = frozenset({"LASTVAL", "NEXTVAL", "RAND", "RANDOM_BYTES", "SYSDATE"})
_OF_SEQUENCES = frozenset({("NEXT", "VALUE"), ("PREVIOUS", "VALUE"), (".", "NEXTVAL"), (".", "CURRVAL")})


@dataclass
class Concerned:
    """Tables of a statement; a database itself has no table's name.

    `tables` are those that it is about. `also` are others that it makes or changes: new names, what is exchanged for a
    partition. `needs` are those that have to be there with what they hold, for it to do the same again. `leads_to` are
    those to which it makes foreign keys that change rows when rows there change.
    """

    tables: list[Name] = field(default_factory=list)
    also: list[Name] = field(default_factory=list)
    needs: list[Name] = field(default_factory=list)
    leads_to: list[Name] = field(default_factory=list)
    draws: bool = False
    """It fills rows with values that differ each time: of chance, the session, the clock, or a sequence."""


def dropped(reader: Reader, database: str, *, if_exists: bool) -> Concerned:
    """Of DROP TABLE and the like, from the first name on."""
    found = Concerned()
    while name := reader.table(database):
        found.tables.append(name)
        if not reader.take(","):
            break
    if not if_exists:
        found.needs = [*found.tables]
    return found


def renamed(reader: Reader, database: str) -> Concerned:
    """Of RENAME TABLE, from the first name on."""
    found = Concerned()
    while name := reader.table(database):
        found.tables.append(name)
        _skip_wait(reader)
        if reader.take("TO") and (new := reader.table(database)):
            found.also.append(new)
        if not reader.take(","):
            break
    found.needs = [*found.tables]
    return found


def created(reader: Reader, database: str) -> Concerned:
    """Of CREATE TABLE, CREATE VIEW and ALTER VIEW, from the name on."""
    found = one(reader, database)
    if reader.take("LIKE") or reader.take("(", "LIKE"):
        _add(found.needs, reader.table(database))
    rest = reader.rest()
    words = {each.word for each in rest}
    if words & {"SELECT", "TABLE"}:
        found.needs += query_tables(Reader(rest), database)
    if "REFERENCES" in words:
        _note_foreign_keys(Reader(rest), found)
    return found


def altered(reader: Reader, database: str) -> Concerned:
    """Of ALTER TABLE, from the name on."""
    found = one(reader, database)
    rest = reader.rest()
    _note_foreign_keys(Reader(rest), found)
    found.draws = _draws(rest)
    reader, depth = Reader(rest), 0
    while (each := reader.step()).kind is not Kind.END:
        word = each.word
        depth += {"(": 1, ")": -1}.get(word, 0)
        if depth:
            continue
        if word == "RENAME" and reader.peek().word not in {"COLUMN", "INDEX", "KEY"}:
            reader.take_any("TO", "AS", "=")
            _add(found.also, reader.table(database))
            found.needs += found.tables
        elif word in {"WITH", "CONVERT"} and reader.take("TABLE"):  # what becomes a partition, also in exchange for one
            taken = reader.table(database)
            _add(found.also, taken)
            _add(found.needs, taken)
            found.needs += found.tables
        elif word == "TO" and reader.take("TABLE"):  # what a partition becomes
            _add(found.also, reader.table(database))
    return found


def _draws(rest: Sequence[Lexeme]) -> bool:
    """Whether a column is added whose default is such a value."""
    words = [each.word or each.text.upper() for each in rest]  # behind a dot a word is a name
    pairs = set(pairwise(words))
    calls = {before for before, after in pairs if after == "("}
    without_arguments = {
        one for one, two, three in zip(words, words[1:], words[2:], strict=False) if two + three == "()"
    }
    drawn = (
        not _WITHOUT_ARGUMENTS.isdisjoint(without_arguments)
        or not _WITH_ARGUMENTS.isdisjoint(calls)
        or not _OF_SEQUENCES.isdisjoint(pairs)
        or "CURRENT_USER" in words
    )
    return drawn and "ADD" in words


def one(reader: Reader, database: str) -> Concerned:
    """Of what is about one table, or program."""
    found = Concerned()
    _add(found.tables, reader.table(database))
    _skip_wait(reader)
    return found


def _add(tables: list[Name], name: Name | None) -> None:
    if name:
        tables.append(name)


def _skip_wait(reader: Reader) -> None:
    """How long MariaDB was to wait for the table."""
    if reader.take("WAIT"):
        reader.step()
    reader.take("NOWAIT")


def _note_foreign_keys(reader: Reader, found: Concerned) -> None:
    """Where those that change rows lead to: without a database's name, to that of the table which has them."""
    own = found.tables[0][0] if found.tables else ""
    while (each := reader.step()).kind is not Kind.END:
        if each.word != "REFERENCES" or not (parent := reader.table(own)):
            continue
        if reader.take("("):
            while reader.peek().kind is not Kind.END and not reader.take(")"):
                reader.step()
        if reader.take("MATCH"):
            reader.step()
        while reader.take("ON"):
            reader.step()  # DELETE or UPDATE
            if reader.take("CASCADE") or reader.take("SET"):
                found.leads_to.append(parent)
            if not reader.take("NO", "ACTION"):
                reader.take_any("RESTRICT", "NULL", "DEFAULT")
