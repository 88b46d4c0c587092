"""The words of a statement as the server reads them that logged it: comments are blanks, names and literals are whole.

Who looks for a word in a statement's text finds it in names, literals and comments as well; here it is found as a word.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import NamedTuple

from chom_pipelines.server.facts import Flavour

_ANSI_QUOTES, _NO_BACKSLASH_ESCAPES = 1 << 2, 1 << 20
"""Bits of a session's sql_mode as the log has it; both families have the same."""
_OF_MARIADB = "/*M!"
"""The begin of what MariaDB alone executes."""


class Kind(StrEnum):
    """What a lexeme is."""

    WORD = "word"
    """A keyword, a number, or a name without quotes."""
    NAME = "name"
    """In quotes; or a word behind a dot or `@`, which is never a keyword."""
    STRING = "string"
    COMMENT = "comment"
    """Also the marks around one that is executed, whose words are words."""
    MARK = "mark"
    END = "end"


class Lexeme(NamedTuple):
    """One of them, and where it begins; `word` is a mark, or in upper case what may be a keyword, else ""."""

    kind: Kind
    text: str
    start: int
    word: str = ""


@dataclass(frozen=True)
class Dialect:
    """What decides how a text is read: the server's family, and the sql_mode of the session."""

    flavour: Flavour
    sql_mode: int = 0

    @property
    def ansi_quotes(self) -> bool:
        """Double quotes are around names."""
        return bool(self.sql_mode & _ANSI_QUOTES)

    @property
    def backslash_escapes(self) -> bool:
        """In literals a backslash escapes what follows it."""
        return not self.sql_mode & _NO_BACKSLASH_ESCAPES

    def as_mariadb_reads_it(self, text: str) -> str:
        """The text with what MySQL does not execute written as MySQL itself writes other such comments."""
        if self.flavour is Flavour.MARIADB or _OF_MARIADB not in text:
            return text
        return _pattern(self).sub(_not_executed, text)


@cache
def _pattern(dialect: Dialect) -> re.Pattern[str]:
    executed = r"(?-i:M)?!" if dialect.flavour is Flavour.MARIADB else "!"
    escaped, plain = (r"\\.|", r"\\") if dialect.backslash_escapes else ("", "")
    double = rf"\"(?:[^\"{plain}]++|{escaped}\"\")*(?:\"|\\?\Z)"
    if dialect.ansi_quotes:
        double = r"\"(?:[^\"]|\"\")*(?:\"|\Z)"
    return re.compile(
        rf"""(?P<comment>/\*(?!{executed}).*?(?:\*/|\Z) | --(?=\s|\Z)[^\n]* | \#[^\n]* | /\*{executed}\d* | \*/)
        | (?P<word>\d+\.(?![\w$\x80-\U0010ffff`]) | [\w$\x80-\U0010ffff]+)
        | (?P<string>'(?:[^'{plain}]++|{escaped}'')*(?:'|\\?\Z))
        | (?P<double>{double})
        | (?P<name>`(?:[^`]|``)*(?:`|\Z))
        | (?P<mark>\S)""",
        re.DOTALL | re.IGNORECASE | re.VERBOSE,
    )


def _not_executed(found: re.Match[str]) -> str:
    return found[0].replace("!", " ", 1) if found[0].startswith(_OF_MARIADB) else found[0]


_KINDS = {**{kind.value: kind for kind in Kind}, "double": Kind.STRING}


def scan(text: str, dialect: Dialect) -> Iterator[Lexeme]:
    """All lexemes of a text with its comments; what is not closed goes to the end."""
    kinds = {**_KINDS, "double": Kind.NAME} if dialect.ansi_quotes else _KINDS
    never_keyword = False
    for found in _pattern(dialect).finditer(text):
        kind, what = kinds[found.lastgroup or ""], found[0]
        if kind is Kind.WORD and never_keyword:
            kind = Kind.NAME
        if kind is Kind.COMMENT:
            yield Lexeme(kind, what, found.start())
            continue
        never_keyword = what in {".", "@"}
        yield Lexeme(kind, what, found.start(), what.upper() if kind in {Kind.WORD, Kind.MARK} else "")


_END = Lexeme(Kind.END, "", -1)


class Reader:
    """Goes through a statement from word to word; no more of it is read than is asked for."""

    def __init__(self, found: Iterable[Lexeme]) -> None:
        self._found = iter(found)
        self._ahead: list[Lexeme] = []

    @classmethod
    def of(cls, text: str, dialect: Dialect) -> Reader:
        """Of a statement's text, without its comments."""
        return cls(each for each in scan(text, dialect) if each.kind is not Kind.COMMENT)

    def peek(self, ahead: int = 0) -> Lexeme:
        """The next one, or one behind it; behind the last one there are ends."""
        while len(self._ahead) <= ahead:
            self._ahead.append(next(self._found, _END))
        return self._ahead[ahead]

    def step(self) -> Lexeme:
        """Take the next one."""
        self.peek()
        return self._ahead.pop(0)

    def take(self, *words: str) -> bool:
        """Take these words or marks, in upper case, where all of them follow; else none."""
        if self.peek().word != words[0]:  # as mostly
            return False
        if any(self.peek(number).word != word for number, word in enumerate(words)):
            return False
        for _ in words:
            self.step()
        return True

    def take_any(self, *words: str) -> str:
        """Take the next word where it is one of these, and return it; else ""."""
        word = self.peek().word
        return self.step().word if word in words else ""

    def rest(self) -> tuple[Lexeme, ...]:
        """Take all that follows."""
        ahead, self._ahead = self._ahead, []
        return (*(each for each in ahead if each.kind is not Kind.END), *self._found)

    def name(self) -> str:
        """Take a name and return what it says; "" where none follows."""
        following = self.peek()
        if following.kind is Kind.WORD:
            return shown(self.step().text)
        if following.kind is Kind.NAME or following.text[:1] == '"':  # a text of an unknown sql_mode may have those
            text, quote = following.text, following.text[0]
            self.step()
            return shown(text[1:-1].replace(quote * 2, quote) if quote in '`"' else text)
        return ""

    def table(self, database: str) -> tuple[str, str] | None:
        """Take a name that may be qualified: its database, else this one, and its name; None where none follows."""
        first = self.name()
        if not first:
            return None
        if not self.take("."):
            return database, first
        second = self.name()
        return (first, second) if second else None


def shown(name: str) -> str:
    """A name in whose text bytes of another character set were kept."""
    return name.encode(errors="surrogateescape").decode(errors="backslashreplace")
