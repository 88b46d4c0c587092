"""SQL, and messages that quote some, as they are shown: without passwords and other secrets. Pure."""

from __future__ import annotations

import re

_LITERAL = re.compile(r"'(?:[^'\\]|\\.|'')*'|\"(?:[^\"\\]|\\.|\"\")*\"", re.DOTALL)
_GIVEN = re.compile(
    r"(?<!['\"`])\b((?:IDENTIFIED\s+(?:(?:WITH|VIA)\s+\S+\s+)?(?:BY|AS|USING)|\w*PASSWORD(?:\s+FOR\s+\S+)?\s*[=(]?)"
    rf"\s*(?:PASSWORD\s*\(\s*)?)(?:{_LITERAL.pattern})",
    re.IGNORECASE | re.DOTALL,
)
_TELLING = re.compile(
    r"passw|passphrase|secret|token|credential|api_?key|private_?key|\bIDENTIF|\b(?:CREATE|ALTER)\s+USER\b|\bGRANT\b",
    re.IGNORECASE,
)
_QUOTED = (
    (re.compile(r"(\bSQL: ).*\)", re.DOTALL), r"\1***)"),  # of Laravel, with the values
    (re.compile(r"(-{10,}\n).*?(\n-{10,})", re.DOTALL), r"\1***\2"),  # of MariaDB's client
    (re.compile(r"(\bnear ').*('(?: at line|$))", re.DOTALL), r"\1***\2"),
    (re.compile(r"(\b(?:value|entry):? ')(?:[^'\\]|\\.)*(')"), r"\1***\2"),
)
_CLIENT = re.compile(r"^.*unknown (?:variable|option) '(?:--)?loose[-_].*\n?", re.MULTILINE)


def is_telling(text: str) -> bool:
    """Whether what it says is of accounts, or of columns with secrets."""
    return bool(_TELLING.search(text))


def shown_statement(text: str) -> str:
    """A statement: of a telling one that changes rows, or accounts, no literal is shown."""
    if is_telling(text) and not re.match(r"(?:ALTER|CREATE)\s+TABLE\b", text, re.IGNORECASE):
        return _LITERAL.sub("'***'", text)
    return _GIVEN.sub(r"\1'***'", text)


def shown_message(text: str, statement: str = "") -> str:
    """What a server or a client says, of that statement where it is known."""
    text = _GIVEN.sub(r"\1'***'", _CLIENT.sub("", text))
    if is_telling(text) or is_telling(statement):
        for quoted, instead in _QUOTED:
            text = quoted.sub(instead, text)
    return text
