"""What the clauses of an ALTER TABLE say of columns, partitions and the table's name. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from chom_pipelines.migrations.sql_text import IDENTIFIER, unquoted

_OF_PARTITIONS = re.compile(
    r"(?:ADD|DROP|TRUNCATE|COALESCE|REORGANIZE|EXCHANGE|REBUILD|OPTIMIZE|ANALYZE|CHECK|REPAIR|DISCARD|IMPORT|CONVERT)"
    r"\s+PARTITION\b|CONVERT\s+TABLE\b",
    re.IGNORECASE,
)
_LOSES = re.compile(
    r"(?:DROP|TRUNCATE|EXCHANGE|DISCARD|CONVERT)\s+PARTITION\b|DROP\s+SYSTEM\s+VERSIONING\b", re.IGNORECASE
)
_DIVIDES = re.compile(
    r"REORGANIZE\s+PARTITION\b|CONVERT\s+TABLE\b|.*\bPARTITION\s+BY\s+(?!(?:LINEAR\s+)?(?:HASH|KEY)\b)",
    re.IGNORECASE | re.DOTALL,
)
_DROPS_COLUMN = re.compile(
    rf"DROP\s+(?:COLUMN\s+)?(?:IF\s+EXISTS\s+)?({IDENTIFIER})(?:\s+(?:RESTRICT|CASCADE))?", re.IGNORECASE
)
_RENAMES_COLUMN = re.compile(
    rf"(?:CHANGE\s+(?:COLUMN\s+)?(?:IF\s+EXISTS\s+)?({IDENTIFIER})\s+({IDENTIFIER})\s"
    rf"|RENAME\s+COLUMN\s+(?:IF\s+EXISTS\s+)?({IDENTIFIER})\s+TO\s+({IDENTIFIER}))",
    re.IGNORECASE,
)
_RENAMES_TABLE = re.compile(r"RENAME\s+(?!(?:COLUMN|INDEX|KEY)\b)", re.IGNORECASE)


@dataclass(frozen=True)
class AlterClauses:
    """The clauses, without comments and literals; none where a statement is no ALTER TABLE."""

    parts: Sequence[str]

    @property
    def renamed_columns(self) -> dict[str, str]:
        """Columns that get another name: the new one, and the old one, as they are written."""
        found = (_RENAMES_COLUMN.match(each) for each in self.parts)
        pairs = ([unquoted(name) for name in each.groups() if name] for each in found if each)
        return {new: old for old, new in pairs if new.lower() != old.lower()}

    @property
    def dropped_columns(self) -> frozenset[str]:
        """In small letters; one may be added again by the same statement, without its values."""
        found = (_DROPS_COLUMN.fullmatch(each) for each in self.parts)
        return frozenset(unquoted(each[1]).lower() for each in found if each)

    @property
    def renames_table(self) -> bool:
        """It gives the table another name."""
        return any(_RENAMES_TABLE.match(each) for each in self.parts)

    @property
    def is_of_partitions(self) -> bool:
        """It is of single partitions, which takes no algorithm in the usual place."""
        return any(_OF_PARTITIONS.match(each) for each in self.parts)

    @property
    def loses_partitions(self) -> bool:
        """Whether rows go with a partition or the history, or into another table."""
        return any(_LOSES.match(each) for each in self.parts)

    @property
    def divides_anew(self) -> bool:
        """Whether rows may be outside of the partitions that there are then."""
        return any(_DIVIDES.match(each) for each in self.parts)
