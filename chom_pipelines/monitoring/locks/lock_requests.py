"""Who waits for whom, by the metadata locks that sessions hold and ask for; pure.

A server grants a lock where nobody holds one that excludes it, and nobody waits for one that goes before it: that is
how one ALTER that waits for a forgotten transaction holds up every SELECT. The two tables are those of the servers'
sources (sql/mdl.cc of both); scoped locks, as of the whole server, know three kinds only.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from chom_pipelines.monitoring.readers.waits import LockKind, Wait

READ, WRITE, READ_ONLY, NO_READ_WRITE, EXCLUSIVE = (
    "SHARED_READ",
    "SHARED_WRITE",
    "SHARED_READ_ONLY",
    "SHARED_NO_READ_WRITE",
    "EXCLUSIVE",
)
_ALL = frozenset(
    {
        *("SHARED", "SHARED_HIGH_PRIO", READ, WRITE, "SHARED_WRITE_LOW_PRIO", "SHARED_UPGRADABLE", READ_ONLY),
        *("SHARED_NO_WRITE", NO_READ_WRITE, EXCLUSIVE),
    }
)
_WRITES = frozenset({WRITE, "SHARED_WRITE_LOW_PRIO"})
_NO_WRITES = frozenset({"SHARED_NO_WRITE", NO_READ_WRITE, EXCLUSIVE})

_EXCLUDED_BY: dict[str, frozenset[str]] = {
    "SHARED": frozenset({EXCLUSIVE}),
    "SHARED_HIGH_PRIO": frozenset({EXCLUSIVE}),
    READ: frozenset({NO_READ_WRITE, EXCLUSIVE}),
    WRITE: _NO_WRITES | {READ_ONLY},
    "SHARED_WRITE_LOW_PRIO": _NO_WRITES | {READ_ONLY},
    "SHARED_UPGRADABLE": _NO_WRITES | {"SHARED_UPGRADABLE"},
    READ_ONLY: _WRITES | {NO_READ_WRITE, EXCLUSIVE},
    "SHARED_NO_WRITE": _WRITES | _NO_WRITES | {"SHARED_UPGRADABLE"},
    NO_READ_WRITE: _ALL - {"SHARED", "SHARED_HIGH_PRIO"},
    EXCLUSIVE: _ALL,
}
"""By what is asked for: locks of others on the same object with which it is not granted."""

_BEHIND: dict[str, frozenset[str]] = {
    "SHARED": frozenset({EXCLUSIVE}),
    READ: frozenset({NO_READ_WRITE, EXCLUSIVE}),
    WRITE: _NO_WRITES,
    "SHARED_WRITE_LOW_PRIO": _NO_WRITES | {READ_ONLY},
    "SHARED_UPGRADABLE": frozenset({EXCLUSIVE}),
    READ_ONLY: frozenset({WRITE, NO_READ_WRITE, EXCLUSIVE}),
    "SHARED_NO_WRITE": frozenset({EXCLUSIVE}),
    NO_READ_WRITE: frozenset({EXCLUSIVE}),
}
"""By what is asked for: what others wait for, and are served first."""

_SCOPED_EXCLUDED_BY = {
    "INTENTION_EXCLUSIVE": frozenset({"SHARED", EXCLUSIVE}),
    "SHARED": frozenset({"INTENTION_EXCLUSIVE", EXCLUSIVE}),
    EXCLUSIVE: frozenset({"INTENTION_EXCLUSIVE", "SHARED", EXCLUSIVE}),
}
_SCOPED_BEHIND = {
    "INTENTION_EXCLUSIVE": frozenset({"SHARED", EXCLUSIVE}),
    "SHARED": frozenset({EXCLUSIVE}),
}
_SCOPES = frozenset({"GLOBAL", "COMMIT", "SCHEMA", "TABLESPACE", "BACKUP LOCK", "RESOURCE_GROUPS"})
_GLOBAL = frozenset({"GLOBAL", "COMMIT", "BACKUP LOCK"})


@dataclass(frozen=True)
class Request:
    """A lock that a session holds, or waits for.

    `scope` is the kind of object, as performance_schema.metadata_locks has it (TABLE, GLOBAL, BACKUP LOCK, …), `name`
    the object's, and `mode` what is asked for, without MariaDB's MDL_. `is_certain`: the server told it.
    """

    session: int
    scope: str
    name: str
    mode: str
    is_granted: bool
    is_certain: bool = True


def metadata_waits(requests: Iterable[Request]) -> Iterator[Wait]:
    """Each wait once. A request that nobody's lock explains gives none: say of its session that it waits, all the same.

    Sessions whose requests are alike wait for the same ones, and not for one another.
    """
    by_object: dict[tuple[str, str], list[Request]] = defaultdict(list)
    for request in requests:
        by_object[request.scope, request.name].append(request)
    seen = set()
    for (scope, name), several in by_object.items():
        for waiting in several:
            if waiting.is_granted:
                continue
            for other in several:
                pair = waiting.session, other.session, scope, name
                if other.session != waiting.session and pair not in seen and _keeps(other, waiting):
                    seen.add(pair)
                    certain = waiting.is_certain and other.is_certain
                    yield Wait(
                        waiting.session, other.session, kind_of(scope), object_of(scope, name), waiting.mode, certain
                    )


def kind_of(scope: str) -> LockKind:
    """Of a lock on that kind of object."""
    if scope in _GLOBAL:
        return LockKind.GLOBAL
    return LockKind.USER if scope == "USER LEVEL LOCK" else LockKind.METADATA


def object_of(scope: str, name: str) -> str:
    """For people."""
    if scope == "TABLE":
        return name
    words = {"GLOBAL": "the lock of the whole server", "COMMIT": "every commit", "BACKUP LOCK": "the backup lock"}
    return words.get(scope) or f"{scope.lower().replace('_', ' ')} {name}".strip()


_BY_FIRST_WORD = {
    **dict.fromkeys(("SELECT", "WITH", "TABLE", "VALUES", "DO", "SHOW", "DESCRIBE", "CHECKSUM", "EXPLAIN"), READ),
    **dict.fromkeys(("INSERT", "UPDATE", "DELETE", "REPLACE", "LOAD", "CALL"), WRITE),
    **dict.fromkeys(("ALTER", "CREATE", "DROP", "RENAME", "TRUNCATE", "OPTIMIZE", "REPAIR"), EXCLUSIVE),
    "ANALYZE": READ,
}


def wanted_by(statement: str) -> str:
    """Which lock of a table a statement takes at most; MariaDB tells of those that it has granted only."""
    words = re.findall(r"[A-Za-z]+", statement[:200]) or [""]
    first = words[0].upper()
    if first == "LOCK":
        return NO_READ_WRITE if re.search(r"\bWRITE\b", statement, re.IGNORECASE) else READ_ONLY
    if first in {"SELECT", "WITH"} and re.search(r"\bFOR\s+UPDATE\b", statement, re.IGNORECASE):
        return WRITE
    return _BY_FIRST_WORD.get(first, READ)


def _keeps(other: Request, waiting: Request) -> bool:
    if waiting.scope in _SCOPES:
        held, asked = _SCOPED_EXCLUDED_BY, _SCOPED_BEHIND
    else:
        held, asked = _EXCLUDED_BY, _BEHIND
    table = held if other.is_granted else asked
    return other.mode in table.get(waiting.mode, frozenset())
