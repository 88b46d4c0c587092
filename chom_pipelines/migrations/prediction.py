"""How long a statement would take in production, and how much disk: ranges, from sizes and measured rates. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from chom_pipelines.migrations.production import Production, TableSize
from chom_pipelines.migrations.replay import Step
from chom_pipelines.migrations.shapes import Column, Difference, Table
from chom_pipelines.server.facts import Flavour

_MEGA = 1_000_000


@dataclass(frozen=True)
class Rates:
    """Megabytes of a table, with its indexes where it is copied, that a server gets through in a second."""

    copy: float
    rebuild: float
    index: float


MEASURED = {Flavour.MARIADB: Rates(36, 88, 230), Flavour.MYSQL: Rates(24, 38, 53)}
"""Of one thread on two cores, MariaDB 10.11 and MySQL 9.7, tables of 60 MB; others are within the range below."""
LEAST, MOST = 0.5, 3.0
"""Of what the rates say: an index that does not fit into the sort buffer took three times as long."""
_MOMENT = 0.05
_MINUTES = 120
_INTEGERS = {"tinyint": 1, "smallint": 2, "mediumint": 3, "int": 4, "bigint": 8, "float": 4, "double": 8, "date": 3}
_OTHERS = 8


@dataclass(frozen=True)
class Prediction:
    """Seconds from `least` to `most`, and bytes of disk at the peak beside what the table has now."""

    least: float
    most: float
    disk_bytes: int

    @property
    def words(self) -> str:
        """For people."""
        if self.most < 1:
            return "under 1 s"
        if self.most < _MINUTES:
            return f"{self.least:.0f} to {self.most:.0f} s"
        return f"{self.least / 60:.1f} to {self.most / 60:.1f} min"


def predicted(step: Step, production: Production) -> Prediction:
    """Of one statement, on production's tables as large as they are now."""
    seconds, disk = 0.0, 0
    rates = MEASURED[production.facts.flavour]
    for found in step.differences:
        if found.before is None or found.after is None:
            continue
        size = production.size(found.before.name)
        if step.algorithm.name == "COPY" or (found.copied and step.algorithm.name in {"", "INSTANT"}):
            seconds += size.bytes / _MEGA / rates.copy
            disk += size.bytes
        elif found.copied:
            seconds += size.bytes / _MEGA / rates.rebuild
            disk += size.bytes
        else:
            built = sum(_index_bytes(found.after, columns, size) for columns in _new_indexes(found))
            count = len(list(_new_indexes(found)))
            seconds += count * size.data_bytes / _MEGA / rates.index
            disk += 2 * built  # the sorted runs beside the index
    return Prediction(_MOMENT / 2 + seconds * LEAST, _MOMENT * 2 + seconds * MOST, disk)


def _new_indexes(found: Difference) -> Iterator[Sequence[str]]:
    if found.before is None or found.after is None:
        return
    for name, index in found.after.indexes.items():
        if found.before.indexes.get(name) != index:
            yield index.names


def _index_bytes(table: Table, columns: Sequence[str], size: TableSize) -> int:
    row = sum(_width(table.columns[name]) for name in columns if name in table.columns) + _OTHERS
    return size.rows * row


def _width(column: Column) -> int:
    length = column.length
    return min(length, 191) // 2 if length is not None else _INTEGERS.get(column.base_type, _OTHERS)
