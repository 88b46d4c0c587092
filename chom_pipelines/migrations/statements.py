"""SQL statements as a server received them: what they do to which table, and where a clause goes in. Pure.

No parser of SQL: what a statement changes is read from the schema before and after it. Only its first words are read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from chom_pipelines.migrations.alter_clauses import AlterClauses
from chom_pipelines.migrations.hidden_passwords import shown_statement
from chom_pipelines.migrations.sql_text import (
    IDENTIFIER,
    blanked,
    for_certain,
    identifiers,
    outside,
    plain,
    plain_clauses,
    unquoted,
)

_COMMENT = re.compile(r"\s+|/\*(?!M?!)(?:.|\n)*?\*/|--(?=\s|$)[^\n]*(?:\n|$)|#[^\n]*(?:\n|$)")
_NAME = rf"(?P<name>{IDENTIFIER}(?:\s*\.\s*{IDENTIFIER})?)"
_ALTER = re.compile(rf"ALTER\s+(?:ONLINE\s+)?(?:IGNORE\s+)?TABLE\s+(?:IF\s+EXISTS\s+)?{_NAME}", re.IGNORECASE)
_INDEX = re.compile(
    r"(?:CREATE\s+(?:OR\s+REPLACE\s+)?(?:(?:UNIQUE|FULLTEXT|SPATIAL)\s+)?|DROP\s+)INDEX\s+(?:IF\s+(?:NOT\s+)?EXISTS\s+)?"
    rf"{IDENTIFIER}(?:\s+USING\s+\w+)?\s+ON\s+{_NAME}",
    re.IGNORECASE,
)
_TABLE = re.compile(
    r"(?:CREATE\s+(?:OR\s+REPLACE\s+)?(?:TEMPORARY\s+)?TABLE|DROP\s+(?:TEMPORARY\s+)?TABLE|TRUNCATE(?:\s+TABLE)?|"
    r"RENAME\s+TABLE|UPDATE(?:\s+(?:LOW_PRIORITY|IGNORE))*|DELETE(?:\s+(?:LOW_PRIORITY|QUICK|IGNORE))*\s+FROM|"
    r"INSERT(?:\s+(?:LOW_PRIORITY|DELAYED|HIGH_PRIORITY|IGNORE))*(?:\s+INTO)?|REPLACE(?:\s+INTO)?)"
    rf"\s+(?:IF\s+(?:NOT\s+)?EXISTS\s+)?{_NAME}",
    re.IGNORECASE,
)
_PARTS = re.compile(IDENTIFIER)
_CLAUSE = re.compile(
    r"\b(?:ALGORITHM|LOCK)\s*=?\s*(?:DEFAULT|INSTANT|NOCOPY|INPLACE|COPY|NONE|SHARED|EXCLUSIVE)\b", re.IGNORECASE
)
_COVERED = re.compile(
    r"SET\s+(?:STATEMENT|PASSWORD)\b|SET\b.*\b(?:GLOBAL|PERSIST|PERSIST_ONLY)\b|BEGIN\s+NOT\b"
    r"|DO\b(?!\s+(?:SLEEP|RELEASE_LOCK|GET_LOCK)\b)"
    r"|(?:EXPLAIN|DESC|DESCRIBE)\b.*\bANALYZE\b.*\b(?:UPDATE|DELETE|INSERT|REPLACE)\b",
    re.IGNORECASE | re.DOTALL,
)
"""What begins as a setting or a question does, and changes the server, or is a statement around another."""
_CONSTANT = frozenset(
    (
        "true",
        "false",
        "and",
        "or",
        "not",
        "is",
        "null",
        "in",
        "like",
        "xor",
        "div",
        "mod",
        "between",
        "exists",
        "select",
    )
)
_ASSIGNED = re.compile(rf"(?:^|,)\s*(?:{IDENTIFIER}\s*\.\s*)*({IDENTIFIER})\s*:?=")
_LISTED = re.compile(r"\s*\(([^()]*)\)\s*(?:VALUES?\b|SELECT\b|WITH\b|TABLE\b|\()", re.IGNORECASE)
_SELECT = re.compile(r"(?<![`\w$])SELECT\b|\bTABLE\s", re.IGNORECASE)
_WORD = re.compile(r"\w+")


class Kind(StrEnum):
    """What the first words of a statement say."""

    ALTER = "alter"
    INDEX = "index"
    CREATE = "create"
    DROP = "drop"
    RENAME = "rename"
    TRUNCATE = "truncate"
    CHANGE = "change"
    """Of rows: INSERT, UPDATE, DELETE, REPLACE."""
    DATABASE = "database"
    READ = "read"
    SET = "set"
    OTHER = "other"


_KINDS = {
    "ALTER": Kind.ALTER,
    "CREATE": Kind.CREATE,
    "DROP": Kind.DROP,
    "RENAME": Kind.RENAME,
    "TRUNCATE": Kind.TRUNCATE,
    **dict.fromkeys(("INSERT", "UPDATE", "DELETE", "REPLACE"), Kind.CHANGE),
    **dict.fromkeys(("SELECT", "SHOW", "DESCRIBE", "DESC", "EXPLAIN", "VALUES", "TABLE", "HELP", "CHECK"), Kind.READ),
    **dict.fromkeys(("SET", "USE", "START", "BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE", "DO"), Kind.SET),
}


@dataclass(frozen=True)
class Statement:
    """One statement, of a session whose database in use was `database` ("" for none)."""

    text: str
    database: str = ""

    @cached_property
    def bare(self) -> str:
        """Without the comments and blanks that it begins with."""
        at = 0
        while found := _COMMENT.match(self.text, at):
            at = found.end()
        return self.text[at:].rstrip().rstrip(";")

    @cached_property
    def plain(self) -> str:
        """Without comments, and with '' for each literal."""
        return plain(self.bare).strip()

    @cached_property
    def names(self) -> frozenset[str]:
        """All that it may name, in small letters: its words, too."""
        return frozenset(identifiers(self.plain))

    @cached_property
    def _said(self) -> str:
        return blanked(self.bare)

    @property
    def verb(self) -> str:
        """Its first word, in capitals."""
        found = _WORD.match(self.bare)
        return found.group().upper() if found else ""

    @cached_property
    def kind(self) -> Kind:
        """What it does."""
        bare = self._said
        if _INDEX.match(bare):
            return Kind.INDEX
        kind = _KINDS.get(self.verb, Kind.OTHER) if bare else Kind.READ  # a client may send a comment alone
        if kind in {Kind.SET, Kind.READ} and _COVERED.match(self.plain):
            return Kind.OTHER
        if re.match(r"(?:CREATE|DROP|ALTER)\s+(?:OR\s+REPLACE\s+)?(?:DATABASE|SCHEMA)\b", bare, re.IGNORECASE):
            return Kind.DATABASE
        if kind is Kind.ALTER and not _ALTER.match(bare):
            return Kind.OTHER
        if kind in {Kind.CREATE, Kind.DROP} and not _TABLE.match(bare):
            return Kind.OTHER
        return kind

    @property
    def table(self) -> tuple[str, str] | None:
        """The (database, table) that it names first; None where it names none."""
        found = self._named()
        if not found:
            return None
        parts = [unquoted(each) for each in _PARTS.findall(found["name"])]
        return (parts[0], parts[1]) if len(parts) > 1 else (self.database, parts[0])

    @property
    def names_algorithm(self) -> bool:
        """Whether it says itself how it is to be done: ALGORITHM or LOCK."""
        return bool(_CLAUSE.search(self.plain))

    @cached_property
    def clauses(self) -> AlterClauses:
        """Of an ALTER TABLE; none of others."""
        return AlterClauses(plain_clauses(self.after_table()) if self.kind is Kind.ALTER else [])

    @property
    def selects(self) -> bool:
        """A change of rows, or a new table, out of what other tables have."""
        return self.kind in {Kind.CHANGE, Kind.CREATE} and bool(_SELECT.search(plain(self.after_table())))

    @property
    def touched(self) -> frozenset[str]:
        """Of a change of rows the names that may be of tables whose rows become others, in small letters."""
        if self.kind is not Kind.CHANGE or self.verb in {"INSERT", "REPLACE"}:
            return frozenset({self.table[1].lower()} if self.table else ())
        ends = re.search(r"\bSET\b" if self.verb == "UPDATE" else r"\bWHERE\b", outside(self.plain), re.IGNORECASE)
        return frozenset(identifiers(self.plain[: ends.start()] if ends else self.plain))

    @property
    def fills(self) -> frozenset[str] | None:
        """The columns that a change of rows gives values to, in small letters; None for all."""
        if self.verb in {"INSERT", "REPLACE"} and (listed := _LISTED.match(plain(self.after_table()))):
            return frozenset(identifiers(listed[1]))
        said = outside(self.plain)
        begins = re.search(r"\bSET\b", said, re.IGNORECASE)
        if self.verb == "DELETE" or not begins:
            return frozenset() if self.verb == "DELETE" else None
        ends = re.search(r"\bWHERE\b", said, re.IGNORECASE)
        return frozenset(
            unquoted(each).lower() for each in _ASSIGNED.findall(said[begins.end() : ends.start() if ends else None])
        )

    def after_table(self) -> str:
        """What stands behind the name of its table."""
        found = self._named()
        return self.bare[found.end() :].strip() if found else ""

    @property
    def is_for_every_row(self) -> bool:
        """An UPDATE or DELETE without LIMIT, and without a WHERE that names anything."""
        if self.verb not in {"UPDATE", "DELETE"}:
            return False
        text = for_certain(self.bare)
        said = outside(text)
        if re.search(r"\bLIMIT\b", said, re.IGNORECASE):
            return False
        where = re.search(r"\bWHERE\b", said, re.IGNORECASE)
        if not where:
            return True
        ends = re.search(r"\b(?:ORDER\s+BY|RETURNING)\b", said, re.IGNORECASE)
        named = set(identifiers(text[where.end() : ends.start() if ends else None])) - _CONSTANT
        return all(each[:1].isdigit() for each in named)

    def demanding(self, clauses: str) -> str:
        """The statement that is done so, or not at all; `clauses` as `ALGORITHM=INSTANT, LOCK=NONE`.

        Of ALTER TABLE they stand before all else, as PARTITION BY wants it; of indexes they stand last.
        """
        bare, found = self.bare, self._named()
        if self.kind is Kind.INDEX:
            return f"{bare} {clauses.replace(',', '')}"
        if self.kind is not Kind.ALTER or not found:
            raise ValueError(f"a {self.kind} has no algorithm")
        rest = bare[found.end() :]
        comma = "" if re.match(r"\s*(?:PARTITION\s+BY|REMOVE\s+PARTITIONING)\b", rest, re.IGNORECASE) else ","
        return f"{bare[: found.end()]} {clauses}{comma}{rest}"

    def _named(self) -> re.Match[str] | None:
        bare = self._said
        return _ALTER.match(bare) or _INDEX.match(bare) or _TABLE.match(bare)

    @property
    def shown(self) -> str:
        """For people, without passwords."""
        return shown_statement(self.bare)

    def short(self, length: int = 120) -> str:
        """For people: on one line, and cut."""
        line = " ".join(self.shown.split())
        return line if len(line) <= length else line[: length - 1] + "…"
