"""The SQL that would put rows of a restored copy back into the live table: for a person to review and run. Pure.

It names sets of rows by their primary key, so that it stays short whatever the number of rows, and touches no row that
the copy does not have.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from chom_pipelines.log_lines import amount
from chom_pipelines.server.identifiers import qualified, quote

_NUMBERS = frozenset({"tinyint", "smallint", "mediumint", "int", "bigint", "decimal", "float", "double", "bit", "year"})
_TIMES = frozenset({"date", "datetime", "timestamp", "time"})
_BYTES = frozenset({"binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"})
_JSON = "json"
"""MySQL's own type; MariaDB's is text."""


@dataclass(frozen=True)
class ColumnType:
    """A column's type in lower case, as information_schema has it; without `charset` and `collation` it is no text."""

    type: str
    charset: str | None = None
    collation: str | None = None


@dataclass(frozen=True)
class Column:
    """A column that both tables have, with its types in the live table and in the restored copy."""

    name: str
    live: ColumnType
    restored: ColumnType

    @property
    def is_converted(self) -> bool:
        """The two have other character sets."""
        return self.live.charset != self.restored.charset

    @property
    def is_alike(self) -> bool:
        """Both are numbers, or times, or bytes, or text."""
        kinds = (_NUMBERS, _TIMES, _BYTES)
        return all((self.live.type in kind) == (self.restored.type in kind) for kind in kinds)

    def same(self) -> str:
        """The condition that it has the same value in the live row `l` and the restored row `r`.

        Numbers are compared by value, and so are times. Of all else hashes are, as collations may not tell, and a
        number is not the text that was made of it since.
        """
        live, restored = f"l.{quote(self.name)}", f"r.{quote(self.name)}"
        types = {self.live.type, self.restored.type}
        if types <= _NUMBERS or types <= _TIMES:
            return f"{live} <=> {restored}"
        is_text = self.is_converted and not types & _BYTES  # bytes that became text are the same bytes
        texts = (f"CONVERT({each} USING utf8mb4)" if is_text else each for each in (live, restored))
        same = " <=> ".join(f"SHA2({each}, 256)" for each in texts)
        # a DECIMAL in a document is a DOUBLE in every copy, and of another text
        return f"({same} OR COALESCE({live} = {restored}, FALSE))" if types == {_JSON} else same


@dataclass(frozen=True)
class Rescue:
    """A live table and its restored copy; `key` are the columns of the primary key, `columns` all that both have.

    Tables are (database, name). Generated columns are in neither. `collations` are those of columns of the live key
    that have others in the copy: rows are told apart as the live table does it.
    """

    live: tuple[str, str]
    restored: tuple[str, str]
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    collations: Mapping[str, str] = field(default_factory=dict)

    @property
    def _joined(self) -> str:
        return " AND ".join(f"l.{quote(name)} = {self._restored_key(name)}" for name in self.key)

    def _restored_key(self, name: str) -> str:
        restored = f"r.{quote(name)}"
        if name not in self.collations:
            return restored
        is_converted = any(column.is_converted for column in self.columns if column.name == name)
        return f"{f'CONVERT({restored} USING utf8mb4)' if is_converted else restored} COLLATE {self.collations[name]}"

    @property
    def count_ambiguous(self) -> str:
        """How many keys of the live table would be those of several rows of the copy."""
        key = ", ".join(map(self._restored_key, self.key))
        rows = f"SELECT 1 FROM {qualified(*self.restored)} r GROUP BY {key} HAVING COUNT(*) > 1"
        return f"SELECT COUNT(*) FROM ({rows}) ambiguous"

    @property
    def _missing(self) -> str:
        rows = f"SELECT 1 FROM {qualified(*self.live)} l WHERE {self._joined}"
        return f"FROM {qualified(*self.restored)} r WHERE NOT EXISTS ({rows})"

    @property
    def _both(self) -> str:
        return f"{qualified(*self.live)} l JOIN {qualified(*self.restored)} r ON {self._joined}"

    @property
    def _differs(self) -> str:
        """The key's columns too: those that a collation takes for equal may differ."""
        return f"NOT ({' AND '.join(column.same() for column in self.columns)})"

    @property
    def count_missing(self) -> str:
        """How many rows of the copy the live table does not have."""
        return f"SELECT COUNT(*) {self._missing}"

    @property
    def count_changed(self) -> str:
        """How many rows both have, with other values."""
        return f"SELECT COUNT(*) FROM {self._both} WHERE {self._differs}"

    @property
    def count_added(self) -> str:
        """How many rows only the live table has: those that came later, which stay."""
        rows = f"SELECT 1 FROM {qualified(*self.restored)} r WHERE {self._joined}"
        return f"SELECT COUNT(*) FROM {qualified(*self.live)} l WHERE NOT EXISTS ({rows})"

    @property
    def insert(self) -> str:
        """Put the missing rows back."""
        names = ", ".join(quote(column.name) for column in self.columns)
        values = ", ".join(f"r.{quote(column.name)}" for column in self.columns)
        return f"INSERT INTO {qualified(*self.live)} ({names})\nSELECT {values}\n{self._missing};"

    @property
    def update(self) -> str:
        """Give the changed rows the values that they had."""
        values = ", ".join(f"l.{quote(column.name)} = r.{quote(column.name)}" for column in self.columns)
        return f"UPDATE {self._both}\nSET {values}\nWHERE {self._differs};"


def _plain(text: str) -> str:
    """What can stand in a comment without ending it."""
    return "".join(character if character.isprintable() else "?" for character in text)


def script(rescue: Rescue, moment: str, counts: tuple[int, int, int], notes: Sequence[str]) -> str:
    """The whole text, of (missing, changed, added) rows; it commits nothing by itself."""
    missing, changed, added = counts
    live, restored = _plain(".".join(rescue.live)), _plain(".".join(rescue.restored))
    lines = [
        f"-- Rows of {live} as of {moment}, which are in {restored}.",
        "-- Read it, run it in one session, look at the counts, then COMMIT; until then nothing is changed for others.",
        *(f"-- {_plain(note)}" for note in notes),
        "-- Triggers and foreign keys of the live table act on these statements as on any others.",
        "SET SESSION sql_mode = CONCAT(@@sql_mode, ',NO_AUTO_VALUE_ON_ZERO');",
        "SET SESSION time_zone = '+00:00';",
        "START TRANSACTION;",
        "",
        f"-- Missing from {live}: {amount(missing, 'row')}.",
        *([rescue.insert] if missing else []),
        "",
        f"-- With other values now: {amount(changed, 'row')}; whoever changed them since may have meant to.",
        *([rescue.update] if changed else []),
        "",
        f"-- Came later, and stay as they are: {amount(added, 'row')}.",
        "-- COMMIT;",
        "",
    ]
    return "\n".join(lines)
