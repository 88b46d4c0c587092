"""A definition under another database's name: renamed where it qualifies names, and cut loose from the original. Pure.

A copy beside the original must not hold on to it: a foreign key to a table of the original would refuse or block its
deletes, and an event would run twice.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from chom_pipelines.restores.table_sql import FOREIGN_KEY, table_lines
from chom_pipelines.server.identifiers import quote

_TOKEN = re.compile(
    rb"""(?P<skipped>'(?:[^'\\]|\\.|'')*'|"(?:[^"\\]|\\.|"")*")|(?P<name>`(?:[^`]|``)+`|[\w$\x80-\xff]+)(?P<dot>\s*\.)?""",
    re.DOTALL,
)
_HEAD = re.compile(
    rb"`(?:[^`]|``)*`|'(?:[^'\\]|\\.|'')*'|(?P<start>\bTRIGGER\b)|(?P<end>\bFOR\s+EACH\s+ROW\b)",
    re.DOTALL | re.IGNORECASE,
)
_EVENT_STATE = re.compile(
    rb"`(?:[^`]|``)*`|'(?:[^'\\]|\\.|'')*'"
    rb"|(?P<before> ON COMPLETION (?:NOT )?PRESERVE )(?P<state>ENABLE|DISABLE ON SLAVE|DISABLE ON REPLICA|DISABLE)\b",
    re.DOTALL,
)


def in_databases(statement: bytes, rename: Mapping[str, str]) -> bytes:
    """The server's own text with databases, where they qualify a name, called anew; literals are left alone."""
    new = {quote(old).encode(): quote(name).encode() for old, name in rename.items()}
    after_dot = False

    def renamed(found: re.Match[bytes]) -> bytes:
        nonlocal after_dot
        qualifies, after_dot = bool(found["dot"]) and not after_dot, bool(found["dot"])
        if qualifies and found["name"] in new:
            return new[found["name"]] + found["dot"]
        return found[0]

    return _TOKEN.sub(renamed, statement)


def names_database(statement: bytes, database: str) -> bool:
    """True where a stored program qualifies a name with this database, quoted or not."""
    names = {quote(database).encode(), database.encode()}
    return any(found["dot"] and found["name"] in names for found in _TOKEN.finditer(statement))


def qualifiers(statement: bytes) -> set[str]:
    """The databases that a table's definition names, as the server writes it: quoted, before a dot."""
    found = {each["name"] for each in _TOKEN.finditer(statement) if each["dot"] and each["name"].startswith(b"`")}
    return {name[1:-1].replace(b"``", b"`").decode() for name in found}


def untied(statement: bytes, rename: Mapping[str, str]) -> tuple[bytes, list[str]]:
    """A table's definition without the foreign keys that lead to databases which keep their names; and their names."""
    lines = table_lines(statement)
    if lines is None:
        return statement, []
    kept, left = [], []
    for item in lines.items:
        key = FOREIGN_KEY.match(item)
        if key and not qualifiers(item) <= set(rename):
            left.append(key[1].replace(b"``", b"`").decode())
        else:
            kept.append(item)
    return (lines.joined(kept), left) if left else (statement, [])


def trigger_in(database: str, statement: bytes) -> bytes:
    """A trigger's definition with its own name and its table's in this database.

    Servers show the head as it was written, with the database where its author named that: under another name the
    statement would make the trigger of the original.
    """
    head = next((found for found in _HEAD.finditer(statement) if found["start"] or found["end"]), None)
    start = head.end() if head and head["start"] else 0
    end = next((found.start() for found in _HEAD.finditer(statement, start) if found["end"]), len(statement))

    def moved(found: re.Match[bytes]) -> bytes:
        return quote(database).encode() + b"." if found["dot"] else found[0]

    return statement[:start] + _TOKEN.sub(moved, statement[start:end]) + statement[end:]


def disabled(event: bytes) -> tuple[bytes, bool]:
    """An event's definition as one that does not run, and whether it would have run before."""
    ran = False
    done = False

    def changed(found: re.Match[bytes]) -> bytes:
        nonlocal ran, done
        if done or not found["state"]:
            return found[0]
        ran, done = found["state"] == b"ENABLE", True
        return found["before"] + b"DISABLE"

    return _EVENT_STATE.sub(changed, event), ran
