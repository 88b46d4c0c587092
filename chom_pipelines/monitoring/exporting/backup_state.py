"""What the repository says of a server's backups, for metrics: moments and sizes, and no ages.

Right with Dagster and the server down. What has not changed is not read again, but once an hour.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import chain

from chom_pipelines.benchmarks.kept_reports import kept_reports
from chom_pipelines.benchmarks.predicting import rates as rates_of_reports
from chom_pipelines.binlogs.archive.histories import History, histories
from chom_pipelines.binlogs.recovery.recoverable import AllHeard, Recoverable, heard_of, recoverable_from
from chom_pipelines.errors import RepositoryError
from chom_pipelines.inventory.models import Inventory, Server
from chom_pipelines.inventory.opening import existing_repository, keyring_of
from chom_pipelines.monitoring.exporting.known_backups import Family, Known, KnownBackups, LastBackup
from chom_pipelines.monitoring.exporting.known_segments import KnownSegments, LogMarks
from chom_pipelines.monitoring.exporting.marks import Mark, Marks, mark_of, marks_of
from chom_pipelines.offsite.standing import Standing
from chom_pipelines.outcome import Outcome
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.layout import BACKUPS, Kind, parse_id
from chom_pipelines.repository.proof import Level
from chom_pipelines.repository.repository import Repository
from chom_pipelines.repository.timing import amounts_of
from chom_pipelines.restores.predicting import Rate, every_way, predicted
from chom_pipelines.server.machine import cpu_and_cores, machine

_ANEW_SECONDS = 3600.0
"""After that all is read again: what rots in place, or was verified by a clock ahead, changes no directory."""


@dataclass(frozen=True)
class BackupState:
    """Of one server. What is not there is None, or missing."""

    last: Mapping[Kind, LastBackup] = field(default_factory=dict)
    """The newest of each kind that can be believed and did not fail its last verification."""
    count: Mapping[Kind, int] = field(default_factory=dict)
    unusable: int = 0
    verified: Mapping[Level, datetime] = field(default_factory=dict)
    """When a backup last passed that level."""
    log: LogState | None = None
    """None: the archive of the binary log cannot be read, and so no window is known."""
    predicted: Mapping[str, float] = field(default_factory=dict)
    """By the method of the newest full backup, seconds of its restore on this machine, where that was measured."""
    problem: RepositoryError | None = None
    """Why `log` is not known."""


@dataclass(frozen=True)
class LogState:
    """What the archive of the binary log adds."""

    window: tuple[datetime, datetime] | None = None
    """The latest interval that can be restored to."""
    open_gaps: int = 0
    latest: datetime | None = None
    """The newest moment that can be restored, exactly; None: nothing can."""
    archived: datetime | None = None
    """Up to when the binary log is in the archive."""
    drilled: datetime | None = None
    """When a drill of a moment last passed."""

    def exposure(self, now: datetime) -> timedelta | None:
        """How much would be lost if the server were lost now; None: everything."""
        return now - self.latest if self.latest else None


@dataclass
class _Read:
    """What was read with these keys, each with the marks by which it is known to be as it was."""

    keyring: Keyring | None
    since: float = field(default_factory=time.monotonic)
    known: KnownBackups = field(default_factory=KnownBackups)
    families: tuple[Marks, list[Family]] | None = None
    segments: KnownSegments = field(default_factory=KnownSegments)
    histories: tuple[LogMarks, list[History]] | None = None
    reports: tuple[Mark, tuple[Rate, ...]] | None = None
    state: tuple[object, BackupState] | None = None


class BackupWatch:
    """Looks at what the repository has of one server; not for several threads at a time."""

    def __init__(self, inventory: Inventory, server: Server) -> None:
        self._inventory, self._server = inventory, server
        self._read = _Read(None)

    def state(self) -> BackupState:
        """As it is now. Raises ChomError where the repository, or its keys, cannot be read."""
        repository = existing_repository(self._inventory.repository)
        keyring = keyring_of(self._inventory.repository, self._server.backup)
        if keyring != self._read.keyring or time.monotonic() - self._read.since >= _ANEW_SECONDS:
            self._read = _Read(keyring)
        name, read = self._server.name, self._read
        families, rates = self._families(repository), self._reported(repository)
        of_backups = state_of(families)
        try:
            heard = heard_of(repository, name, keyring)  # first: what it names is there then
            marks = _log_marks(repository, name)
            if read.histories is None or read.histories[0] != marks:
                read.histories = (marks, histories(repository, name, keyring, read.segments.read_by(marks)))
        except RepositoryError as problem:
            return replace(of_backups, problem=problem)
        seen = (families, heard, marks, rates)
        if read.state is None or read.state[0] != seen:
            state = with_log(of_backups, _recoverable(families, read.histories[1], heard))
            every = (*chain.from_iterable(each.rates for each in families), *rates)
            backups = [one for each in families for one in each.backups]
            with suppress(RepositoryError):  # what is being deleted at this moment is no reason to tell nothing
                state = replace(state, predicted=dict(_predicted(backups, every, keyring)))
            read.state = (seen, state)
        return read.state[1]

    def _families(self, repository: Repository) -> list[Family]:
        marks = marks_of(repository.stream(self._server.name).folder)
        if self._read.families is None or self._read.families[0] != marks:
            entries = repository.backups(self._server.name)
            self._read.families = (marks, self._read.known.read(entries, marks, self._read.keyring))
        return self._read.families[1]

    def _reported(self, repository: Repository) -> tuple[Rate, ...]:
        """Of benchmarks."""
        mark = mark_of(repository.benchmarks_of(self._server.name))
        if self._read.reports is None or self._read.reports[0] != mark:
            reports = kept_reports(repository, self._server.name).reports
            self._read.reports = (mark, tuple(rates_of_reports(reports)))
        return self._read.reports[1]


def state_of(families: Sequence[Family]) -> BackupState:
    """What the backups say. Pure."""
    last: dict[Kind, LastBackup] = {}
    count: dict[Kind, int] = {Kind.FULL: 0, Kind.INCREMENTAL: 0}
    verified: dict[Level, datetime] = {}
    for one in (one for family in families for one in family.backups):
        count[one.kind] += 1
        if one.good:
            last[one.kind] = one.good  # they are in the order in which they were taken
        for level, moment in one.passed:
            verified[level] = max(moment, verified.get(level, moment))
    return BackupState(last=last, count=count, unusable=sum(len(each.unusable) for each in families), verified=verified)


def with_log(state: BackupState, found: Recoverable) -> BackupState:
    """With what the archive says. Pure."""
    segments = [segment for run in found.runs for segment in run.segments]
    last, count = dict(state.last), dict(state.count)
    if segments:
        newest = max(segments, key=lambda each: each.as_of)
        last[Kind.BINLOG] = LastBackup(newest.as_of, None, newest.stored_bytes)
        count[Kind.BINLOG] = len(segments)
    intervals = found.windows.intervals
    drills = [each.drill for each in intervals if each.drill and each.drill.outcome is Outcome.PASSED]
    log = LogState(
        window=max(intervals, key=lambda each: each.latest).bounds if intervals else None,
        open_gaps=len(found.open_gaps),
        latest=found.windows.latest,
        archived=max((segment.until for segment in segments), default=None),
        drilled=max((each.started for each in drills), default=None),
    )
    unusable = len(found.unusable_backups) + len(found.unusable_segments)
    return replace(state, last=last, count=count, unusable=unusable, log=log)


def newest_offsite(standing: Standing, entries: Collection[str]) -> datetime | None:
    """When the newest full backup was taken that the second copy has; None: it has none. Pure."""
    identities = [parse_id(name) for name in entries if standing.has(BACKUPS, name)]
    times = [each.time for each in identities if each and each.kind is Kind.FULL and each.time]
    return max(times, default=None)


def _recoverable(families: Sequence[Family], found: list[History], heard: AllHeard) -> Recoverable:
    unusable = {name: why for each in families for name, why in each.unusable.items()}
    return recoverable_from(tuple(full for each in families for full in each.fulls), unusable, found, heard)


def _log_marks(repository: Repository, server: str) -> LogMarks:
    """Of all segments, by the folder of their stream."""
    streams = [
        of(server, name).folder
        for name in repository.histories(server)
        for of in (repository.binlogs, repository.streamed)
    ]
    return {folder.name: marks_of(folder) for folder in streams}


def _predicted(
    backups: Sequence[Known], rates: Collection[Rate], keyring: Keyring | None
) -> Iterator[tuple[str, float]]:
    newest = next((each for each in reversed(backups) if each.kind is Kind.FULL and each.good), None)
    if newest is None or not rates:
        return
    manifest = newest.entry.manifest(keyring)
    for way in every_way(manifest, machine(*cpu_and_cores()), rates):
        if found := predicted(way, amounts_of([manifest]), rates, manifest.id):
            yield manifest.method.value, found.seconds
            return
