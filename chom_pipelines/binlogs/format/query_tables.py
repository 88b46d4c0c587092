"""Which tables a query reads or changes, by the places in which a table's name can stand.

A qualified name elsewhere, as in `SELECT o.id`, is a column's, and what stands before its dot no database.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
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
    COMMON = auto()
    """Behind WITH, or a comma there: where a common table may be defined."""


_LEADING = {"SELECT": _At.SELECTED, "FROM": _At.TABLE, "TABLE": _At.TABLE, "WITH": _At.COMMON}


@dataclass
class _Level:
    """Of parentheses: where in it the next word is, and which common tables are known in it from here on."""

    at: _At
    common: set[str] = field(default_factory=set)
    is_recursive: bool = False
    defines: str = ""
    """The common table whose query it is."""


def query_tables(reader: Reader, database: str) -> Iterator[Name]:
    """Read a query to its end, and yield its tables; `database` is the default one."""
    return _Query(reader, database, _At.ELSEWHERE).tables()


class _Query:
    """A query that is read from here on, and where in it the next word is, on each level of parentheses."""

    def __init__(self, reader: Reader, database: str, begin: _At) -> None:
        self._reader, self._database = reader, database
        self._levels = [_Level(begin)]

    def tables(self, *, first_list: bool = False) -> Iterator[Name]:
        """Those that are named; of the `first_list` alone, at whose end the reading ends."""
        reader = self._reader
        while reader.peek().kind is not Kind.END:
            level = self._levels[-1]
            if level.at is _At.COMMON:
                self._take_common_table(level)
                continue
            if level.at is _At.TABLE and reader.peek().word not in _NO_TABLES:
                level.at = _At.LISTED
                following = reader.peek(1).word
                if following != "(" and (found := reader.table(self._database)):
                    if following == "." or not any(found[1] in each.common for each in self._levels):
                        yield found
                    continue
            elif self._passes(reader.peek().word) and first_list:
                return
            reader.step()

    def verb_behind_common_tables(self) -> str:
        """Read on to the verb behind WITH and its tables, whose names are then known, and take it; "": there is none.

        What they read is not told.
        """
        reader = self._reader
        while reader.peek().kind is not Kind.END:
            level = self._levels[-1]
            if level.at is _At.COMMON:
                self._take_common_table(level)
            elif len(self._levels) == 1 and reader.peek().word in {"SELECT", *_CHANGING}:
                break
            else:
                self._passes(reader.peek().word)
                reader.step()
        return reader.step().word

    def go_on(self, at: _At) -> None:
        """Read on as what is there."""
        self._levels[-1].at = at

    def _take_common_table(self, level: _Level) -> None:
        """`name AS (` or `name (column, …) AS (`, into its query; what else may be behind WITH defines none."""
        reader = self._reader
        level.is_recursive |= reader.take("RECURSIVE")
        behind = 1
        if reader.peek(1).word == "(":
            while reader.peek(behind).word != ")" and reader.peek(behind).kind is not Kind.END:
                behind += 1
            behind += 1
        is_one = (reader.peek(behind).word, reader.peek(behind + 1).word) == ("AS", "(")
        level.at = _At.ELSEWHERE
        if is_one and (name := reader.name()):
            for _ in range(behind + 1):
                reader.step()
            if level.is_recursive:  # else its own query does not see it, and may read a table of that name
                level.common.add(name)
            self._levels.append(_Level(_At.ELSEWHERE, defines=name))

    def _passes(self, word: str) -> bool:
        """Note down where it leads to; return whether the outermost list of tables ends with it."""
        levels, level = self._levels, self._levels[-1]
        if word == "(":
            at, level.at = level.at, _At.LISTED if level.at is _At.TABLE else level.at
            levels.append(_Level(at if at is _At.TABLE else _At.ELSEWHERE))
        elif word == ")":
            self._leave(levels.pop())
        elif word in _LEADING:
            is_there = word != "FROM" or level.at is _At.SELECTED
            is_there &= word != "TABLE" or self._is_outside
            level.at = _LEADING[word] if is_there else level.at
        elif level.at is _At.LISTED:
            level.at = self._behind_table(word)
            return self._is_outside
        return False

    @property
    def _is_outside(self) -> bool:
        return len(self._levels) == 1 and self._levels[0].at is _At.ELSEWHERE

    def _leave(self, level: _Level) -> None:
        """At the end of a level: behind a common table there may be another one."""
        reader = self._reader
        if not self._levels:
            self._levels = [_Level(_At.ELSEWHERE)]
        if not level.defines:
            return
        self._levels[-1].common.add(level.defines)
        if reader.peek(1).word == "CYCLE":  # MariaDB's
            while reader.peek(1).kind is not Kind.END and reader.peek().word != "RESTRICT":
                reader.step()
        if reader.peek(1).word == ",":
            reader.step()
            self._levels[-1].at = _At.COMMON

    def _behind_table(self, word: str) -> _At:
        following = self._reader.peek(1).word
        if word in {"JOIN", "STRAIGHT_JOIN", ","} or (word == "USING" and following != "("):
            return _At.TABLE
        if word == "FOR" and following == "JOIN":  # of USE INDEX FOR JOIN
            self._reader.step()
        return _At.ELSEWHERE if word in _ENDS else _At.LISTED


def changed_databases(reader: Reader, database: str) -> frozenset[str]:
    """Of the tables that a statement of rows changes, or of all that it joins with these; `database` is the default.

    UNKNOWN is among them where it cannot be told. Of CALL, SELECT and DO there are none: see `called_function`.
    """
    verb, query = reader.step().word, _Query(reader, database, _At.COMMON)
    if verb == "WITH":
        verb = query.verb_behind_common_tables()
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
    query.go_on({"UPDATE": _At.TABLE, "DELETE": _At.SELECTED}.get(verb, _At.ELSEWHERE))
    return frozenset(name for name, _ in query.tables(first_list=True)) or frozenset({UNKNOWN})


def called_function(reader: Reader) -> Name | None:
    """The function that a SELECT or DO calls; None: none.

    Where one changes rows, servers log its call, by its whole name. What a procedure does is logged by itself.
    """
    if (reader.peek(2).word, reader.peek(4).word) != (".", "("):
        return None
    reader.step()
    return reader.table("")
