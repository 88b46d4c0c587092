"""Who waits for whom on a server, of all that it tells: rows, tables' definitions, the whole server, locks by name.

Only tables of the server about itself are read, which open no table of anybody's: nothing here waits behind the locks
that it shows. What a server does not tell is a Lack, and who waits is shown as waiting for somebody who is not known.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from chom_pipelines.errors import ServerError
from chom_pipelines.monitoring.locks.lock_tree import Tree, lock_trees
from chom_pipelines.monitoring.locks.ours import Ours, whose
from chom_pipelines.monitoring.locks.server_locks import mariadb_waits, mysql_waits
from chom_pipelines.monitoring.readers.reading import Lack, Reading
from chom_pipelines.monitoring.readers.sessions import Sessions, read_sessions
from chom_pipelines.monitoring.readers.waits import NOBODY_KNOWN, SESSIONLESS, LockKind, SessionSeen, Wait
from chom_pipelines.server.connection import Session
from chom_pipelines.server.facts import ServerFacts

COLLECTOR = "locks"
LOCKS = "lock_waits"

_LONG_SECONDS = 10
_STATES = (
    (
        re.compile(r"waiting for (backup lock|global read lock|commit lock|read lock|table flush)", re.IGNORECASE),
        LockKind.GLOBAL,
    ),
    (re.compile(r"waiting for table level lock", re.IGNORECASE), LockKind.TABLE),
    (re.compile(r"waiting for .*\block\b", re.IGNORECASE), LockKind.METADATA),
    (re.compile(r"user lock", re.IGNORECASE), LockKind.USER),
)


@dataclass(frozen=True)
class LockPicture:
    """What is locked now: `waits`, with the sessions by id.

    `ours` are sessions of this project, by id, with what they are.
    """

    sessions: dict[int, SessionSeen]
    waits: tuple[Wait, ...]
    ours: dict[int, Ours]

    @property
    def trees(self) -> tuple[Tree, ...]:
        """Root blockers first."""
        return lock_trees(self.waits)

    @property
    def is_whole(self) -> bool:
        """It is known for whom each of them waits."""
        return all(wait.blocker != NOBODY_KNOWN for wait in self.waits)

    @property
    def waiting(self) -> frozenset[int]:
        """Ids of all who wait."""
        return frozenset(wait.waiter for wait in self.waits)

    @property
    def idle_in_transaction(self) -> tuple[SessionSeen, ...]:
        """Who has a transaction open, does nothing, and may hold locks that are not told."""
        idle = (each for each in self.sessions.values() if each.is_idle and each.transaction_seconds is not None)
        return tuple(sorted(idle, key=lambda each: -(each.transaction_seconds or 0)))

    def is_long(self, session: SessionSeen) -> bool:
        """Its transaction is open for so long that somebody should know."""
        return (session.transaction_seconds or 0) >= _LONG_SECONDS


def read_locks(session: Session, facts: ServerFacts, account: str) -> Reading[LockPicture]:
    """Who waits for whom; `account` is the user that chom.yaml names, whose sessions are this project's.

    Raises nothing that a server answers: that is the reading's `failure`.
    """
    began = time.monotonic()
    try:
        sessions, lacks = read_sessions(session, facts)
        if sessions is None:
            return Reading(COLLECTOR, None, time.monotonic() - began, lacks=tuple(lacks))
        asked = mariadb_waits if facts.is_mariadb else mysql_waits
        waits, more = asked(session, facts, sessions)
    except ServerError as error:
        return Reading(COLLECTOR, None, time.monotonic() - began, failure=error.what)
    told = tuple(_with_the_unexplained(waits, sessions))
    holders = {wait.blocker for wait in told if wait.kind is LockKind.GLOBAL}
    marks = ((each.id, whose(each, account, holds_the_server=each.id in holders)) for each in sessions.by_id.values())
    ours = {identity: mark for identity, mark in marks if mark}
    lacks = _distinct([*lacks, *more])
    capabilities = () if lacks else (LOCKS,)
    picture = LockPicture(dict(sessions.by_id), told, ours)
    return Reading(COLLECTOR, picture, time.monotonic() - began, capabilities, tuple(lacks))


def _with_the_unexplained(waits: Iterable[Wait], sessions: Sessions) -> Iterator[Wait]:
    """The waits of sessions that are there; who waits by its state, and for nobody by these, waits all the same."""
    explained = set()
    for wait in waits:
        if wait.waiter not in sessions.by_id:
            continue
        known = wait.blocker in sessions.by_id or wait.blocker == SESSIONLESS
        explained.add(wait.waiter)
        yield wait if known else replace(wait, blocker=NOBODY_KNOWN, is_certain=True)
    for seen in sessions.by_id.values():
        kind = LockKind.ROW if seen.id in sessions.waiting_for_rows else kind_of_state(seen.state)
        if kind and seen.id not in explained:
            on = "a row" if kind is LockKind.ROW else seen.state.lower()
            yield Wait(seen.id, NOBODY_KNOWN, kind, on)


def kind_of_state(state: str) -> LockKind | None:
    """For what a session waits, by its state in a list of sessions; None: for no lock."""
    return next((kind for pattern, kind in _STATES if pattern.search(state)), None)


def _distinct(lacks: Iterable[Lack]) -> list[Lack]:
    return list({lack.capability: lack for lack in lacks}.values())
