"""What one connection loads at a time: a range of a table, a whole table, or a bundle of small ones. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from chom_pipelines.repository.payloads import Part, Table
from chom_pipelines.restores.table_sql import SplitTable
from chom_pipelines.server.identifiers import qualified


@dataclass(frozen=True)
class Target:
    """A table to fill: its data in the backup, its database on the target, and what is built when it is full."""

    table: Table
    database: str
    split: SplitTable

    @property
    def name(self) -> str:
        """Quoted, with its database."""
        return qualified(self.database, self.table.name)


@dataclass(frozen=True)
class Load:
    """Some of a table's text, for one LOAD DATA: the paths of its objects, or its name in a bundle; and its parts."""

    target: Target
    paths: tuple[str, ...]
    parts: tuple[Part, ...]

    @property
    def rows(self) -> int:
        """Rows in all parts."""
        return sum(part.rows for part in self.parts)


@dataclass(frozen=True)
class Unit:
    """What one connection loads in turn: a range, or all ranges of a table, or members of a bundle; `bytes` of text."""

    loads: tuple[Load, ...]
    bundle: str | None
    bytes: int


def load_units(targets: Sequence[Target], *, counters_are_locked: bool) -> list[Unit]:
    """Cut the work of a restore, the largest first, so that connections end together.

    Several connections fill one table where it was dumped by ranges, unless they would wait for each other: at its
    AUTO_INCREMENT counter (`ServerFacts.locks_counters`), or at locks of the rows themselves.
    """
    units: list[Unit] = []
    bundles: dict[str, list[Load]] = {}
    for target in targets:
        parts = target.table.parts
        member = next((path for part in parts for path in part.objects if "#" in path), None)
        if member:
            bundle, _, name = member.partition("#")
            bundles.setdefault(bundle, []).append(Load(target, (name,), parts))
        elif target.split.ranges_meet or (counters_are_locked and target.split.may_count):
            one_after_the_other = tuple(Load(target, part.objects, (part,)) for part in parts)
            units.append(Unit(one_after_the_other, None, target.table.bytes))
        else:
            units += [Unit((Load(target, part.objects, (part,)),), None, part.bytes) for part in parts]
    for bundle, loads in bundles.items():
        units.append(Unit(tuple(loads), bundle, sum(load.target.table.bytes for load in loads)))
    return sorted(units, key=lambda unit: -unit.bytes)
