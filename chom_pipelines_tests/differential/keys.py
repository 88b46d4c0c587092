"""Random keys and partitions of a table. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from chom_pipelines.server.identifiers import quote
from chom_pipelines_tests.differential.kinds import Kind

_NO_WORDS = {"ucs2", "utf16", "utf32"}
"""Character sets that full-text keys do not take."""

Keyed = Sequence[tuple[str, Kind]]
"""Columns: name and type."""


def keys(random: Random, columns: Keyed, *, counter: str | None) -> list[str]:
    """The lines of CREATE TABLE for its keys; the one that an AUTO_INCREMENT needs is among them."""
    found = []
    if counter and random.random() < 0.7:
        others = [_part(random, *random.choice(columns))] if random.random() < 0.3 else []
        found.append(f"PRIMARY KEY ({', '.join(dict.fromkeys([quote(counter), *others]))})")
    elif counter:
        found.append(f"{random.choice(['KEY', 'UNIQUE KEY'])} counted ({quote(counter)})")
    elif random.random() < 0.7:
        found.append(f"PRIMARY KEY ({_parts(random, columns)})")
    for number in range(random.choice([0, 0, 1, 1, 2, 3])):
        kind = random.choice(["KEY", "KEY", "UNIQUE KEY", "FULLTEXT KEY", "SPATIAL KEY"])
        suitable = {"FULLTEXT KEY": "text", "SPATIAL KEY": "geometry"}.get(kind)
        if suitable:
            names = [
                name
                for name, type_ in columns
                if type_.family == suitable and type_.charset not in {"ucs2", "utf16", "utf32"}
            ]
            found += [f"{kind} k{number} ({quote(names[0])})"] if names else []
        else:
            using = random.choice(["", "", "", " USING BTREE", " USING HASH"])
            found.append(f"{kind} k{number} ({_parts(random, columns)}){using}")
    return found


def _parts(random: Random, columns: Keyed) -> str:
    chosen = random.sample(list(columns), min(len(columns), random.choice([1, 1, 2, 3])))
    return ", ".join(_part(random, name, kind) for name, kind in chosen)


def _part(random: Random, name: str, kind: Kind) -> str:
    prefix = f"({random.choice([1, 4, 10])})" if kind.long or (kind.family == "text" and random.random() < 0.2) else ""
    return f"{quote(name)}{prefix}{random.choice(['', '', '', ' DESC'])}"


def partitions(random: Random, columns: Keyed) -> str:
    """A clause that the server may refuse, as every unique key has to hold the column."""
    name, kind = random.choice(columns)
    column = quote(name)
    ways = [f"PARTITION BY KEY ({column}) PARTITIONS 3", f"PARTITION BY LINEAR KEY ({column}) PARTITIONS 2"]
    if kind.family == "number":
        ways += [
            f"PARTITION BY HASH ({column}) PARTITIONS 4",
            f"PARTITION BY LIST ({column}) (PARTITION p VALUES IN (0, 1, 255), PARTITION q VALUES IN (NULL, -128))",
        ]
        below = random.choice(["", f" SUBPARTITION BY KEY ({column}) SUBPARTITIONS 2"])
        bounds = "PARTITION p VALUES LESS THAN (0), PARTITION q VALUES LESS THAN MAXVALUE"
        ways.append(f"PARTITION BY RANGE ({column}){below} ({bounds})")
    if kind.family in {"text", "moment", "bytes"} and not kind.long:
        ways.append(
            f"PARTITION BY RANGE COLUMNS ({column}) (PARTITION p0 VALUES LESS THAN ('2020-01-01'), "
            "PARTITION p1 VALUES LESS THAN (MAXVALUE))",
        )
    return random.choice(ways)
