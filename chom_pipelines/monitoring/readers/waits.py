"""Sessions of a server that wait for one another, as its own tables tell it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

NOBODY_KNOWN = 0
"""The blocker's id where a session waits and its server does not tell for whom: no session has that id."""

SESSIONLESS = -1
"""The blocker's id where it is a transaction that no session has: prepared, and its session gone."""

NAMELESS = {
    NOBODY_KNOWN: "not known who",
    SESSIONLESS: "a transaction without a session",
}
"""What stands for those that are no sessions."""


class LockKind(StrEnum):
    """What is locked: rows, a table's definition, the whole server (by a read lock, a backup, FLUSH), or a name."""

    ROW = "row"
    METADATA = "metadata"
    GLOBAL = "global"
    TABLE = "table"
    USER = "user"


@dataclass(frozen=True)
class SessionSeen:
    """One session of a server.

    `host` is without the port. `seconds` is for how long it does what it does now, `transaction_seconds` the age of its
    open transaction, None where it has none or where that is not told. `statement` is what it runs, as it is, and
    `last_statement` what an idle one ran last, where that is told: both may hold users' data, and are shown through
    `literals.without_literals`. `program` is what it says of itself.
    """

    id: int
    user: str
    host: str
    database: str | None
    command: str
    state: str
    seconds: float
    statement: str = ""
    transaction_seconds: float | None = None
    program: str | None = None
    rows_examined: int | None = None
    last_statement: str = ""

    @property
    def is_idle(self) -> bool:
        """It runs no statement."""
        return self.command == "Sleep"


@dataclass(frozen=True)
class Wait:
    """One session waits for another one, or for NOBODY_KNOWN, or SESSIONLESS.

    `on` names what both want, such as `shop.orders, index PRIMARY`, and `mode` how. `is_certain`: the server says so
    itself; else it follows from what the blocker holds and from what the other one is about to do.
    """

    waiter: int
    blocker: int
    kind: LockKind
    on: str
    mode: str = ""
    is_certain: bool = True

    def what(self, *, literals: bool) -> str:
        """`on`, without the names that sessions gave to locks of their own: those are values in statements."""
        return "a lock by name" if self.kind is LockKind.USER and not literals else self.on
