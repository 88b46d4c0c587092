"""How long a statement would take in production, and how much disk: ranges, from sizes and measured rates. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
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


MEASURED = {Flavour.MARIADB: Rates(36, 88, 230), Flavour.MYSQL: Rates(24, 38, 150)}
"""Of one thread on two cores, MariaDB 10.11 and MySQL 9.7, tables of 60 MB; others are within the range below."""
LEAST, MOST = 0.5, 3.0
"""Of what the rates say: an index that does not fit into the sort buffer took three times as long."""
LEAST_OF_INDEX = 0.25
"""Keys that are NULL, or sorted already, are soon done."""
_MOMENT = 0.05
_MINUTES = 120
_INTEGERS = {"tinyint": 1, "smallint": 2, "mediumint": 3, "int": 4, "bigint": 8, "float": 4, "double": 8, "date": 3}
_OTHERS = 8


@dataclass(frozen=True)
class Prediction:
    """Seconds from `least` to `most`; bytes of disk at the peak beside what is there before, and those that stay."""

    least: float
    most: float
    disk_bytes: int
    lasting_bytes: int = 0

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
    least, most, disk, lasting = 0.0, 0.0, 0, 0
    rates = MEASURED[production.facts.flavour]
    for found in step.differences:
        if found.before is None or found.after is None:
            continue
        size = production.size(found.before.name)
        built = sum(_index_bytes(found.after, columns, size) for columns in _new_indexes(found))
        lasting += built
        if step.algorithm.name == "COPY" or (found.copied and step.algorithm.name in {"", "INSTANT"}):
            least += size.bytes / _MEGA / rates.copy * LEAST
            most += size.bytes / _MEGA / rates.copy * MOST
            disk += size.bytes + built
        elif found.copied:
            least += size.bytes / _MEGA / rates.rebuild * LEAST
            most += size.bytes / _MEGA / rates.rebuild * MOST
            disk += size.bytes + built
        elif step.algorithm.name != "INSTANT":
            count = len(list(_new_indexes(found)))
            least += count * size.data_bytes / _MEGA / rates.index * LEAST_OF_INDEX
            most += count * size.data_bytes / _MEGA / rates.index * MOST
            disk += 2 * built  # the sorted runs beside the index
    return Prediction(_MOMENT / 2 + least * production.pace, _MOMENT * 2 + most * production.pace, disk, lasting)


def peak_bytes(predictions: Iterable[Prediction]) -> int:
    """Of disk, when statements run one after the other: each needs its own beside what those before it have left."""
    peak = lasting = 0
    for each in predictions:
        peak = max(peak, lasting + each.disk_bytes)
        lasting += each.lasting_bytes
    return peak


def _new_indexes(found: Difference) -> Iterator[Sequence[str]]:
    if found.before is None or found.after is None:
        return
    there = {(index.columns, index.unique, index.kind) for index in found.before.indexes.values()}
    for index in found.after.indexes.values():
        if (index.columns, index.unique, index.kind) not in there:  # else it was renamed, or hidden
            yield index.names


def _index_bytes(table: Table, columns: Sequence[str], size: TableSize) -> int:
    row = sum(_width(table.columns[name]) for name in columns if name in table.columns) + _OTHERS
    return size.rows * row


def _width(column: Column) -> int:
    length = column.length
    return min(length, 191) // 2 if length is not None else _INTEGERS.get(column.base_type, _OTHERS)
