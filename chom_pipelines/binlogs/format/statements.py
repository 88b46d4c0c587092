"""What a statement in a binary log does, told from its first words: enough to find it, not to run it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from chom_pipelines.server.facts import Flavour

TEXT_BYTES = 1024
"""Of a longer statement the beginning is kept."""

_NAME = r"(?:`(?:[^`]|``)+`|\"(?:[^\"]|\"\")+\"|[\w$\x80-\U0010ffff]+)"
_QUALIFIED = rf"({_NAME})(?:\s*\.\s*({_NAME}))?"
_LEXEME, _OF_MYSQL = (
    re.compile(
        rf"""(?P<string>'(?:[^'\\]|\\.|'')*(?:'|\\?\Z) | "(?:[^"\\]|\\.|"")*(?:"|\\?\Z) | \b0x[0-9a-f]+)
        | (?P<name>`(?:[^`]|``)*(?:`|\Z))
        | (?P<comment>/\*(?!{executed}).*?(?:\*/|\Z) | --(?=\s|\Z)[^\n]* | \#[^\n]* | /\*{executed}\d* | \*/)""",
        re.DOTALL | re.IGNORECASE | re.VERBOSE,
    )
    for executed in ("(?-i:M)?!", "!")
)
"""What has to be known as a whole. What a comment that is executed holds is no comment: only its marks are.

MySQL does not execute comments that are marked for MariaDB.
"""
_FIRST = re.compile(r"(?:[\s;(]|/\*M?!\d*|/\*(?!M?!).*?\*/|--(?=\s)[^\n]*\n|\#[^\n]*\n)*(\w*)", re.DOTALL)
"""The first word behind comments."""
_FOR = re.compile(r"SET\s+STATEMENT\s(?:'[^']*'|\"[^\"]*\"|`[^`]*`|[^'\"`])*?\sFOR\s+", re.IGNORECASE)
_PART = r"(?:`(?:[^`]|``)*`|'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|[^\s@]+)"
_OPTIONAL = (
    r"(?:\s+(?:OR\s+REPLACE|ONLINE|OFFLINE|IGNORE|UNIQUE|FULLTEXT|SPATIAL|AGGREGATE"
    rf"|DEFINER\s*=\s*{_PART}(?:\s*@\s*{_PART})?|ALGORITHM\s*=\s*\w+|SQL\s+SECURITY\s+\w+))*"
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
_OF_ACCOUNTS = re.compile(
    r"(?:CREATE|ALTER)\s+(?:OR\s+REPLACE\s+)?(?:USER|SERVER)\b|GRANT\b|SET\s+PASSWORD\b"
    r"|(?:CHANGE|START)\s+(?:MASTER|REPLICATION|SLAVE|REPLICA|GROUP_REPLICATION)\b",
    re.IGNORECASE,
)
_SECRETS = re.compile(r"IDENTIFIED|PASSWORD|\bCONNECTION\b|\bmysql[`\"]?(?:\s|/\*.*?\*/)*\.", re.IGNORECASE | re.DOTALL)
"""What stands near secrets in other statements: tables of other servers, bodies of programs, tables of accounts."""
_WORDS = ("identified", "password", "connection", "mysql")
"""One of which is in what that finds, and is found sooner."""
_OF_MARIADB = "/*M!"
"""The begin of what MariaDB alone executes."""
_QUOTES = frozenset("'\"")
_LEFT_OUT = "'…'"
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
    `object` is what kind of thing it creates, alters or drops, in lower case. In the text of statements that may hold a
    password there are no string literals but those of accounts.
    """

    does: Does
    text: str
    database: str
    object: str = ""
    tables: tuple[tuple[str, str], ...] = ()
    temporary: bool = False
    names_directory: bool = False
    """It may say in which directory of its server files are to be made: told by who has all of its text."""


def understand(text: bytes, database: str, flavour: Flavour) -> Statement:
    """Tell what a statement of a server of this family does. `text` may be cut off."""
    whole = text[:TEXT_BYTES].decode(errors="ignore" if len(text) > TEXT_BYTES else "backslashreplace")
    if flavour is Flavour.MYSQL and _OF_MARIADB in whole:
        whole = _OF_MYSQL.sub(_not_executed, whole)
    first = _FIRST.match(whole)
    if first is not None and first[1].upper() in _CHANGES_ROWS:  # of these there are many
        return Statement(Does.ROWS, _without_secrets(whole, database), database)
    bare = bare_text(whole)
    whole = _without_literals(whole) if _OF_ACCOUNTS.match(bare) else _without_secrets(whole, database)
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


def bare_text(text: str) -> str:
    """A statement from its first word on, comments being blanks; `SET STATEMENT … FOR` is not part of it."""
    if "*/" in text or "--" in text or "#" in text:
        text = _LEXEME.sub(lambda found: " " if found["comment"] else found[0], text)
    bare = text.lstrip(" \t\r\n(;")
    prefix = _FOR.match(bare)
    return bare[prefix.end() :].lstrip(" \t\r\n(") if prefix else bare


def _not_executed(found: re.Match[str]) -> str:
    """Write it as servers write what they do not execute."""
    return found[0].replace("!", " ", 1) if found[0].startswith(_OF_MARIADB) else found[0]


def _without_secrets(text: str, database: str) -> str:
    lower = text.lower()
    is_near = any(word in lower for word in _WORDS) and _SECRETS.search(text) is not None
    return _without_literals(text) if is_near or database == "mysql" else text


def _without_literals(text: str) -> str:
    """Leave out string literals, and comments that have some; those that name an account, as `'app'@'%'`, stay."""
    kept, at = [], 0
    for found in _LEXEME.finditer(text):
        if found["comment"] and not _QUOTES.isdisjoint(found[0]):  # servers make them of what they do not execute
            kept += [text[at : found.start()], "/*…*/"]
            at = found.end()
        if not found["string"] or _is_account(text, found):
            continue
        kept += [text[at : found.start()], _LEFT_OUT]
        at = found.end()
        if "\\" in found[0]:  # where it ends depends on the session's sql_mode
            return "".join(kept) + "…"
    return "".join((*kept, text[at:]))


def _is_account(text: str, found: re.Match[str]) -> bool:
    beside = text[: found.start()].rstrip()[-1:], text[found.end() :].lstrip()[:1]
    return "@" in beside and re.fullmatch(r"'[^'\\\s]*'|\"[^\"\\\s]*\"", found[0]) is not None


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
