"""The tasks of a dump: which ranges of which tables a worker reads at a time, and what came of them. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from chom_pipelines.logical.losses import summed
from chom_pipelines.logical.pool import Message
from chom_pipelines.logical.queries import loss_reading, reading
from chom_pipelines.logical.ranges import Range, range_key
from chom_pipelines.logical.rendering import load_clause
from chom_pipelines.logical.tables import TableInfo
from chom_pipelines.repository.dump_records import Loss, Lost
from chom_pipelines.repository.objects import StoredObject
from chom_pipelines.repository.payloads import Part, Table

_SMALL_TABLE = 1 << 20
_BUNDLE_BYTES = 32 << 20
_BUNDLE_TABLES = 500
_SLUG = 40


@dataclass
class Work:
    """The tasks of a dump, and what came of them: parts by table and range, and stored objects."""

    tables: list[TableInfo]
    ranges: list[list[Range]]
    packet: int
    finds_losses: bool = False
    """Whether what text cannot carry is looked for; of a restored copy it is gone."""
    parts: dict[tuple[int, int], Part] = field(default_factory=dict)
    losses: dict[tuple[int, int], tuple[Loss, ...]] = field(default_factory=dict)
    objects: list[StoredObject] = field(default_factory=list)

    def tasks(self) -> list[Message]:
        """The largest tables first, their ranges one after the other; small tables bundled, last."""
        large: list[int] = []
        small: list[int] = []
        for number in sorted(range(len(self.tables)), key=lambda number: -self.tables[number].bytes):
            one = len(self.ranges[number]) == 1 and self.tables[number].bytes < _SMALL_TABLE
            (small if one else large).append(number)
        tasks = [self._task(number, cut) for number in large for cut in range(len(self.ranges[number]))]
        for bundle, members in enumerate(_bundles(small, self.tables)):
            tasks.append(
                {"name": f"data/bundle-{bundle:05d}", "members": [self._task(number, 0) for number in members]},
            )
        return tasks

    def _task(self, number: int, cut: int) -> Message:
        table = self.tables[number]
        losses = loss_reading(table, self.ranges[number][cut], self.packet) if self.finds_losses else None
        return {
            "key": [number, cut],
            "name": f"data/{number:05d}-{slug(table.label)}.{cut:04d}",
            "table": table.label,
            "reading": reading(table, self.ranges[number][cut], self.packet).to_json(),
            "losses": losses.to_json() if losses else None,
        }

    def add(self, task: Message, result: Message) -> None:
        """Take in a result."""
        tasks = task.get("members", [task])
        for member, part in zip(tasks, result["parts"], strict=True):
            number, cut = member["key"]
            bounds = self.ranges[number][cut]
            self.losses[number, cut] = tuple(
                Loss(loss["column"], Lost(loss["lost"]), loss["rows"]) for loss in part.pop("losses")
            )
            self.parts[number, cut] = Part(lower=bounds.lower, upper=bounds.upper, **part)
        self.objects += [StoredObject.from_json(stored) for stored in result["objects"]]

    def result(self) -> tuple[Table, ...]:
        """The tables with all their parts; KeyError if one was not done."""
        return tuple(
            Table(
                database=table.database,
                name=table.name,
                engine=table.engine,
                transactional=table.transactional,
                columns=tuple(column.name for column in table.columns),
                load=load_clause(table.columns),
                key_column=range_key(table),
                parts=tuple(self.parts[number, cut] for cut in range(len(self.ranges[number]))),
                losses=summed(self.losses[number, cut] for cut in range(len(self.ranges[number]))),
            )
            for number, table in enumerate(self.tables)
        )


def _bundles(numbers: Iterable[int], tables: list[TableInfo]) -> Iterator[list[int]]:
    bundle: list[int] = []
    size = 0
    for number in numbers:
        if bundle and (len(bundle) >= _BUNDLE_TABLES or size >= _BUNDLE_BYTES):
            yield bundle
            bundle, size = [], 0
        bundle.append(number)
        size += tables[number].bytes
    if bundle:
        yield bundle


def slug(label: str) -> str:
    """A readable part of a file name; what tells tables apart is their number."""
    return re.sub(r"[^A-Za-z0-9_.]+", "_", label)[:_SLUG].strip("._") or "table"
