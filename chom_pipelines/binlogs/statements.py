"""What a statement in a binary log does, told from its first words: enough to find it, not to run it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

TEXT_BYTES = 1024
"""Of a longer statement the beginning is kept."""

_NAME = r"(?:`(?:[^`]|``)+`|\"(?:[^\"]|\"\")+\"|[\w$\x80-\U0010ffff]+)"
_QUALIFIED = rf"({_NAME})(?:\s*\.\s*({_NAME}))?"
_COMMENT = re.compile(r"\s*(?:/\*!M?\d*|/\*[^!].*?\*/|--\s[^\n]*\n|\#[^\n]*\n|\*/)", re.DOTALL)
_OPTIONAL = (
    r"(?:\s+(?:OR\s+REPLACE|ONLINE|OFFLINE|IGNORE|UNIQUE|FULLTEXT|SPATIAL|AGGREGATE"
    r"|DEFINER\s*=\s*\S+(?:\s*@\s*\S+)?|ALGORITHM\s*=\s*\w+|SQL\s+SECURITY\s+\w+))*"
)
_HEAD = re.compile(
    rf"(CREATE|ALTER|DROP|TRUNCATE|RENAME){_OPTIONAL}(\s+TEMPORARY)?{_OPTIONAL}(?:\s+(\w+))?", re.IGNORECASE
)
_EXISTS = re.compile(r"\s*(?:IF\s+(?:NOT\s+)?EXISTS\s+)?", re.IGNORECASE)
_LIST = re.compile(rf"\s*{_QUALIFIED}(?:\s+TO\s+{_NAME}(?:\s*\.\s*{_NAME})?)?\s*(,)?", re.IGNORECASE)
_ON = re.compile(r"\sON\s", re.IGNORECASE)
_OF_TABLES = {"TABLE", "TABLES", "VIEW", "SEQUENCE"}
_OF_PROGRAMS = {"PROCEDURE", "FUNCTION", "EVENT", "PACKAGE"}
_OF_DATABASES = {"DATABASE", "SCHEMA"}
_ON_TABLES = {"INDEX", "TRIGGER"}
_SYNONYMS = {"TABLES": "TABLE", "SCHEMA": "DATABASE"}
_SECRET = re.compile(r"\b(?:IDENTIFIED|PASSWORD)\b.*", re.IGNORECASE | re.DOTALL)
_HOLDS_SECRETS = re.compile(
    r"(?:CREATE|ALTER)\s+(?:OR\s+REPLACE\s+)?(?:USER|SERVER)\b|GRANT\b|SET\s+PASSWORD\b", re.IGNORECASE
)
_CHANGES_ROWS = {"INSERT", "UPDATE", "DELETE", "REPLACE", "LOAD", "CALL", "WITH", "SELECT", "DO"}
_MOST_TABLES = 20


class Does(StrEnum):
    """What kind of statement it is."""

    CREATE = "create"
    ALTER = "alter"
    DROP = "drop"
    TRUNCATE = "truncate"
    RENAME = "rename"
    OTHER = "other"
    """DDL as well, or what is logged as such: grants, passwords, maintenance of tables."""
    ROWS = "rows"
    """It changes rows and was logged as text: of how many, the log does not say."""


@dataclass(frozen=True)
class Statement:
    """A statement that was logged as text.

    `database` is the default one; `tables` are those it names, with their databases, where they are cheaply known (a
    database itself has no table's name);
    `object` is what kind of thing it creates, alters or drops, in lower case. Of statements that set passwords, the
    text ends before those.
    """

    does: Does
    text: str
    database: str
    object: str = ""
    tables: tuple[tuple[str, str], ...] = ()
    temporary: bool = False


def understand(text: bytes, database: str) -> Statement:
    """Tell what a statement does. `text` may be cut off."""
    whole = text[:TEXT_BYTES].decode(errors="ignore" if len(text) > TEXT_BYTES else "backslashreplace")
    start = 0
    while (comment := _COMMENT.match(whole, start)) is not None:
        start = comment.end()
    bare = whole[start:].lstrip(" \t\r\n(;")
    if _HOLDS_SECRETS.match(bare):
        whole = _SECRET.sub("… (the rest may hold a password, and is left out)", whole)
    bare = re.sub(r"/\*!\d*\s*(TEMPORARY)\s*\*/", r"\1", bare)
    head = _HEAD.match(bare)
    if head is None:
        word = re.match(r"\w*", bare)
        does = Does.ROWS if word is not None and word[0].upper() in _CHANGES_ROWS else Does.OTHER
        return Statement(does, whole, database)
    does = Does(head[1].lower())
    thing, end = (head[3] or "").upper(), head.end()
    if does is Does.TRUNCATE and thing != "TABLE":  # the word TABLE may be left out
        thing, end = "TABLE", head.end(1)
    temporary = head[2] is not None
    tables: tuple[tuple[str, str], ...] = ()
    if thing in _OF_TABLES or thing in _OF_PROGRAMS:
        tables = tuple(_tables(bare, end, database, many=does in {Does.DROP, Does.RENAME}))
    elif thing in _OF_DATABASES:
        tables = tuple((name, "") for _, name in _tables(bare, end, database, many=False))
    elif thing in _ON_TABLES and (on := _ON.search(bare, end)) is not None:
        tables = tuple(_tables(bare, on.end(), database, many=False))
    thing = _SYNONYMS.get(thing, thing)
    return Statement(does, whole, database, thing.lower(), tables, temporary)


def _tables(text: str, at: int, database: str, *, many: bool) -> list[tuple[str, str]]:
    exists = _EXISTS.match(text, at)
    at = exists.end() if exists else at
    found: list[tuple[str, str]] = []
    while len(found) < _MOST_TABLES and (name := _LIST.match(text, at)) is not None:
        first, second, comma = name.groups()
        found.append((_bare(first), _bare(second)) if second else (database, _bare(first)))
        at = name.end()
        if not (many and comma):
            break
    return found


def _bare(name: str) -> str:
    return name[1:-1].replace(name[0] * 2, name[0]) if name[0] in '`"' else name
