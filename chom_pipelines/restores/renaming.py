"""A definition under another database's name: renamed where it qualifies names, and cut loose from the original. Pure.

A copy beside the original must not hold on to it: a foreign key to a table of the original would refuse or block its
deletes, and an event would run twice.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from chom_pipelines.logical.definition_lines import FOREIGN_KEY, table_lines
from chom_pipelines.server.identifiers import quote

_TOKEN = re.compile(
    rb"""(?P<skipped>'(?:[^'\\]|\\.|'')*'|"(?:[^"\\]|\\.|"")*")|(?P<name>`(?:[^`]|``)+`|[\w$\x80-\xff]+)(?P<dot>\s*\.)?""",
    re.DOTALL,
)
_HEAD = re.compile(
    rb"`(?:[^`]|``)*`|'(?:[^'\\]|\\.|'')*'|\"(?:[^\"\\]|\\.|\"\")*\"|/\*.*?\*/|(?:#|--\s)[^\n]*"
    rb"|(?P<word>[\w$\x80-\xff]+)",
    re.DOTALL,
)
_VIEW = re.compile(
    rb"'(?:[^'\\]|\\.|'')*'|(?P<path>`(?:[^`]|``)*`(?:\.`(?:[^`]|``)*`)*)(?P<call>\()?|(?P<word>[A-Za-z_]\w*)|[^\s(]",
    re.DOTALL,
)
_NAME = re.compile(rb"`(?:[^`]|``)*`")
_BEFORE_A_TABLE = frozenset({b"from", b"join", b"straight_join", b"nextval", b"lastval", b"setval"})
_EVENT_STATE = re.compile(
    rb"`(?:[^`]|``)*`|'(?:[^'\\]|\\.|'')*'"
    rb"|(?P<before> ON COMPLETION (?:NOT )?PRESERVE )(?P<state>ENABLE|DISABLE ON SLAVE|DISABLE ON REPLICA|DISABLE)\b",
    re.DOTALL,
)


def in_databases(statement: bytes, rename: Mapping[str, str]) -> bytes:
    """A table's definition with databases, where they qualify a name, called anew; literals are left alone.

    The server's own text qualifies no column there.
    """
    new = {quote(old).encode(): quote(name).encode() for old, name in rename.items()}
    after_dot = False

    def renamed(found: re.Match[bytes]) -> bytes:
        nonlocal after_dot
        qualifies, after_dot = bool(found["dot"]) and not after_dot, bool(found["dot"])
        if qualifies and found["name"] in new:
            return new[found["name"]] + found["dot"]
        return found[0]

    return _TOKEN.sub(renamed, statement)


def view_in(rename: Mapping[str, str], statement: bytes) -> bytes:
    """A view's definition, as the server shows it, with databases called anew where a name is that of a database.

    Tables, aliases and columns may be called like it. A database comes first of three names, or first of two where a
    table is named (after FROM or JOIN) or a function is called.
    """
    new = {quote(old).encode(): quote(name).encode() for old, name in rename.items()}
    pieces, end, word = [], 0, b""
    for found in _VIEW.finditer(statement):
        if found["word"]:
            word = found["word"].lower()
            continue
        if not found["path"]:
            word = b""
            continue
        names = _NAME.findall(found["path"])
        is_table = word in _BEFORE_A_TABLE
        if names[0] in new and len(names) > 1 and (len(names) > 2 or is_table or found["call"]):  # noqa: PLR2004
            pieces += [statement[end : found.start("path")], new[names[0]]]
            end = found.start("path") + len(names[0])
        word = b""
    return b"".join([*pieces, statement[end:]])


def names_database(statement: bytes, database: str) -> bool:
    """True where a stored program qualifies a name with this database, quoted or not."""
    names = {quote(database).encode(), database.encode()}
    return any(found["dot"] and found["name"] in names for found in _TOKEN.finditer(statement))


def names_table(statement: bytes, table: tuple[str, str], database: str) -> bool:
    """True where a stored program of `database` has a name that may be this table's: alone, or behind its database.

    A variable or a column may be called like it.
    """
    of, name = ({quote(each).encode(), each.encode()} for each in table)
    qualifier = b""
    for found in _TOKEN.finditer(statement):
        if found["name"] in name and (qualifier in of or (not qualifier and table[0] == database)):
            return True
        qualifier = found["name"] if found["dot"] else b""
    return False


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


def trigger_in(database: str, name: bytes, table: bytes, statement: bytes) -> bytes | None:
    """A trigger's definition with its own name and its table's in this database; None where its head is not understood.

    Servers show the head as it was written, with the database where its author named that: under another name the
    statement would make the trigger of the original. `name` and `table` are quoted, in the statement's encoding.
    """
    words = [found for found in _HEAD.finditer(statement) if found["word"]]
    texts = [found["word"].upper() for found in words]
    try:
        start = texts.index(b"TRIGGER")
        row = next(at for at in range(start, len(texts)) if texts[at : at + 3] == [b"FOR", b"EACH", b"ROW"])
        timing = next(at for at in range(start, row) if texts[at] in {b"BEFORE", b"AFTER"})
    except (ValueError, StopIteration):
        return None
    where = quote(database).encode()
    event = b" ".join(texts[timing : timing + 2])
    head = b"TRIGGER %s.%s %s ON %s.%s FOR EACH ROW" % (where, name, event, where, table)
    return statement[: words[start].start()] + head + statement[words[row + 2].end() :]


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
