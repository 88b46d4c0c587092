"""How a server does a change of a table: the cheapest algorithm and the least lock that it accepts, found by trying."""

from __future__ import annotations

from dataclasses import dataclass

from chom_pipelines.errors import ServerError
from chom_pipelines.migrations.statements import Kind, Statement
from chom_pipelines.server.connection import Session, error_number
from chom_pipelines.server.facts import ServerFacts

_NOT_SO = {1221, 1845, 1846, 1847}
"""That algorithm, or that lock, is not for this statement: 1846 says why."""
_ONLINE_COPY = (11, 2, 0)
_MYSQL = ("ALGORITHM=INSTANT", *(f"ALGORITHM=INPLACE, LOCK={lock}" for lock in ("NONE", "SHARED", "EXCLUSIVE")))
_MARIADB = (
    "ALGORITHM=INSTANT",
    *(f"ALGORITHM=NOCOPY, LOCK={lock}" for lock in ("NONE", "SHARED")),
    *(f"ALGORITHM=INPLACE, LOCK={lock}" for lock in ("NONE", "SHARED", "EXCLUSIVE")),
)
_COPY = ("ALGORITHM=COPY, LOCK=SHARED", "ALGORITHM=COPY, LOCK=EXCLUSIVE")


@dataclass(frozen=True)
class Algorithm:
    """INSTANT, NOCOPY, INPLACE or COPY, and the lock: NONE, SHARED, EXCLUSIVE; "" where the statement has none.

    `why_not` is the server's own reason why nothing cheaper would do, where it gave one.
    """

    name: str = ""
    lock: str = ""
    why_not: str = ""

    @property
    def words(self) -> str:
        """For people."""
        return ", ".join(filter(None, (self.name, f"lock {self.lock.lower()}" if self.lock else "")))

    @property
    def blocks(self) -> str:
        """Who waits while it runs."""
        if self.name in {"", "INSTANT"} or self.lock == "NONE":
            return "nobody"
        return "writes" if self.lock == "SHARED" else "reads and writes"


def ladder(facts: ServerFacts) -> tuple[str, ...]:
    """The clauses to try, from the cheapest on."""
    online = ("ALGORITHM=COPY, LOCK=NONE",) if facts.is_mariadb and facts.version >= _ONLINE_COPY else ()
    return (*(_MARIADB if facts.is_mariadb else _MYSQL), *online, *_COPY)


def execute(session: Session, facts: ServerFacts, statement: Statement) -> Algorithm:
    """Run a statement by the cheapest algorithm that the server accepts, and say which it was.

    What names an algorithm itself, and what has none, is run as it is. Raises what the Session raises where the
    statement itself is refused, whatever the algorithm.
    """
    if (
        statement.kind not in {Kind.ALTER, Kind.INDEX}
        or statement.names_algorithm
        or statement.clauses.is_of_partitions
    ):
        session.execute(statement.bare)
        return Algorithm()
    why_not = ""
    for clauses in ladder(facts):
        try:
            session.execute(statement.demanding(clauses))
        except ServerError as error:
            number = error_number(error)
            if number not in _NOT_SO:
                raise
            if number != 1221 and "Reason:" in error.what:  # noqa: PLR2004  (of MySQL: INSTANT with a lock)
                why_not = error.what.partition("Reason:")[2].partition(". Try")[0].strip() or why_not
        else:
            name, _, lock = clauses.removeprefix("ALGORITHM=").partition(", LOCK=")
            return Algorithm(name, lock, why_not)
    session.execute(statement.bare)
    return Algorithm("", "", why_not)
