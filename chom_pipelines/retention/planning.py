"""The plan of what is deleted of a server, from what its repository says."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType

from chom_pipelines.binlogs.recovery.recoverable import Recoverable, recoverable
from chom_pipelines.inventory.models import Server
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.layout import BACKUPS, parse_id
from chom_pipelines.repository.listing import OpenedEntry, opened_all
from chom_pipelines.repository.pins import pinned
from chom_pipelines.repository.publishing import lacking
from chom_pipelines.repository.repository import Repository
from chom_pipelines.retention import backups_kept, segments_kept
from chom_pipelines.retention.backups_kept import Held
from chom_pipelines.retention.decisions import Decision, Plan
from chom_pipelines.retention.promised import Promised
from chom_pipelines.retention.reach import Reach

_CLOCKS = timedelta(hours=1)
"""By so much the clocks of the server and of this machine may differ: of days, one of them is wrong."""


@dataclass(frozen=True)
class Planned:
    """The plan, and what it was made from."""

    plan: Plan
    found: Recoverable

    def reach(self, goes: Iterable[Decision]) -> Reach:
        """What it means for restores to a point in time that this goes, or has gone."""
        return Reach.of(self.found.fulls, self.found.histories, goes)


def planned(
    repository: Repository,
    server: Server,
    keyring: Keyring | None,
    now: datetime,
    pins: Mapping[str, str] = MappingProxyType({}),
) -> Planned:
    """What becomes of everything that this server has; nothing is deleted. `now` is aware.

    `pins` are of another copy: what stays there stays here.

    Manifests and proofs are read, and objects are not. Raises RepositoryError where that cannot be done,
    KeyUnavailableError where the key of a segment is not at hand.
    """
    opened = opened_all(repository.backups(server.name), keyring)
    found = recoverable(repository, server.name, keyring)
    held = tuple(_held(opened, pins))
    policy = server.retention
    promised = Promised.of(held, found.fulls, found.runs, policy, now)
    decisions = (
        *backups_kept.decided(held, promised.begins, policy, now),
        *_unknown(opened),
        *segments_kept.decided(found.runs, promised, policy, now),
        *segments_kept.unusable(found.histories),
    )
    oldest = timedelta(hours=server.thresholds.backup_age_hours)
    return Planned(Plan.of(decisions, backups_kept.nothing_because(held, now, oldest)), found)


def _held(opened: Iterable[OpenedEntry], pins: Mapping[str, str]) -> Iterator[Held]:
    for one in opened:
        identity = parse_id(one.entry.id)
        if identity and identity.time:
            yield Held(
                id=one.entry.id,
                kind=identity.kind,
                begun=identity.time,
                outcome=one.outcome,
                as_of=one.manifest.as_of if one.manifest else None,
                parent=one.manifest.parent if one.manifest else None,
                bytes=one.manifest.stored_bytes if one.manifest else None,
                doubt=_doubt(one),
                pinned=pinned(one.entry) or pins.get(one.entry.id),
            )


def _doubt(one: OpenedEntry) -> str:
    """Why it cannot be read or believed: who spoils a proof, or removes an object, must not have anything deleted."""
    problem = one.problem or next((record.problem for record in one.proofs if record.problem), None)
    if problem or one.manifest is None:
        return problem.what if problem else one.reason
    missing = next(lacking(one.entry.folder, one.manifest), None)
    if missing:
        return missing
    taken = one.manifest
    if not taken.started - _CLOCKS <= taken.as_of <= taken.finished + _CLOCKS:
        return (
            f"its server's clock said {taken.as_of:%Y-%m-%d %H:%M}, and this machine's {taken.started:%Y-%m-%d %H:%M}"
        )
    return ""


def _unknown(opened: Iterable[OpenedEntry]) -> Iterator[Decision]:
    """What stands among the backups under a name that is none of theirs."""
    for one in opened:
        identity = parse_id(one.entry.id)
        if identity is None or identity.time is None:
            yield Decision(BACKUPS, one.entry.id, stays=True, why="its name is none of a backup", bytes=None)
