"""TABLE_MAP events: what a table's rows look like in the row events that follow, as far as it takes to count them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from chom_pipelines.binlogs.format.events import lenenc


class Type(IntEnum):
    """Types of columns as they are numbered in the binary log."""

    DECIMAL = 0
    TINY = 1
    SHORT = 2
    LONG = 3
    FLOAT = 4
    DOUBLE = 5
    NULL = 6
    TIMESTAMP = 7
    LONGLONG = 8
    INT24 = 9
    DATE = 10
    TIME = 11
    DATETIME = 12
    YEAR = 13
    NEWDATE = 14
    VARCHAR = 15
    BIT = 16
    TIMESTAMP2 = 17
    DATETIME2 = 18
    TIME2 = 19
    MARIADB_BLOB_COMPRESSED = 140
    MARIADB_VARCHAR_COMPRESSED = 141
    VECTOR = 242
    BOOL = 244
    JSON = 245
    NEWDECIMAL = 246
    ENUM = 247
    SET = 248
    TINY_BLOB = 249
    MEDIUM_BLOB = 250
    LONG_BLOB = 251
    BLOB = 252
    VAR_STRING = 253
    STRING = 254
    GEOMETRY = 255


_FIXED = {
    Type.TINY: 1,
    Type.SHORT: 2,
    Type.LONG: 4,
    Type.NULL: 0,
    Type.TIMESTAMP: 4,
    Type.LONGLONG: 8,
    Type.INT24: 3,
    Type.DATE: 3,
    Type.TIME: 3,
    Type.DATETIME: 8,
    Type.YEAR: 1,
    Type.NEWDATE: 3,
    Type.BOOL: 1,
}
_UNCERTAIN = {Type.TIME, Type.DATETIME, Type.TIMESTAMP}
_FRACTIONAL = {Type.TIMESTAMP2: 4, Type.DATETIME2: 5, Type.TIME2: 3}
"""Bytes of whole seconds; two digits of the fraction take one more each."""
_LENGTH_IN_METADATA = {
    Type.MARIADB_BLOB_COMPRESSED,
    Type.VECTOR,
    Type.JSON,
    Type.TINY_BLOB,
    Type.MEDIUM_BLOB,
    Type.LONG_BLOB,
    Type.BLOB,
    Type.GEOMETRY,
}
_METADATA_SIZES = {
    **dict.fromkeys((Type.FLOAT, Type.DOUBLE, *_FRACTIONAL, *_LENGTH_IN_METADATA), 1),
    **dict.fromkeys(
        (
            *(Type.VARCHAR, Type.BIT, Type.MARIADB_VARCHAR_COMPRESSED, Type.NEWDECIMAL),
            *(Type.ENUM, Type.SET, Type.VAR_STRING, Type.STRING),
        ),
        2,
    ),
}
_DIGITS_BYTES = (0, 1, 1, 2, 2, 3, 3, 4, 4)
_DIGITS_IN_FOUR_BYTES = 9
_SHORT = 256  # lengths below it take one byte


@dataclass(frozen=True)
class Width:
    """How wide a column's value is: `fixed` bytes, or that many as a number of `prefix` bytes before it says."""

    fixed: int
    prefix: int = 0


@dataclass(frozen=True)
class Table:
    """A table as row events refer to it: `key` has its database and name.

    `json_columns` counts those that may be updated in part. Widths are `uncertain` where a column may be of one of the
    temporal types that MariaDB made with fractions before it took over MySQL's: their width is said nowhere.
    """

    key: tuple[str, str]
    widths: tuple[Width, ...]
    nullable: bool
    json_columns: int
    uncertain: bool = False


def parse_table_map(body: bytes) -> Table:
    """Read what follows the table's number in the body of a TABLE_MAP event.

    Raises ValueError or IndexError where it is not as it should be, or has a type of columns that is not known.
    """
    database, at = _name(body, 2)
    name, at = _name(body, at)
    count, at = lenenc(body, at)
    types = body[at : at + count]
    size, at = lenenc(body, at + count)
    metadata = body[at : at + size]
    nulls = body[at + size : at + size + (count + 7) // 8]
    if len(types) != count or len(metadata) != size or len(nulls) != (count + 7) // 8:
        raise ValueError("it ends too early")
    widths: list[Width] = []
    at = 0
    for number in types:
        try:
            kind = Type(number)
        except ValueError:
            raise ValueError(f"column {len(widths) + 1} of {database}.{name} is of an unknown type, {number}") from None
        end = at + _METADATA_SIZES.get(kind, 0)
        if end > size:
            raise ValueError("it says too little of its columns")
        widths.append(_width(kind, metadata[at:end]))
        at = end
    if at != size:
        raise ValueError("it says more of its columns than there is to be said")
    uncertain = not _UNCERTAIN.isdisjoint(types)
    return Table((database, name), tuple(widths), any(nulls), types.count(Type.JSON), uncertain)


def _name(body: bytes, at: int) -> tuple[str, int]:
    size, at = lenenc(body, at)
    end = at + size
    if body[end]:
        raise ValueError("a name does not end where it should")
    return body[at:end].decode(errors="backslashreplace"), end + 1


def _width(kind: Type, metadata: bytes) -> Width:  # noqa: PLR0911  (one for each way in which types are stored)
    if kind in _FIXED:
        return Width(_FIXED[kind])
    if kind in {Type.FLOAT, Type.DOUBLE}:
        return Width(metadata[0])
    if kind in _FRACTIONAL:
        return Width(_FRACTIONAL[kind] + (metadata[0] + 1) // 2)
    if kind in _LENGTH_IN_METADATA:
        if not 1 <= metadata[0] <= 4:  # noqa: PLR2004
            raise ValueError(f"a length of {metadata[0]} bytes is none")
        return Width(0, metadata[0])
    if kind in {Type.VARCHAR, Type.VAR_STRING, Type.MARIADB_VARCHAR_COMPRESSED}:
        return Width(0, 1 if int.from_bytes(metadata, "little") < _SHORT else 2)
    if kind is Type.BIT:
        return Width(metadata[1] + (metadata[0] > 0))
    if kind is Type.NEWDECIMAL:
        return Width(_decimal(metadata[0] - metadata[1]) + _decimal(metadata[1]))
    if kind in {Type.STRING, Type.ENUM, Type.SET}:
        return _string(metadata)
    raise ValueError(f"the width of a column of type {kind.name} is not known")


def _decimal(digits: int) -> int:
    if digits < 0:
        raise ValueError("a decimal has more digits after its point than it has")
    whole, rest = divmod(digits, _DIGITS_IN_FOUR_BYTES)
    return whole * 4 + _DIGITS_BYTES[rest]


def _string(metadata: bytes) -> Width:
    real, length = metadata
    if real in {Type.ENUM, Type.SET}:
        return Width(length)
    length |= ((real & 0x30) ^ 0x30) << 4  # bits 8 and 9 of the length are inverted in the type
    return Width(0, 1 if length < _SHORT else 2)
