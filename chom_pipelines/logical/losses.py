"""What text cannot carry of MySQL's JSON: which values come back as others, and how they will look then. Pure.

A document that was made by SQL (`JSON_OBJECT('total', total)`) keeps the types of its values, which its text does not
show: parsed again, DECIMAL 12.50 is the DOUBLE 12.5, and DATE, DATETIME, TIME, BIT and BLOB are strings. The server
finds that by parsing every document again, which takes five times as long as their text (4.6 s for that of 250,000
documents of 400 bytes, 20.5 s to count; to ask for the type of every value takes seven times as long). So it is asked
only about ranges whose text has something that looks like such a value; what has not, cannot lose any.

What keeps its text and compares equal is no loss here: a DECIMAL 12.25 that becomes a DOUBLE, an UNSIGNED INTEGER that
becomes an INTEGER. JSON_TYPE() alone tells them apart.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from chom_pipelines.logical.rendering import Column
from chom_pipelines.repository.dump_records import Loss, Lost
from chom_pipelines.server.identifiers import quote

LONGEST_SUSPECT = 128
"""Bytes; more than the text of any value that the patterns know."""

_SUSPECT = (
    # numbers that a DOUBLE shows in another way: trailing zeros, many digits; and microseconds, which TIME always has.
    # 14 digits are always kept; numbers end at a comma or bracket, as those that are a whole document are asked for
    re.compile(rb"\.(?:\d+0[,}\]]|\d{8}|0000|\d{6}\"|(?<=\d{7}\.)\d)"),
    re.compile(rb"-\d\d-\d\d\""),  # DATE
    re.compile(rb"\"base64:type"),  # BIT, BLOB
)
_ZEROS = bytes.maketrans(b"123456789", b"000000000")
_BEYOND_BIGINT = b"0" * 19
"""As many digits, once all are zeros: found many times as fast as by a pattern that begins with any digit."""

_WHOLE = "'OBJECT', 'ARRAY', 'STRING', 'INTEGER', 'UNSIGNED INTEGER', 'DOUBLE', 'BOOLEAN', 'NULL'"


def suspect(text: bytes) -> bool:
    """Whether some of this may be the text of a value, within a document, that text cannot carry."""
    return any(pattern.search(text) for pattern in _SUSPECT) or _BEYOND_BIGINT in text.translate(_ZEROS)


def may_lose(columns: Iterable[Column]) -> tuple[str, ...]:
    """The columns that can hold what text cannot."""
    return tuple(column.name for column in columns if column.is_json)


def as_restored(columns: Iterable[Column]) -> tuple[Column, ...]:
    """The same columns, rendered as they will be in a restored copy."""
    return tuple(replace(column, as_restored=column.is_json) for column in columns)


def whole_query(columns: Iterable[str], source: str) -> str:
    """SQL that counts documents that are one such value; `source` is FROM's operand with its conditions."""
    strange = " OR ".join(f"JSON_TYPE({quote(column)}) NOT IN ({_WHOLE})" for column in columns)
    return f"SELECT COALESCE(SUM({strange}), 0) FROM {source}"


def losses_query(columns: Iterable[str], source: str) -> str:
    """SQL that counts, for each column, the rows that lose digits, then those that lose a type."""
    counts = []
    for column in columns:
        name = quote(column)
        copy = f"CAST(CAST({name} AS CHAR) AS JSON)"
        counts += [
            f"COALESCE(SUM(CAST(CAST({copy} AS CHAR) AS BINARY) <> CAST(CAST({name} AS CHAR) AS BINARY)), 0)",
            f"COALESCE(SUM({copy} <> {name}), 0)",
        ]
    return f"SELECT {', '.join(counts)} FROM {source}"


def losses(columns: Sequence[str], counts: Sequence[int]) -> tuple[Loss, ...]:
    """From what `losses_query` answers."""
    kinds = [(column, lost) for column in columns for lost in (Lost.DIGITS, Lost.TYPE)]
    found = zip(kinds, counts, strict=True)
    return tuple(Loss(column=column, lost=lost, rows=rows) for (column, lost), rows in found if rows)


def summed(parts: Iterable[Sequence[Loss]]) -> tuple[Loss, ...]:
    """The losses of a table, from those of its ranges."""
    counts: dict[tuple[str, Lost], int] = {}
    for loss in (loss for part in parts for loss in part):
        counts[loss.column, loss.lost] = counts.get((loss.column, loss.lost), 0) + loss.rows
    return tuple(Loss(column=column, lost=lost, rows=rows) for (column, lost), rows in sorted(counts.items()))
