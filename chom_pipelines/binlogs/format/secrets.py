"""What is shown of a statement: nothing that may be a password."""

from __future__ import annotations

import re

from chom_pipelines.binlogs.format.lexemes import Dialect, Kind, scan
from chom_pipelines.server.facts import Flavour

_SECRETS = re.compile(
    r"IDENTIFIED|PASSW(?:OR)?D|\bCONNECTION\b|\bmysql[`\"]?(?:\s|/\*.*?\*/)*\.", re.IGNORECASE | re.DOTALL
)
"""What stands near secrets in other statements: tables of other servers, bodies of programs, tables of accounts."""
_WORDS = ("identified", "passw", "connection", "mysql")
"""One of which is in what that finds, and is found sooner."""
_QUOTES = frozenset("'\"")
_LEFT_OUT = "'…'"
_ANY = Dialect(Flavour.MARIADB)
"""As what is left out of a statement must not depend on a session's sql_mode."""


def without_secrets(text: str, database: str) -> str:
    """Leave string literals out where a secret may be near; `database` is the default one."""
    lower = text.lower()
    is_near = any(word in lower for word in _WORDS) and _SECRETS.search(text) is not None
    return without_literals(text) if is_near or database == "mysql" else text


def without_literals(text: str) -> str:
    """Leave out string literals, and comments that have some; those that name an account, as `'app'@'%'`, stay."""
    kept, at = [], 0
    for found in scan(text, _ANY):
        end = found.start + len(found.text)
        if found.kind is Kind.COMMENT and not _QUOTES.isdisjoint(found.text):  # servers make them of what they skip
            kept += [text[at : found.start], "/*…*/"]
            at = end
        is_bytes = found.kind is Kind.WORD and found.text[:2].lower() == "0x"
        if not (is_bytes or found.kind is Kind.STRING) or _is_account(text, found.start, end):
            continue
        kept += [text[at : found.start], _LEFT_OUT]
        at = end
        if "\\" in found.text:  # where it ends depends on the session's sql_mode
            return "".join(kept) + "…"
    return "".join((*kept, text[at:]))


def _is_account(text: str, start: int, end: int) -> bool:
    beside = text[:start].rstrip()[-1:], text[end:].lstrip()[:1]
    return "@" in beside and re.fullmatch(r"'[^'\\\s]*'|\"[^\"\\\s]*\"", text[start:end]) is not None
