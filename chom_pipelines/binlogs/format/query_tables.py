"""Which tables a query reads or changes, by the places in which a table's name can stand.

A qualified name elsewhere, as in `SELECT o.id`, is a column's, and what stands before its dot no database.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum, auto

from chom_pipelines.binlogs.format.lexemes import Kind, Reader

Name = tuple[str, str]
"""Database, and table."""

_MODIFIERS = ("LOW_PRIORITY", "DELAYED", "HIGH_PRIORITY", "IGNORE", "QUICK")
_ENDS = frozenset(
    {
        *("WHERE", "GROUP", "HAVING", "ORDER", "LIMIT", "WINDOW", "UNION", "EXCEPT", "INTERSECT", "MINUS"),
        *("SET", "INTO", "RETURNING", "VALUES", "LOCK"),
    }
)
"""Words behind which a list of tables has ended."""
_NO_TABLES = frozenset({"(", ")", "{", "OJ", "LATERAL", "SELECT", "WITH", "VALUES", *_MODIFIERS})
"""What may stand where a table's name is to come."""
_CHANGING = ("INSERT", "REPLACE", "LOAD", "UPDATE", "DELETE")
UNKNOWN = ""
"""Instead of a database's name."""


class _At(Enum):
    """Where in a query: on each level of parentheses."""

    ELSEWHERE = auto()
    SELECTED = auto()
    """Behind SELECT: FROM begins the list of tables, and is not that of EXTRACT or TRIM."""
    TABLE = auto()
    """Where a table's name is to come."""
    LISTED = auto()
    """Behind one, in the list of tables."""


_LEADING = {"SELECT": _At.SELECTED, "FROM": _At.TABLE, "TABLE": _At.TABLE, "WITH": _At.ELSEWHERE}


def query_tables(reader: Reader, database: str) -> Iterator[Name]:
    """Read a query to its end, and yield its tables; `database` is the default one."""
    return _Query(reader, database, _At.ELSEWHERE).tables()


class _Query:
    """A query that is read from here on, and where in it the next word is, on each level of parentheses."""

    def __init__(self, reader: Reader, database: str, begin: _At) -> None:
        self._reader, self._database = reader, database
        self._levels = [begin]
        self._common: set[Name] = set()

    def tables(self, *, first_list: bool = False) -> Iterator[Name]:
        """Those that are named; of the `first_list` alone, at whose end the reading ends."""
        reader = self._reader
        while reader.peek().kind is not Kind.END:
            if self._takes_common_table():
                continue
            if self._levels[-1] is _At.TABLE and reader.peek().word not in _NO_TABLES:
                self._levels[-1] = _At.LISTED
                following = reader.peek(1).word
                if following != "(" and (found := reader.table(self._database)):
                    if following == "." or found not in self._common:
                        yield found
                    continue
            elif self._passes(reader.peek().word) and first_list:
                return
            reader.step()

    def _takes_common_table(self) -> bool:
        """`name AS (`, of WITH; elsewhere nothing is called so that could be taken for a table."""
        following = self._reader.peek(1).word, self._reader.peek(2).word
        name = self._reader.name() if self._levels[-1] is _At.ELSEWHERE and following == ("AS", "(") else ""
        self._common.add((self._database, name))
        return bool(name)

    def _passes(self, word: str) -> bool:
        """Note down where it leads to; return whether the outermost list of tables ends with it."""
        levels, at = self._levels, self._levels[-1]
        if word == "(":
            levels[-1] = _At.LISTED if at is _At.TABLE else at
            levels.append(at if at is _At.TABLE else _At.ELSEWHERE)
        elif word == ")":
            self._levels = levels[:-1] or [_At.ELSEWHERE]
        elif word in _LEADING:
            is_there = word != "FROM" or at is _At.SELECTED
            is_there &= word != "TABLE" or levels == [_At.ELSEWHERE]
            levels[-1] = _LEADING[word] if is_there else at
        elif at is _At.LISTED:
            levels[-1] = self._behind_table(word)
            return levels == [_At.ELSEWHERE]
        return False

    def _behind_table(self, word: str) -> _At:
        following = self._reader.peek(1).word
        if word in {"JOIN", "STRAIGHT_JOIN", ","} or (word == "USING" and following != "("):
            return _At.TABLE
        if word == "FOR" and following == "JOIN":  # of USE INDEX FOR JOIN
            self._reader.step()
        return _At.ELSEWHERE if word in _ENDS else _At.LISTED


def changed_databases(reader: Reader, database: str) -> frozenset[str]:
    """Of the tables that a statement of rows changes, or of all that it joins with these; `database` is the default.

    UNKNOWN is among them where it cannot be told. Of CALL, SELECT and DO there are none: what a function does is logged
    as its call, which names no table.
    """
    verb = reader.step().word
    if verb == "WITH":
        verb = _behind_common_tables(reader)
    if verb in {"CALL", "SELECT", "DO"}:
        return frozenset()
    if verb in {"INSERT", "REPLACE", "LOAD"}:
        if verb == "LOAD":
            while reader.peek().kind is not Kind.END and not reader.take("INTO", "TABLE"):
                reader.step()
        while reader.take_any("INTO", *_MODIFIERS):
            pass
        found = reader.table(database)
        return frozenset({found[0] if found else UNKNOWN})
    at = {"UPDATE": _At.TABLE, "DELETE": _At.SELECTED}.get(verb, _At.ELSEWHERE)
    return frozenset(name for name, _ in _Query(reader, database, at).tables(first_list=True)) or frozenset({UNKNOWN})


def _behind_common_tables(reader: Reader) -> str:
    depth = 0
    while (found := reader.step()).kind is not Kind.END:
        depth += {"(": 1, ")": -1}.get(found.word, 0)
        if not depth and found.word in {"SELECT", *_CHANGING}:
            return found.word
    return ""
