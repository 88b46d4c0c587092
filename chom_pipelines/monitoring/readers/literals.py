"""Statements without what users wrote into them: every literal becomes a question mark; pure.

Whether a backslash escapes a quote depends on the sql_mode of the session that runs a statement, which is not told, and
whether `/*!99999 … */` is a comment, and `$a$` a quote, on the server's version. What one way of reading takes for a
name can be a user's text in another one, so all are tried, and only what they agree on is shown.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import product, takewhile

CUT = "…"

_COMMENTS = {
    True: r"(?P<comment>/\*(?!M?!).*?(?:\*/|\Z)|\#[^\n]*|--(?=[\s\x00-\x1f]|\Z)[^\n]*|/\*M?!\d*|\*/)",
    False: r"(?P<comment>/\*.*?(?:\*/|\Z)|\#[^\n]*|--(?=[\s\x00-\x1f]|\Z)[^\n]*|\*/)",
}
"""By whether `/*! … */` is executed."""

_COMMON = (
    r"(?P<name>`(?:[^`]|``)*(?:`|\Z))"
    r"|(?P<variable>@@?[\w.$]+)"
    r"|(?P<number>0[xX][0-9a-fA-F]+\b|0[bB][01]+\b|\b\d+(?:\.\d*)?(?:[eE][+-]?\d+)?\b(?!\w)|\.\d+(?:[eE][+-]?\d+)?)"
    r"|(?P<word>[\w$]+)"
    r"|(?P<space>[\s\x00-\x1f]+)"
    r"|(?P<mark>.)"
)
_QUOTED = {
    True: r"""'(?:[^'\\]|\\.|'')*(?:'|\\?\Z)|"(?:[^"\\]|\\.|"")*(?:"|\\?\Z)""",
    False: r"""'(?:[^']|'')*(?:'|\Z)|"(?:[^"]|"")*(?:"|\Z)""",
}
_DOLLARS = (r"|(?P<dollar>\$(?P<tag>\w*)\$.*?(?:\$(?P=tag)\$|\Z))", "")
"""MySQL 9 quotes bodies of routines with them; elsewhere they are letters."""
_PREFIX = r"(?:\b(?:[nNxXbB]|_[A-Za-z0-9]+)[ \t]*(?=['\"]))?"
_TOKENS = [
    re.compile(rf"(?P<text>{_PREFIX}(?:{quoted}))|{comments}{dollars}|{_COMMON}", re.DOTALL)
    for quoted, comments, dollars in product(_QUOTED.values(), _COMMENTS.values(), _DOLLARS)
]
_LISTS = re.compile(r"\(-?\?(?:, ?-?\?)+\)")
_ROWS = re.compile(r"(\((?:\?|\?, …)\))(?:, ?\((?:\?|\?, …)\))+")


def without_literals(statement: str) -> str:
    """On one line, without comments. Where a quote could end at two places, what is behind it is left out.

    Names of databases, tables, columns and variables stay: they are the application's, and not its users'.
    """
    readings = [list(_read(statement, tokens)) for tokens in _TOKENS]
    first = readings[0]
    agreed = first if all(each == first for each in readings) else [*_agreed(readings), CUT]
    line = " ".join("".join(agreed).split())
    return _ROWS.sub(r"\1, …", _LISTS.sub("(?, …)", line))


def cut(text: str, length: int) -> str:
    """Not longer than that, and on one line."""
    line = " ".join(text.split())
    return line if len(line) <= length else line[: max(0, length - 1)] + CUT


def _agreed(readings: Sequence[Sequence[str]]) -> Iterator[str]:
    return (words[0] for words in takewhile(lambda words: len(set(words)) == 1, zip(*readings, strict=False)))


def _read(statement: str, tokens: re.Pattern[str]) -> Iterator[str]:
    """What is no literal, and a question mark for each that is; without comments."""
    for found in tokens.finditer(statement):
        kind = found.lastgroup if found.lastgroup != "tag" else "dollar"
        if kind in {"text", "number", "dollar"}:
            yield "?"
        elif kind in {"comment", "space"}:
            yield " "
        else:
            yield found.group()
