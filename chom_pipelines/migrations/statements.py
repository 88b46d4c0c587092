"""SQL statements as a server received them: what they do to which table, and where a clause goes in. Pure.

No parser of SQL: what a statement changes is read from the schema before and after it. Only its first words are read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

_COMMENT = re.compile(r"\s+|/\*(?!!)(?:.|\n)*?\*/|--(?=\s|$)[^\n]*(?:\n|$)|#[^\n]*(?:\n|$)")
_IDENTIFIER = r"(?:`(?:[^`]|``)+`|(?:[\w$]|[^\x00-\x7f])+)"  # a range instead takes 40 ms to compile
_NAME = rf"(?P<name>{_IDENTIFIER}(?:\s*\.\s*{_IDENTIFIER})?)"
_ALTER = re.compile(rf"ALTER\s+(?:ONLINE\s+)?(?:IGNORE\s+)?TABLE\s+(?:IF\s+EXISTS\s+)?{_NAME}", re.IGNORECASE)
_INDEX = re.compile(
    r"(?:CREATE\s+(?:OR\s+REPLACE\s+)?(?:(?:UNIQUE|FULLTEXT|SPATIAL)\s+)?|DROP\s+)INDEX\s+(?:IF\s+(?:NOT\s+)?EXISTS\s+)?"
    rf"{_IDENTIFIER}(?:\s+USING\s+\w+)?\s+ON\s+{_NAME}",
    re.IGNORECASE,
)
_TABLE = re.compile(
    r"(?:CREATE\s+(?:OR\s+REPLACE\s+)?(?:TEMPORARY\s+)?TABLE|DROP\s+(?:TEMPORARY\s+)?TABLE|TRUNCATE(?:\s+TABLE)?|"
    r"RENAME\s+TABLE|UPDATE(?:\s+(?:LOW_PRIORITY|IGNORE))*|DELETE(?:\s+(?:LOW_PRIORITY|QUICK|IGNORE))*\s+FROM|"
    r"INSERT(?:\s+(?:LOW_PRIORITY|DELAYED|HIGH_PRIORITY|IGNORE))*(?:\s+INTO)?|REPLACE(?:\s+INTO)?)"
    rf"\s+(?:IF\s+(?:NOT\s+)?EXISTS\s+)?{_NAME}",
    re.IGNORECASE,
)
_PARTS = re.compile(_IDENTIFIER)
_CLAUSE = re.compile(
    r"\b(?:ALGORITHM|LOCK)\s*=?\s*(?:DEFAULT|INSTANT|NOCOPY|INPLACE|COPY|NONE|SHARED|EXCLUSIVE)\b", re.IGNORECASE
)
_LITERAL = re.compile(r"'(?:[^'\\]|\\.|'')*'|\"(?:[^\"\\]|\\.|\"\")*\"", re.DOTALL)
_RENAMES = re.compile(r"\b(?:RENAME\s+COLUMN|CHANGE)\b", re.IGNORECASE)
_FROM = re.compile(rf"\bFROM\s+{_NAME}", re.IGNORECASE)
_WHERE = re.compile(r"\b(?:WHERE|LIMIT)\b", re.IGNORECASE)
_COVERED = re.compile(r"SET\s+STATEMENT\b|BEGIN\s+NOT\b|DO\b(?!\s+(?:SLEEP|RELEASE_LOCK|GET_LOCK)\b)", re.IGNORECASE)
"""What begins as a setting does, and is a statement of MariaDB's around others, or calls what may change something."""
_PARTITION = re.compile(
    r"(?:ADD|DROP|TRUNCATE|COALESCE|REORGANIZE|EXCHANGE|REBUILD|OPTIMIZE|ANALYZE|CHECK|REPAIR|DISCARD|IMPORT|CONVERT)"
    r"\s+PARTITION\b",
    re.IGNORECASE,
)
_SECRET = re.compile(
    r"\b((?:IDENTIFIED\s+(?:(?:WITH|VIA)\s+\S+\s+)?(?:BY|AS|USING)|PASSWORD\s*[=(])\s*(?:PASSWORD\s*\(\s*)?)"
    r"'(?:[^'\\]|\\.|'')*'",
    re.IGNORECASE,
)
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

    @property
    def bare(self) -> str:
        """Without the comments and blanks that it begins with."""
        at = 0
        while found := _COMMENT.match(self.text, at):
            at = found.end()
        return self.text[at:].rstrip().rstrip(";")

    @property
    def verb(self) -> str:
        """Its first word, in capitals."""
        found = _WORD.match(self.bare)
        return found.group().upper() if found else ""

    @property
    def kind(self) -> Kind:
        """What it does."""
        bare = self.bare
        if _INDEX.match(bare):
            return Kind.INDEX
        kind = _KINDS.get(self.verb, Kind.OTHER) if bare else Kind.READ  # a client may send a comment alone
        if kind is Kind.SET and _COVERED.match(bare):
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
        parts = [_unquoted(each) for each in _PARTS.findall(found["name"])]
        return (parts[0], parts[1]) if len(parts) > 1 else (self.database, parts[0])

    @property
    def names_algorithm(self) -> bool:
        """Whether it says itself how it is to be done: ALGORITHM or LOCK."""
        return bool(_CLAUSE.search(_LITERAL.sub("''", self.bare)))

    @property
    def renames(self) -> bool:
        """Whether it gives a column another name."""
        return bool(_RENAMES.search(_LITERAL.sub("''", self.bare)))

    @property
    def reads(self) -> tuple[str, str] | None:
        """The (database, table) whose rows it reads first; None where it reads none."""
        found = _FROM.search(_LITERAL.sub("''", self.bare)) if self.verb == "SELECT" else None
        if not found:
            return None
        parts = [_unquoted(each) for each in _PARTS.findall(found["name"])]
        return (parts[0], parts[1]) if len(parts) > 1 else (self.database, parts[0])

    def after_table(self) -> str:
        """What stands behind the name of its table."""
        found = self._named()
        return self.bare[found.end() :].strip() if found else ""

    @property
    def is_for_every_row(self) -> bool:
        """An UPDATE or DELETE without WHERE or LIMIT."""
        return self.verb in {"UPDATE", "DELETE"} and not _WHERE.search(_LITERAL.sub("''", self.bare))

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
        bare = self.bare
        return _ALTER.match(bare) or _INDEX.match(bare) or _TABLE.match(bare)

    @property
    def shown(self) -> str:
        """For people, without the password that an account is given."""
        return without_passwords(self.bare)

    @property
    def is_of_partitions(self) -> bool:
        """An ALTER TABLE of single partitions, which takes no algorithm in the usual place."""
        return self.kind is Kind.ALTER and bool(_PARTITION.match(self.after_table()))

    @property
    def loses_partitions(self) -> bool:
        """Whether rows go with a partition, or into another table."""
        after = self.after_table().upper()
        return self.is_of_partitions and after.startswith(("DROP", "TRUNCATE", "EXCHANGE", "DISCARD"))

    def short(self, length: int = 120) -> str:
        """For people: on one line, and cut."""
        line = " ".join(self.shown.split())
        return line if len(line) <= length else line[: length - 1] + "…"


def without_passwords(text: str) -> str:
    """SQL, or a message that quotes some, without the passwords that accounts are given."""
    return _SECRET.sub(r"\1'***'", text)


def _unquoted(identifier: str) -> str:
    return identifier[1:-1].replace("``", "`") if identifier.startswith("`") else identifier
