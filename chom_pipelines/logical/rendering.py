r"""How a row becomes one line of tab-separated text on the server, and how LOAD DATA reads it back, byte for byte.

Pure. A row is rendered by the server as a single binary column, so that the client never builds an object per field.
Everything is loaded with CHARACTER SET binary: bytes go back as they came, whatever the column's character set.
Verified on MariaDB 10.11 and MySQL 9: text columns of any character set give their bytes to a function that has an
argument of explicit binary collation; with `CAST(c AS BINARY)` the values of BIT, geometry, UUID and INET4/6 come back
identical, at the cost of a copy; FLOAT needs a cast to DOUBLE (its text has six digits only), DOUBLE none (MySQL cuts
the text of a computed one at 22 characters), MySQL's JSON refuses binary text, VECTOR refuses every function but HEX,
and ENUM and SET are exact only as numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from chom_pipelines.server.identifiers import quote

_NUMERIC = frozenset(
    {"tinyint", "smallint", "mediumint", "int", "bigint", "decimal", "double", "year", "float"},
)
_TEMPORAL = frozenset({"date", "time", "datetime", "timestamp"})
_TEXT = frozenset({"char", "varchar", "tinytext", "text", "mediumtext", "longtext"})
_STRINGS = _TEXT | frozenset({"binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"})
_LONG = frozenset({"mediumblob", "longblob", "mediumtext", "longtext", "json", "geometry", "vector"})
_MOST_BYTES = {"tinytext": 255, "tinyblob": 255, "text": 65_535, "blob": 65_535, "uuid": 16, "inet4": 4, "inet6": 16}
_FIXED_BYTES = 260  # the longest text of a number (DOUBLE(255,30)), date or BIT
_UNBOUNDED = 1 << 32
_LONG_TEXT = 1_024
"""Bytes from which REPLACE may be slow: MariaDB's takes quadratic time (1.1 s for 64 KB of tabs; a regular expression
8 ms, and less than REPLACE for any text of 400 bytes)."""
_LONGEST_REPLACED = 1 << 20
"""Bytes of a value that the server is asked to escape; a longer one is escaped by the client, many times as fast."""


_BYTES = " COLLATE `binary`"
"""Makes a literal decide: what it is combined with is taken as bytes, not converted."""

EMPTY = f"_binary''{_BYTES}"
"""SQL of a row of a table in which every column is generated."""


class Escape(Enum):
    """What the server escapes, from the cheapest rendering to the one that is always right.

    A cheaper one gives the same bytes where the data holds nothing to escape; the reader proves that by counting
    the separators, and renders the range again with FULL where the count is off. REPLACE is the dearest part of a dump
    on the server: 0.24 s of 0.5 s for 97 MB (MariaDB 10.11); without it and without casts, rendering costs what sending
    the columns one by one does.
    """

    NONE = ()
    BACKSLASH = ("\\",)
    FULL = ("\\", "\t", "\n")


_WRITTEN = {"\\": r"\\", "\t": r"\t", "\n": r"\n"}


@dataclass(frozen=True)
class Column:
    """A stored column, as information_schema.COLUMNS describes it."""

    name: str
    data_type: str
    nullable: bool
    character_bytes: int | None = None
    is_json: bool = False
    slow_replace: bool = False
    """The server's REPLACE is slow in long text, and its regular expressions take bytes: MariaDB."""
    counts: bool = False
    """It is AUTO_INCREMENT."""
    nothing_for_null: bool = False
    """The server stores an empty value here only where it is given NULL: MariaDB, in a geometry that is NOT NULL."""
    as_restored: bool = False
    """Rendered as a restored copy of it will be: see `logical/losses.py`."""

    @property
    def most_bytes(self) -> int:
        """The longest value, bytes of text before escaping."""
        if self.data_type in _NUMERIC or self.data_type in _TEMPORAL or self.data_type == "bit" or self.by_number:
            return _FIXED_BYTES
        if self.data_type in _LONG or self.is_json or self.is_geometry:
            return _UNBOUNDED
        return _MOST_BYTES.get(self.data_type, self.character_bytes or _UNBOUNDED)

    @property
    def is_geometry(self) -> bool:
        """True for geometry and its subtypes."""
        return self.data_type in {
            "geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon",
            "geometrycollection", "geomcollection",
        }  # fmt: skip

    @property
    def by_number(self) -> bool:
        """True for ENUM and SET, which go by the numbers of their members.

        A member may hold separators, read as a number, equal another but for its case, or be text in a character set
        whose bytes look like separators; and the empty text also stands for an ENUM's error value 0.
        """
        return self.data_type in {"enum", "set"}

    @property
    def never_escaped(self) -> bool:
        """True where the text cannot hold a separator."""
        return (
            self.data_type in _NUMERIC or self.data_type in _TEMPORAL or self.data_type == "vector" or self.by_number
        )  # fmt: skip

    @property
    def value(self) -> str:
        """SQL of the value as bytes that LOAD DATA understands, not yet escaped; NULL where the value is."""
        name = quote(self.name)
        if self.data_type in _NUMERIC | _TEMPORAL | _STRINGS:
            return f"CAST({name} AS DOUBLE)" if self.data_type == "float" else name
        if self.by_number:
            return f"CAST({name} AS UNSIGNED)"
        if self.data_type == "vector":
            return f"HEX({name})"
        if self.is_json:
            return f"CAST(CAST({self._document} AS CHAR) AS BINARY)"
        return f"CAST({name} AS BINARY)"

    @property
    def bare(self) -> str:
        """Like `value`, without any function whose result the server limits to max_allowed_packet."""
        if self.data_type in _LONG - {"vector"} or self.data_type in _MOST_BYTES or self.is_geometry or self.is_json:
            return self._document if self.data_type not in {"uuid", "inet4", "inet6"} else self.value
        # MySQL writes some numbers otherwise on their own than in a text: 0.00000000171 there, 1.71e-9 here
        return f"CONCAT({self.value})" if self.data_type in {"float", "double"} else self.value

    @property
    def _document(self) -> str:
        name = quote(self.name)
        return f"CAST(CAST({name} AS CHAR) AS JSON)" if self.as_restored else name

    @property
    def loaded(self) -> str | None:
        """SQL that turns the loaded bytes (@v) into the value; None where they are stored as they are."""
        if self.by_number:
            return "CAST(@{} AS UNSIGNED)"
        if self.data_type == "vector":
            return "UNHEX(@{})"
        if self.is_json:
            return "CONVERT(@{} USING utf8mb4)"
        if self.nothing_for_null and self.is_geometry and not self.nullable:
            return "NULLIF(@{}, '')"
        return None


