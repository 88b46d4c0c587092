"""Which copies there are of what a server can be restored from: asked of the second copy, never remembered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from chom_pipelines.binlogs.recovery.recoverable import Recoverable
from chom_pipelines.binlogs.recovery.windows import Interval, following, run_of
from chom_pipelines.errors import ChomError
from chom_pipelines.inventory.models import Inventory, Server
from chom_pipelines.inventory.opening import existing_repository, keyring_of, second_copy_of
from chom_pipelines.offsite.transfer import compare
from chom_pipelines.outcome import Outcome
from chom_pipelines.repository.entry import BackupEntry
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.layout import BACKUPS, Kind, parse_id
from chom_pipelines.repository.listing import opened_all


@dataclass(frozen=True)
class Standing:
    """What the second copy has of a server, by stream; with a `problem` that is not known.

    `only_there` are ids of backups that the repository itself does not list; `damaged` those of which the second copy
    failed its last proof, which it does not have, then.
    """

    where: str
    there: Mapping[str, frozenset[str]] = field(default_factory=dict)
    only_there: tuple[str, ...] = ()
    damaged: frozenset[str] = frozenset()
    problem: ChomError | None = None

    def has(self, stream: str, backup: str) -> bool | None:
        """Whether it has all of that; None: not known."""
        return None if self.problem else backup in self.there.get(stream, ())

    def reach(self, interval: Interval, found: Recoverable) -> datetime | None:
        """Up to when that interval can be restored from the second copy alone; None: nothing of it."""
        latest = None
        for full in interval.fulls:
            if self.has(BACKUPS, full.id):
                reached = full.as_of
                run = run_of(full, found.runs)
                for segment in following(full, run) if run else ():
                    if not self.has(segment.stream, segment.id):
                        break
                    reached = max(reached, segment.until)
                latest = max(latest or reached, reached)
        return latest


def standing_of(inventory: Inventory, server: Server) -> Standing | None:
    """Ask it, without much patience; None where the server has no second copy."""
    if inventory.repository.offsite is None or not server.backup.upload:
        return None
    target = second_copy_of(inventory.repository, hurried=True)
    try:
        source = existing_repository(inventory.repository)
        found = compare(source, target, server.name)
        # without a key of a stream nothing of that is read
        there = {name: frozenset() if each.keys else each.there for name, each in found.streams.items()}
        entries = source.backups(server.name)
        here = {entry.id for entry in entries}
        theirs = target.backups(server.name)
        elsewhere = tuple(entry.id for entry in theirs if entry.id not in here)
        damaged = damaged_backups(theirs, keyring_of(inventory.repository, server.backup))
        there[BACKUPS] = _with_parents(entries, there[BACKUPS] - damaged)
    except ChomError as error:
        return Standing(target.where, problem=error)
    return Standing(target.where, there, elsewhere, damaged)


def damaged_backups(entries: Iterable[BackupEntry], keyring: Keyring | None) -> frozenset[str]:
    """Those of which a proof failed, or whose manifest cannot be believed; raises RepositoryError."""
    return frozenset(one.entry.id for one in opened_all(entries, keyring) if one.outcome is Outcome.FAILED)


def _with_parents(entries: Iterable[BackupEntry], there: frozenset[str]) -> frozenset[str]:
    """Those of the backups that are there with all that they build on; the entries are in their order."""
    found: set[str] = set()
    for entry in entries:
        if entry.id in there and (_is_full(entry) or entry.peek().get("parent") in found):
            found.add(entry.id)
    return frozenset(found)


def _is_full(entry: BackupEntry) -> bool:
    identity = parse_id(entry.id)
    return identity is None or identity.kind is Kind.FULL
