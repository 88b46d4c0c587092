"""The operations of a restore: what each does to what, and whether something is lost by it. Pure.

Their list is what a dry run prints and what the execution carries out: nothing on the target is created, altered or
dropped that is not on it. Rows are loaded only into tables that the same list creates.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from chom_pipelines.restores.selection import SelectedTable


class Action(StrEnum):
    """What is done to the thing that an operation names."""

    CREATE = "create"
    ALTER = "alter"
    ADVANCE = "advance"
    DROP = "drop"


@dataclass(frozen=True)
class Operation:
    """One step: what it does to what, and the statements that do it.

    `needs_replace`: something that is there is lost by it, which takes the request's leave. `endings` follow the
    statements, and are tried where one of those fails. `table` is what is loaded as soon as everything is created.
    """

    action: Action
    kind: str
    database: str
    name: str
    note: str = ""
    needs_replace: bool = False
    statements: tuple[bytes, ...] = field(default=(), repr=False)
    endings: tuple[bytes, ...] = field(default=(), repr=False)
    may_fail: bool = False
    undo: tuple[bytes, ...] = field(default=(), repr=False)
    """Where it fails, this is done, the rest goes on, and the restore fails in the end."""
    table: SelectedTable | None = field(default=None, repr=False)

    @property
    def label(self) -> str:
        """`table chom.orders`, `account app@%`."""
        where = f"{self.database}.{self.name}" if self.database and self.kind != "database" else self.name
        return f"{self.kind} {where}"

    @property
    def line(self) -> str:
        """For people: `create table chom.orders: 12 rows`."""
        return f"{self.action.value} {self.label}" + (f": {self.note}" if self.note else "")


@dataclass(frozen=True)
class Operations:
    """All of a restore into these databases, in order: `before` the rows are loaded, and `after`."""

    databases: tuple[str, ...]
    before: tuple[Operation, ...]
    after: tuple[Operation, ...]
    warnings: tuple[str, ...]

    @property
    def all(self) -> tuple[Operation, ...]:
        """Before and after."""
        return self.before + self.after

    @property
    def destructive(self) -> tuple[Operation, ...]:
        """Those by which something is lost."""
        return tuple(each for each in self.all if each.needs_replace)

    @property
    def tables(self) -> tuple[SelectedTable, ...]:
        """What is loaded between."""
        return tuple(each.table for each in self.before if each.table)
