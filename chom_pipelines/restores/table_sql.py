"""A table's definition in two: what has to be there before the data, and what is built faster after it. Pure.

Works on the lines of the server's own SHOW CREATE TABLE.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from chom_pipelines.logical.definition_lines import FOREIGN_KEY, table_lines

_KEY = re.compile(rb"  (?:UNIQUE KEY|KEY|SPATIAL KEY|FULLTEXT KEY) ")
_COUNTED = re.compile(rb"  (`(?:[^`]|``)+`) .*\bAUTO_INCREMENT\b")
_STRINGS = re.compile(rb"(?P<name>`(?:[^`]|``)*`)|'(?:[^'\\]|\\.|'')*'", re.DOTALL)
_READ_BEFORE_INSERT = (b"USING HASH", b"WITHOUT OVERLAPS")
"""Constraints that MariaDB checks itself, by a read before each insert, which locks the gap that it finds."""


@dataclass(frozen=True)
class SplitTable:
    """CREATE TABLE without the lines in `keys` and `foreign_keys`; each of those is what ADD takes.

    `ranges_meet`: connections that insert different ranges of its keys can still wait for each other's locks, and
    deadlock; `may_count`: it can have an AUTO_INCREMENT column. Both are True where nothing is known.
    """

    create: bytes
    keys: tuple[bytes, ...] = ()
    full_text: tuple[bytes, ...] = ()
    foreign_keys: tuple[bytes, ...] = ()
    ranges_meet: bool = True
    may_count: bool = True

    def additions(self, table: str) -> list[bytes]:
        """The statements that build the keys: one ALTER, and one more for each full-text key after it.

        InnoDB builds several full-text keys in one statement only by copying the table.
        """
        groups = [self.keys, *((key,) for key in self.full_text)]
        return [_alter(table, group) for group in groups if group]

    def constraints(self, table: str) -> list[bytes]:
        """The statement that adds the foreign keys, if there are any."""
        return [_alter(table, self.foreign_keys)] if self.foreign_keys else []


def split_table(statement: bytes) -> SplitTable:
    """Take out what can wait. A key stays where the table needs it from the start.

    It needs an AUTO_INCREMENT column's key, and where there is no primary key the unique one that InnoDB clusters by;
    long unique keys (USING HASH) and periods have hidden columns, and no other key can wait then: an ALTER would change
    the order of the keys, and forgets the words USING HASH where they mean nothing. Tables of other engines and
    system-versioned ones, whose history must not be touched by an ALTER, are left whole.
    """
    lines = table_lines(statement)
    if lines is None:
        return SplitTable(statement)
    options = _without_strings(lines.tail)
    if b"ENGINE=InnoDB" not in options or b"WITH SYSTEM VERSIONING" in options:
        return SplitTable(statement)
    items = lines.items
    primary = next((item for item in items if item.startswith(b"  PRIMARY KEY ")), None)
    counted = [found[1] for item in items if (found := _COUNTED.match(_without_strings(item)))]
    whole = any(clause in _without_strings(item) for item in items for clause in _READ_BEFORE_INSERT)
    first_of_primary = primary is not None and all(b"(" + column in primary for column in counted)
    kept: list[bytes] = []
    keys: list[bytes] = []
    full_text: list[bytes] = []
    foreign_keys: list[bytes] = []
    for item in items:
        if FOREIGN_KEY.match(item):
            foreign_keys.append(item.strip())
        elif not whole and _KEY.match(item) and _can_wait(item, primary is not None, first_of_primary):
            (full_text if item.startswith(b"  FULLTEXT") else keys).append(item.strip())
        else:
            kept.append(item)
    create = lines.joined(kept)
    ranges_meet = any(clause in _without_strings(create) for clause in _READ_BEFORE_INSERT)
    return SplitTable(
        create, tuple(keys), tuple(full_text), tuple(foreign_keys), ranges_meet=ranges_meet, may_count=bool(counted)
    )


def _can_wait(item: bytes, has_primary: bool, counter_is_served: bool) -> bool:  # noqa: FBT001  (facts of the table)
    if not counter_is_served and not item.startswith(b"  FULLTEXT"):
        return False
    return has_primary or not item.startswith(b"  UNIQUE")


def _without_strings(sql: bytes) -> bytes:
    return _STRINGS.sub(lambda found: found["name"] or b"''", sql)


def _alter(table: str, additions: tuple[bytes, ...]) -> bytes:
    return f"ALTER TABLE {table}\n ADD ".encode() + b",\n ADD ".join(additions)
