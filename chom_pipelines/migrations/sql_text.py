"""The text of a statement without what it does not say: comments, literals, brackets. Pure, and no parser of SQL."""

from __future__ import annotations

import re
from collections.abc import Iterator

IDENTIFIER = r"(?:`(?:[^`]|``)+`|(?:[\w$]|[^\x00-\x7f])+)"  # a range instead takes 40 ms to compile
_IDENTIFIER = re.compile(IDENTIFIER)
_LITERAL = r"(?P<literal>'(?:[^'\\]|\\.|'')*'|\"(?:[^\"\\]|\\.|\"\")*\")"
_COMMENT = r"(?P<comment>/\*(?!M?!).*?\*/|--(?=\s|$)[^\n]*|\#[^\n]*)"
_TOKENS = re.compile(rf"{_LITERAL}|`(?:[^`]|``)*`|{_COMMENT}|(?P<versioned>/\*M?!\d*|\*/)", re.DOTALL)
_VERSIONED = re.compile(r"/\*M?!.*?(?:\*/|$)", re.DOTALL)
_WAITING = re.compile(r"(?:NOWAIT|WAIT\s+\d+)\s+", re.IGNORECASE)


def blanked(text: str) -> str:
    """With blanks for comments, so that everything else stands where it stood; versioned ones are said."""
    return _TOKENS.sub(lambda found: " " * len(found.group()) if found["comment"] else found.group(), text)


def plain(text: str) -> str:
    """Without comments, and with '' for each literal; what is in a versioned comment counts as said."""
    return _TOKENS.sub(_left, text)


def for_certain(text: str) -> str:
    """As `plain`, without what a versioned comment may hide."""
    return plain(_VERSIONED.sub(" ", blanked(text)))


def _left(found: re.Match[str]) -> str:
    if found["literal"]:
        return "''"
    return " " if found["comment"] or found["versioned"] else found.group()


def identifiers(text: str) -> Iterator[str]:
    """All words and quoted names of a plain text, in small letters."""
    for each in _IDENTIFIER.findall(text):
        yield unquoted(each).lower()


def unquoted(identifier: str) -> str:
    """A name without its quotes."""
    return identifier[1:-1].replace("``", "`") if identifier.startswith("`") else identifier


def outside(text: str) -> str:
    """A plain text with blanks for all that stands in brackets: places stay the same."""
    depth, found = 0, []
    for each in text:
        depth -= each == ")"
        found.append(each if depth <= 0 else " ")
        depth += each == "("
    return "".join(found)


def clauses(text: str) -> list[str]:
    """The parts of what stands behind ALTER TABLE and its name: divided at commas outside of brackets and quotes."""
    parts, depth, quoted, begun, skip = [], 0, "", 0, False
    for at, letter in enumerate(text):
        if skip:
            skip = False
        elif quoted:
            skip = letter == "\\" and quoted != "`"
            if letter == quoted:
                quoted = ""  # a doubled one begins the next
        elif letter in "'\"`":
            quoted = letter
        elif letter in "()":
            depth += 1 if letter == "(" else -1
        elif letter == "," and depth == 0:
            parts.append(text[begun:at].strip())
            begun = at + 1
    return [*parts, text[begun:].strip()]


def plain_clauses(text: str) -> list[str]:
    """The same, without comments, literals, and how long the statement waits."""
    bare = plain(text).strip()
    found = _WAITING.match(bare)
    return clauses(bare[found.end() :] if found else bare)
