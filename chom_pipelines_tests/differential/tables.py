"""Random tables: columns, keys, partitions, generated columns, checks, engines, and the rows in them. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from chom_pipelines.server.identifiers import quote
from chom_pipelines_tests.differential.keys import keys, partitions
from chom_pipelines_tests.differential.kinds import Kind, integer_kind, some_kind

MODES = (
    "ALLOW_INVALID_DATES", "ALLOW_INVALID_DATES", "NO_AUTO_VALUE_ON_ZERO", "NO_AUTO_VALUE_ON_ZERO", "STRICT_ALL_TABLES",
    "ANSI_QUOTES", "PIPES_AS_CONCAT", "NO_BACKSLASH_ESCAPES", "PAD_CHAR_TO_FULL_LENGTH", "NO_ZERO_IN_DATE,NO_ZERO_DATE",
    "ERROR_FOR_DIVISION_BY_ZERO", "NO_UNSIGNED_SUBTRACTION", "REAL_AS_FLOAT", "IGNORE_SPACE", "HIGH_NOT_PRECEDENCE",
)  # fmt: skip
_NAMES = ("a", "B", "odd `name`", "x.y", "größe", "select", "per%cent", "tab\there", " lead", "it's", '"')


_EXPRESSIONS = {
    "number": [
        ("DOUBLE", "{} / 3"), ("BIGINT", "{} + 1"), ("TINYINT", "{}"), ("VARCHAR(40)", "CONCAT({}, 'x')"),
        ("INT UNSIGNED", "10 DIV {}"), ("DECIMAL(9,2)", "{} * 1.5"), ("FLOAT", "{} * 1e0"),
    ],
    "text": [
        ("INT", "CAST({} AS SIGNED)"), ("INT", "LENGTH({})"), ("VARCHAR(2)", "UPPER({})"), ("DOUBLE", "{} + 0e0"),
        ("VARCHAR(300)", "CONCAT({}, '\t')"), ("DATE", "CAST({} AS DATE)"),
    ],
    "moment": [
        ("INT", "YEAR({})"), ("DATE", "{}"), ("VARCHAR(40)", "DATE_FORMAT({}, '%Y-%m')"), ("INT", "{} + 0"),
    ],
    "json": [
        ("VARCHAR(20)", "JSON_EXTRACT({}, '$.a')"), ("INT", "JSON_UNQUOTE(JSON_EXTRACT({}, '$.a.a'))"),
    ],
}  # fmt: skip
"""By family of the column that they are of: the type and the expression of a generated one, which may warn."""
_OTHERWISE = [("CHAR(32)", "MD5({})"), ("INT", "LENGTH({})")]


@dataclass(frozen=True)
class Column:
    """A column: its name, its type, whether it may be NULL, and for a generated one its expression."""

    name: str
    kind: Kind
    nullable: bool
    options: str = ""
    expression: str = ""
    counts: bool = False

    @property
    def declared(self) -> str:
        """Its line in CREATE TABLE."""
        null = "" if self.expression else (" NULL" if self.nullable else " NOT NULL")
        return f"{quote(self.name)} {self.kind.declared}{self.expression}{null}{self.options}"

    def value(self, random: Random) -> str:
        """SQL of a value."""
        if self.nullable and random.random() < 0.2:
            return "NULL"
        return "0" if self.counts and random.random() < 0.1 else self.kind.value(random)


@dataclass(frozen=True)
class RandomTable:
    """What makes a table and its rows; each statement of `rows` may fail, as the server likes."""

    name: str
    mode: str
    create: str
    rows: tuple[str, ...]


def random_table(random: Random, number: int, *, mariadb: bool) -> RandomTable:
    """A table that the server may still refuse to make: then another is drawn."""
    engine = random.choice(["InnoDB"] * 6 + ["MyISAM", "MEMORY"] + (["Aria"] if mariadb else []))
    columns = [_column(random, at, mariadb=mariadb) for at in range(random.randint(1, 7))]
    if random.random() < 0.4:
        columns[0] = Column("id", integer_kind(random), nullable=False, options=" AUTO_INCREMENT", counts=True)
    elif random.random() < 0.4:
        columns[0] = Column("id", integer_kind(random), nullable=False)
    stored = tuple(columns)
    columns += [_generated(random, at, stored) for at in range(random.choice([0, 0, 1, 1, 2]))]
    random.shuffle(columns)
    name = f"t{number:05d}" + (f" {random.choice(_NAMES)}x" if random.random() < 0.2 else "")
    lines = [column.declared for column in columns]
    lines += keys(
        random,
        [(column.name, column.kind) for column in columns],
        counter=next((c.name for c in columns if c.counts), None),
    )
    if not mariadb and random.random() < 0.1:  # which makes a column that only the index knows
        lines.append(f"KEY f ((CAST({quote(random.choice(stored).name)} AS CHAR(20) CHARACTER SET latin1)))")
    lines += _checks(random, stored, mariadb=mariadb)
    options = [
        f"ENGINE={engine}",
        random.choice(["", "", "COMMENT='it''s \\\\ a `comment`'", "COLLATE=latin1_german1_ci"]),
    ]
    if engine == "InnoDB":
        options.append(random.choice(["", "", "ROW_FORMAT=DYNAMIC", "ROW_FORMAT=COMPACT", "AUTO_INCREMENT=77"]))
    if engine != "MEMORY" and random.random() < 0.2:
        partitioned = partitions(random, [(column.name, column.kind) for column in stored])
        options.append("" if mariadb and _crashes_mariadb(partitioned, stored, lines) else partitioned)
    elif mariadb and random.random() < 0.05:
        options.append("WITH SYSTEM VERSIONING")
    mode = ",".join(dict.fromkeys(random.sample(MODES, random.randint(0, 3))))
    create = f"CREATE TABLE {quote(name)} (\n" + ",\n".join(lines) + f"\n) {' '.join(filter(None, options))}"
    return RandomTable(name, mode, create, tuple(_rows(random, name, stored)))


def _crashes_mariadb(partitioned: str, columns: Sequence[Column], lines: Sequence[str]) -> bool:
    """True where purging a deleted row may end the server, as MariaDB 10.11.18 does with signal 11.

    Its purge opens a table for its virtual columns, hidden ones too, and then has no session to convert the bounds of
    COLUMNS partitions in. It was seen with three collations that are not their character set's default, by RANGE and by
    LIST, with an index on a virtual column or a long unique key; and with none of the twelve character sets' defaults.
    """
    collated = any(f" COLUMNS ({quote(c.name)})" in partitioned and " COLLATE " in c.kind.declared for c in columns)
    return collated and any(computed in line for computed in (" VIRTUAL", "UNIQUE KEY") for line in lines)


def _column(random: Random, at: int, *, mariadb: bool) -> Column:
    kind, nullable = some_kind(random, mariadb=mariadb), random.random() < 0.5
    name = f"c{at}" if random.random() < 0.8 else f"c{at} {random.choice(_NAMES)}x"
    options = ""
    if kind.family == "moment" and kind.declared in {"DATETIME", "TIMESTAMP"} and random.random() < 0.5:
        options = " DEFAULT CURRENT_TIMESTAMP" + random.choice(["", " ON UPDATE CURRENT_TIMESTAMP"])
    elif kind.family in {"number", "text"} and not kind.long and random.random() < 0.3:
        options = random.choice([" DEFAULT 1", " DEFAULT '7'", " DEFAULT (1 + 1)"])
    if (nullable or options) and random.random() < 0.1:
        options += " INVISIBLE"
    return Column(name, kind, nullable, options)


def _generated(random: Random, at: int, columns: Sequence[Column]) -> Column:
    base = random.choice(columns)
    name = quote(base.name)
    declared, expression = random.choice(_EXPRESSIONS.get(base.kind.family, _OTHERWISE))
    expression = expression.format(name)
    family = "text" if "CHAR" in declared else "number"
    kept = random.choice(["VIRTUAL", "STORED"])
    return Column(f"g{at}", Kind(declared, str, family), nullable=True, expression=f" AS ({expression}) {kept}")


def _checks(random: Random, columns: Sequence[Column], *, mariadb: bool) -> list[str]:
    if random.random() < 0.8:
        return []
    column = random.choice(columns)
    name = quote(column.name)
    ways = {"number": f"{name} < 100 OR {name} > 0", "text": f"CAST({name} AS SIGNED) < 1000"}
    check = f"CHECK ({ways.get(column.kind.family, f'{name} IS NOT NULL OR 1')})"
    return [check if mariadb or random.random() < 0.5 else f"{check} NOT ENFORCED"]


def _rows(random: Random, table: str, columns: Sequence[Column]) -> list[str]:
    names = ", ".join(quote(column.name) for column in columns)
    count = random.choice([0, 1, 5, 20, 20, 40, 40, 120])
    made = []
    for _ in range(count):
        values = ", ".join(column.value(random) for column in columns)
        ignore = random.choice(["", " IGNORE"])
        made.append(f"INSERT{ignore} INTO {quote(table)} ({names}) VALUES ({values})")
    if random.random() < 0.3:
        made.insert(len(made) // 2, f"DELETE FROM {quote(table)} LIMIT {random.randint(1, 5)}")
    return made
