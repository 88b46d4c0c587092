"""What a schema consists of, and what became different between two moments. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

TableName = tuple[str, str]


@dataclass(frozen=True)
class Column:
    """As information_schema tells it; `type` is the full one, as `varchar(50)`."""

    name: str
    type: str
    nullable: bool
    default: str | None
    extra: str
    collation: str | None
    position: int

    @property
    def essence(self) -> tuple[str, bool, str | None, str, str | None]:
        """What it is, wherever it stands."""
        return (self.type, self.nullable, self.default, self.extra, self.collation)

    @property
    def base_type(self) -> str:
        """The first word: varchar, enum, decimal."""
        return self.type.partition("(")[0].split()[0].lower()

    @property
    def generated(self) -> bool:
        """Its values are computed."""
        return "GENERATED" in self.extra.upper() and "DEFAULT_GENERATED" not in self.extra.upper()

    @property
    def counts(self) -> bool:
        """AUTO_INCREMENT."""
        return "auto_increment" in self.extra.lower()

    @property
    def length(self) -> int | None:
        """Characters or bytes that a string may have; None of other types."""
        found = re.match(r"(?:var)?(?:char|binary)\((\d+)\)", self.type)
        return int(found[1]) if found else _TEXTS.get(self.base_type)

    @property
    def members(self) -> tuple[str, ...]:
        """Of an ENUM or SET."""
        if self.base_type not in {"enum", "set"}:
            return ()
        return tuple(each.replace("''", "'") for each in re.findall(r"'((?:[^']|'')*)'", self.type))

    @property
    def integers(self) -> tuple[int, int] | None:
        """The least and the greatest that it holds; None where it is no integer."""
        bits = _BITS.get(self.base_type)
        if bits is None:
            return None
        if "unsigned" in self.type:
            return (0, 2**bits - 1)
        return (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


_BITS = {"tinyint": 8, "smallint": 16, "mediumint": 24, "int": 32, "bigint": 64}
_SIZES = {"tiny": 255, "": 65_535, "medium": 16_777_215, "long": 4_294_967_295}
_TEXTS = {f"{size}{kind}": length for size, length in _SIZES.items() for kind in ("text", "blob")}


@dataclass(frozen=True)
class Index:
    """Its columns in order, with the length of a prefix after a colon where there is one; expressions in brackets."""

    name: str
    columns: tuple[str, ...]
    unique: bool
    kind: str
    visible: bool = True

    @property
    def names(self) -> tuple[str, ...]:
        """Of its columns, without prefixes."""
        return tuple(each if each.startswith("(") else each.partition(":")[0] for each in self.columns)


@dataclass(frozen=True)
class ForeignKey:
    """Columns of a table whose values are in the columns of another."""

    name: str
    columns: tuple[str, ...]
    parent: TableName
    parent_columns: tuple[str, ...]
    on_delete: str = ""


@dataclass(frozen=True)
class Table:
    """A base table; `number` changes when its rows are copied into a new one."""

    name: TableName
    engine: str
    collation: str
    number: int | None = None
    columns: Mapping[str, Column] = field(default_factory=dict)
    indexes: Mapping[str, Index] = field(default_factory=dict)
    foreign_keys: Mapping[str, ForeignKey] = field(default_factory=dict)
    checks: Mapping[str, str] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """For people: `chom.orders`."""
        return ".".join(self.name)

    def same_structure(self, other: Table) -> bool:
        """Whether they differ in nothing but the number."""
        mine = (self.engine, self.collation, self.columns, self.indexes, self.foreign_keys, self.checks)
        return mine == (other.engine, other.collation, other.columns, other.indexes, other.foreign_keys, other.checks)


@dataclass(frozen=True)
class Shape:
    """Of some databases: their tables by (database, name)."""

    tables: Mapping[TableName, Table]
    databases: frozenset[str] = frozenset()

    def children_of(self, parent: TableName) -> Iterator[tuple[Table, ForeignKey]]:
        """The foreign keys that lead to a table."""
        for table in self.tables.values():
            for key in table.foreign_keys.values():
                if key.parent == parent:
                    yield table, key


@dataclass(frozen=True)
class Difference:
    """One table before and after a statement; None where it is not there."""

    before: Table | None
    after: Table | None

    @property
    def table(self) -> Table:
        """The later one, or where it is gone the earlier one."""
        found = self.after or self.before
        assert found is not None  # noqa: S101  (one of them is always there)
        return found

    @property
    def copied(self) -> bool:
        """Whether its rows went into a new table."""
        return bool(self.before and self.after and self.before.number != self.after.number)


def differences(before: Shape, after: Shape) -> list[Difference]:
    """The tables that are not what they were, by their names; a renamed one is one difference, found by its number."""
    gone = {table.number: table for name, table in before.tables.items() if name not in after.tables}
    found: list[Difference] = []
    for name, table in after.tables.items():
        earlier = before.tables.get(name)
        if earlier is None and table.number is not None:
            earlier = gone.pop(table.number, None)
        if (
            earlier is None
            or earlier.number != table.number
            or not earlier.same_structure(table)
            or (earlier.name != table.name)
        ):
            found.append(Difference(earlier, table))
    renamed = {each.before.name for each in found if each.before}
    found += [
        Difference(table, None)
        for name, table in before.tables.items()
        if name not in after.tables and name not in renamed
    ]
    return sorted(found, key=lambda each: each.table.name)