def cheapest_escape(columns: tuple[Column, ...]) -> Escape:
    """The rendering to try first: text needs escaping seldom, and shows early where it does; bytes always do."""
    at_risk = [column for column in columns if not column.never_escaped]
    if any(column.data_type not in _TEXT and not column.is_json for column in at_risk):
        return Escape.FULL
    # a backslash is also how NULL is written: then the server has to tell the two apart
    return Escape.BACKSLASH if at_risk and any(column.nullable for column in columns) else Escape.NONE


def may_exceed(columns: tuple[Column, ...], packet: int) -> bool:
    """True where a row, all escaped, may be longer than the server lets an expression be."""
    return sum(2 * column.most_bytes + 1 for column in columns) >= packet


def row_expression(columns: tuple[Column, ...], escape: Escape, *, overflow: bool) -> str:
    """SQL of the whole row as one binary string.

    With `overflow`, a value or row beyond max_allowed_packet makes the row NULL, which the reader notices (CONCAT);
    without it, no row can get there, and CONCAT_WS is cheaper.
    """
    rendered = [_rendered(column, escape) for column in columns] or [EMPTY]
    tab = _sql("\t")
    if overflow:
        return f"CONCAT({EMPTY}, " + f", {tab}, ".join(rendered) + ")"
    return f"CONCAT_WS({tab}, " + ", ".join(rendered) + ")"


def content_digest(columns: tuple[Column, ...]) -> str:
    """SQL of what is the same for rows with the same content only, however long they are."""
    each = [f"IFNULL(SHA2({column.bare}, 256), '-')" for column in columns]
    return f"SHA2(CONCAT({', '.join(each) or EMPTY}), 256)"


def load_clause(columns: tuple[Column, ...]) -> str:
    """The end of a LOAD DATA statement: the columns, and SET where a value needs a function."""
    targets: list[str] = []
    settings: list[str] = []
    functions = any(column.loaded for column in columns)
    for number, column in enumerate(columns):
        # beside a SET, MariaDB gives an AUTO_INCREMENT of 0 another number unless it is set there as well
        how = column.loaded or ("@{}" if functions and column.counts else None)
        if how is None:
            targets.append(quote(column.name))
        else:
            targets.append(f"@v{number}")
            settings.append(f"{quote(column.name)} = {how.format(f'v{number}')}")
    if not columns:  # every column is generated: an empty line for a row
        return "(@nothing)"
    return f"({', '.join(targets)})" + (f" SET {', '.join(settings)}" if settings else "")


def load_statement(table: str, clause: str, file: str) -> str:
    """LOAD DATA of one file into a table (already quoted)."""
    return (
        f"LOAD DATA LOCAL INFILE '{file}' INTO TABLE {table} CHARACTER SET binary "
        f"FIELDS TERMINATED BY '\\t' ESCAPED BY '\\\\' LINES TERMINATED BY '\\n' {clause}"
    )


def _rendered(column: Column, escape: Escape) -> str:
    sql = column.value
    if escape.value and not column.never_escaped:
        if column.data_type in _STRINGS:
            sql = f"CAST({sql} AS BINARY)"  # MySQL's REPLACE goes by characters where only the separators are bytes
        for character in escape.value:
            sql = _replaced(sql, character, by_pattern=column.slow_replace and column.most_bytes > _LONG_TEXT)
        if column.most_bytes == _UNBOUNDED:  # NULL ends the attempt
            sql = f"IF(OCTET_LENGTH({quote(column.name)}) > {_LONGEST_REPLACED}, NULL, {sql})"
    if column.nullable:
        # IF, not IFNULL: a value that overflowed is NULL too and must not pass for one
        sql = f"IF({quote(column.name)} IS NULL, _binary'\\\\N'{_BYTES}, {sql})"
    return sql


def _replaced(sql: str, character: str, *, by_pattern: bool) -> str:
    if not by_pattern:
        return f"REPLACE({sql}, {_sql(character)}, {_sql(_WRITTEN[character])})"
    pattern = f"\\x{ord(character):02x}".encode()
    written = _WRITTEN[character].replace("\\", r"\\").encode()  # a backslash in the replacement is doubled once more
    return f"REGEXP_REPLACE({sql}, X'{pattern.hex()}'{_BYTES}, X'{written.hex()}'{_BYTES})"


def _sql(text: str) -> str:
    written = "".join(_WRITTEN.get(character, character) for character in text)
    return f"_binary'{written}'{_BYTES}"
