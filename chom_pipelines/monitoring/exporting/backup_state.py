"""What the repository says of a server's backups, for metrics: moments and sizes, and no ages.

Read anew each time, and right with Dagster and the server down.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from chom_pipelines.benchmarks.rates import known_rates
from chom_pipelines.binlogs.recovery.recoverable import Recoverable, recoverable
from chom_pipelines.inventory.models import Inventory, Server
from chom_pipelines.inventory.opening import existing_repository, keyring_of
from chom_pipelines.offsite.standing import Standing
from chom_pipelines.outcome import Outcome
from chom_pipelines.repository.layout import BACKUPS, Kind, parse_id
from chom_pipelines.repository.listing import OpenedEntry, opened_all
from chom_pipelines.repository.manifest import Manifest
from chom_pipelines.repository.proof import Level
from chom_pipelines.repository.timing import amounts_of
from chom_pipelines.restores.predicting import Rate, every_way, predicted
from chom_pipelines.server.machine import cpu_and_cores, machine


@dataclass(frozen=True)
class LastBackup:
    """The newest that can be believed: when it was taken, how long that took, and the bytes that are stored of it."""

    taken: datetime
    seconds: float | None
    bytes: int


@dataclass(frozen=True)
class BackupState:
    """Of one server. What is not there is None, or missing."""

    last: Mapping[Kind, LastBackup] = field(default_factory=dict)
    count: Mapping[Kind, int] = field(default_factory=dict)
    unusable: int = 0
    verified: Mapping[Level, datetime] = field(default_factory=dict)
    """When a backup last passed that level."""
    window: tuple[datetime, datetime] | None = None
    """The latest interval that can be restored to."""
    open_gaps: int = 0
    exposure: timedelta | None = None
    archived: datetime | None = None
    """Up to when the binary log is in the archive."""
    drilled: datetime | None = None
    """When a drill of a moment last passed."""
    predicted: Mapping[str, float] = field(default_factory=dict)
    """By the method of the newest full backup, seconds of its restore on this machine, where that was measured."""


def backup_state(inventory: Inventory, server: Server, now: datetime) -> BackupState:
    """Read it; raises ChomError where the repository cannot be read."""
    repository = existing_repository(inventory.repository)
    keyring = keyring_of(inventory.repository, server.backup)
    entries = opened_all(repository.backups(server.name), keyring)
    state = state_of(entries, recoverable(repository, server.name, keyring), now)
    rates = known_rates(repository, server.name, keyring)
    return replace(state, predicted=dict(_predicted(entries, rates)))


def state_of(entries: Collection[OpenedEntry], found: Recoverable, now: datetime) -> BackupState:
    """What they say. Pure."""
    last: dict[Kind, LastBackup] = {}
    count: dict[Kind, int] = {Kind.FULL: 0, Kind.INCREMENTAL: 0}
    for one in entries:
        identity = parse_id(one.entry.id)
        if identity is None:
            continue
        count[identity.kind] = count.get(identity.kind, 0) + 1
        if one.manifest and not one.problem:
            last[identity.kind] = _last(one.manifest)  # they are in the order in which they were taken
    segments = [segment for run in found.runs for segment in run.segments]
    if segments:
        newest = max(segments, key=lambda each: each.as_of)
        last[Kind.BINLOG] = LastBackup(newest.as_of, None, newest.stored_bytes)
        count[Kind.BINLOG] = len(segments)
    intervals = found.windows.intervals
    drills = [each.drill for each in intervals if each.drill and each.drill.outcome is Outcome.PASSED]
    return BackupState(
        last=last,
        count=count,
        unusable=len(found.unusable_backups) + len(found.unusable_segments),
        verified=dict(_verified(entries)),
        window=intervals[-1].bounds if intervals else None,
        open_gaps=len(found.open_gaps),
        exposure=found.windows.exposure(now),
        archived=max((segment.until for segment in segments), default=None),
        drilled=max((each.started for each in drills), default=None),
    )


def _predicted(entries: Sequence[OpenedEntry], rates: Collection[Rate]) -> Iterator[tuple[str, float]]:
    fulls = [
        each.manifest for each in entries if each.manifest and not each.problem and each.manifest.kind is Kind.FULL
    ]
    for manifest in fulls[-1:]:
        for way in every_way(manifest, machine(*cpu_and_cores()), rates):
            if found := predicted(way, amounts_of([manifest]), rates, manifest.id):
                yield manifest.method.value, found.seconds
                return


def newest_offsite(standing: Standing, entries: Collection[str]) -> datetime | None:
    """When the newest full backup was taken that the second copy has; None: it has none. Pure."""
    identities = [parse_id(name) for name in entries if standing.has(BACKUPS, name)]
    times = [each.time for each in identities if each and each.kind is Kind.FULL and each.time]
    return max(times, default=None)


def _last(manifest: Manifest) -> LastBackup:
    seconds = (manifest.finished - manifest.started).total_seconds()
    return LastBackup(manifest.as_of, seconds, sum(each.bytes for each in manifest.objects))


def _verified(entries: Collection[OpenedEntry]) -> Iterator[tuple[Level, datetime]]:
    for level in Level:
        times = [
            record.proof.started
            for one in entries
            for record in one.proofs
            if record.proof
            and record.backup == one.entry.id
            and record.proof.level is level
            and record.proof.outcome is Outcome.PASSED
        ]
        if times:
            yield level, max(times)
