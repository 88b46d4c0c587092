"""Statements without what users wrote into them: every literal becomes a question mark; pure.

Whether a backslash escapes a quote depends on the sql_mode of the session that runs a statement, which is not told.
What one way of reading takes for a name can be a user's text in the other one, so both are tried, and only what they
agree on is shown.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import takewhile

CUT = "…"

_COMMON = (
    r"(?P<comment>/\*(?!M?!).*?(?:\*/|\Z)|\#[^\n]*|--(?=[\s\x00-\x1f]|\Z)[^\n]*)"
    r"|(?P<open>/\*M?!\d*)|(?P<close>\*/)"
    r"|(?P<name>`(?:[^`]|``)*(?:`|\Z))"
    r"|(?P<dollar>\$(?P<tag>\w*)\$.*?(?:\$(?P=tag)\$|\Z))"
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
_PREFIX = r"(?:\b(?:[nNxXbB]|_[A-Za-z0-9]+)[ \t]*(?=['\"]))?"
_TOKENS = {
    escapes: re.compile(rf"(?P<text>{_PREFIX}(?:{quoted}))|{_COMMON}", re.DOTALL) for escapes, quoted in _QUOTED.items()
}
_LISTS = re.compile(r"\(-?\?(?:, ?-?\?)+\)")
_ROWS = re.compile(r"(\((?:\?|\?, …)\))(?:, ?\((?:\?|\?, …)\))+")


def without_literals(statement: str) -> str:
    """On one line, without comments. Where a quote could end at two places, what is behind it is left out.

    Names of databases, tables, columns and variables stay: they are the application's, and not its users'.
    """
    read = [list(_read(statement, escapes)) for escapes in (True, False)]
    agreed = read[0] if read[0] == read[1] else [*_both(*read), CUT]
    line = " ".join("".join(agreed).split())
    return _ROWS.sub(r"\1, …", _LISTS.sub("(?, …)", line))


def cut(text: str, length: int) -> str:
    """Not longer than that, and on one line."""
    line = " ".join(text.split())
    return line if len(line) <= length else line[: max(0, length - 1)] + CUT


def _both(first: Sequence[str], second: Sequence[str]) -> Iterator[str]:
    return (one for one, _ in takewhile(lambda pair: pair[0] == pair[1], zip(first, second, strict=False)))


def _read(statement: str, escapes: bool) -> Iterator[str]:  # noqa: FBT001  (one of the two ways)
    for found in _TOKENS[escapes].finditer(statement):
        kind = found.lastgroup if found.lastgroup != "tag" else "dollar"
        if kind in {"text", "number", "dollar"}:
            yield "?"
        elif kind in {"comment", "open", "close", "space"}:
            yield " "
        else:
            yield found.group()
