"""Restoring to a point in time: into a data directory, or by way of a private server into a running one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from chom_pipelines.binlogs.archive.histories import reading_histories
from chom_pipelines.binlogs.recovery.choosing import Way, end_of, read_for, way_to, ways_to
from chom_pipelines.binlogs.recovery.recoverable import Recoverable, recoverable
from chom_pipelines.binlogs.recovery.recovering import Recovered, Recoverer
from chom_pipelines.binlogs.recovery.replay_plan import PreparedBeforeError, Recovery, plan_replay
from chom_pipelines.binlogs.recovery.spool import Spool
from chom_pipelines.binlogs.recovery.stop_place import Stop
from chom_pipelines.binlogs.recovery.targets import EndOfArchive, Route, Target
from chom_pipelines.errors import (
    BackupNotFoundError,
    ProgramMissingError,
    RestoreRefusedError,
    UnsupportedBackupError,
)
from chom_pipelines.logical.accounts import Account
from chom_pipelines.progress import Report, counted
from chom_pipelines.repository.entry import BackupEntry
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.manifest import Manifest
from chom_pipelines.repository.repository import Repository
from chom_pipelines.repository.streams import LATEST
from chom_pipelines.repository.timing import DUMP, Amounts
from chom_pipelines.restores.definers import definers_of_views, stand_ins
from chom_pipelines.restores.directory_filling import filled_directory, without_accounts
from chom_pipelines.restores.directory_target import refuse_directory
from chom_pipelines.restores.execution import RestoreResult
from chom_pipelines.restores.restoring import restore_into_server
from chom_pipelines.restores.rows_of_files import dumped
from chom_pipelines.restores.selection import RestoreRequest
from chom_pipelines.restores.starts import Start, start_of
from chom_pipelines.server.claimed_directories import claimed_directory, roomy_base
from chom_pipelines.server.connection import Endpoint
from chom_pipelines.server.scratch import ScratchServer

_PURPOSE = "restore to a point in time"


@dataclass(frozen=True)
class PointInTime:
    """A recovery that is ready: nothing of it has to be read from the repository any more but the backup itself."""

    start: Start
    recovery: Recovery
    private: Path
    """A directory of ours."""
    others: tuple[Way, ...]
    """Further ways to the target, the best one first."""
    passed_over: tuple[str, ...] = ()
    """Better ways that this machine has no programs for: for people, before it begins."""

    def recoverer(
        self,
        route: Route,
        *,
        accounts: bool,
        report: Report,
        accept_losses: bool = False,
        tables: Sequence[str] | None = None,
    ) -> Recoverer:
        """What carries it out; `tables` are those that are wanted (None: all)."""
        return Recoverer(
            self.start,
            self.recovery,
            self.private,
            route,
            accounts or self.start.of_files,
            self.start.databases,
            report,
            accept_losses,
            None if tables is None else frozenset(tables),
        )

    @property
    def amounts(self) -> Amounts:
        """What the time of the recovery goes by."""
        return self.start.amounts.model_copy(update={"transactions": self.recovery.stop.transactions})

    @property
    def called(self) -> str:
        """What people call what is restored."""
        return f"{self.start.manifest.server} as of {self.recovery.target}"

    @property
    def undefined(self) -> str:
        """Why only the recovery tells which definitions there were then; empty: they are those of the backup."""
        if self.start.of_files:
            return f"{self.recovery.way.full.id} is of data files, whose definitions a server on them tells"
        changes = self.recovery.notes.redefines
        return f"a definition may have been changed in between, at {changes.label}" if changes else ""

    @property
    def warnings(self) -> tuple[str, ...]:
        """What of that time no restore has, and which backups are not used: for people, before it begins."""
        return (*self.passed_over, *self.unlogged)

    @property
    def unlogged(self) -> tuple[str, ...]:
        """What of that time no restore has, as the server did not log it."""
        found = (each.line for each in self.recovery.unlogged(self.start.databases))
        return (*found, *self.recovery.drawn)


@contextmanager
def point_in_time(
    repository: Repository,
    server: str,
    wanted: Target | EndOfArchive,
    *,
    keyring: Keyring | None,
    report: Report,
    threads: int,
    backup: str = LATEST,
    databases: Sequence[str] | None = None,
) -> Iterator[PointInTime]:
    """Find the best way to what is wanted, from this backup or from any ("latest"), and read the log that it takes.

    Where this machine has no programs for the best backup's files, an older one is used that leads there, and said. It
    is restored, and dumped again, by so many threads; 0: one per core.

    Of a whole server, as a physical backup has it, these databases are wanted in a running one (None: all).
    Raises RestoreRefusedError where none leads there; BackupNotFoundError; DamagedError, KeyUnavailableError.
    """
    with ExitStack() as stack:
        kept = stack.enter_context(ExitStack())
        kept.enter_context(reading_histories(repository, server, _PURPOSE))
        found = recoverable(repository, server, keyring)
        usable = _of(found, backup, repository, server)
        target = end_of(usable) if isinstance(wanted, EndOfArchive) else wanted
        way_to(target, usable)  # which says why none leads there
        ways = ways_to(target, usable)
        stack.enter_context(repository.find(server, ways[0].full.id).reading(_PURPOSE))
        begin = _Begin.of([repository.find(server, each.full.id) for each in ways], keyring, databases, report, threads)
        way, others, start = ways[begin.index], tuple(ways[begin.index + 1 :]), begin.start
        needed = sum(segment.end - segment.start for segment in read_for(target, way))
        claim = stack.enter_context(claimed_directory(roomy_base(needed, 0, None)))
        if not way.segments:
            recovery = Recovery(way, target, Stop(None, None, 0), (), way.full.place, way.full.place)
        else:
            history = next(each for each in found.histories if each.name == way.history)
            done = counted(report, needed, "read the binary log")
            try:
                recovery = plan_replay(way, target, history, Spool(claim.path), keyring=keyring, report=done)
            except PreparedBeforeError as error:
                older = next((each.full.id for each in others if each.full.as_of < way.full.as_of), None)
                remedy = f"restore from an older backup, whose log may have it: chom restore {older}; or {error.remedy}"
                raise PreparedBeforeError(error.what, remedy if older else error.remedy) from error
        kept.close()
        yield PointInTime(start, recovery, claim.path, others, begin.passed_over)


@dataclass(frozen=True)
class _Begin:
    """The first of several backups, the best one first, that this machine can start with."""

    index: int
    start: Start
    passed_over: tuple[str, ...]

    @classmethod
    def of(
        cls,
        entries: Sequence[BackupEntry],
        keyring: Keyring | None,
        databases: Sequence[str] | None,
        report: Report,
        threads: int,
    ) -> _Begin:
        """Raises what `start_of` raises of the first one, where there is none."""
        errors: list[UnsupportedBackupError | ProgramMissingError] = []
        for index, entry in enumerate(entries):
            try:
                start = start_of(entry, keyring, databases, report, threads)
            except (UnsupportedBackupError, ProgramMissingError) as error:
                errors.append(error)
                continue
            unused = zip(entries[:index], errors, strict=True)
            said = (f"{each.id} is not used, but {entry.id}: {error.what}; {error.remedy}" for each, error in unused)
            return cls(index, start, tuple(said))
        raise errors[0]


def recover_into_directory(ready: PointInTime, directory: Path, recoverer: Recoverer, *, replace_it: bool) -> Recovered:
    """Make a data directory as of then; raises what `restore_into_directory` and `Recoverer.fill` raise."""
    refuse_directory(directory, replace=replace_it)
    recovered: list[Recovered] = []

    def fill(server: ScratchServer) -> RestoreResult:
        with recoverer.stand_ins(server):
            recovered.append(recoverer.fill(server))
        restored = recovered[-1].restored
        return without_accounts(restored) if recoverer.lacks_accounts else restored

    result = filled_directory(
        directory,
        lambda data: ready.start.server(recoverer.options, data),
        fill,
        replace_it=replace_it,
    )
    return replace(recovered[-1], restored=result)


def recover_into_server(
    ready: PointInTime,
    target: Endpoint,
    recoverer: Recoverer,
    request: Callable[[Manifest], RestoreRequest],
) -> tuple[Recovered, RestoreResult]:
    """Recover on a private server, then restore from there into a running one; `request` says what, of each backup.

    What the target refuses is refused before the recovery, as far as the full backup tells it. Raises what
    `restore_into_server` and `recovered_backup` raise.
    """
    wanted = replace(request(ready.start.manifest), called=ready.called)
    refuse_unknown_tables(ready, wanted.tables)
    if refused := ready.start.refusal(target, wanted):  # a recovery may take hours
        raise refused
    with recovered_backup(ready, recoverer) as (entry, recovered):
        wanted = replace(request(entry.manifest(None)), called=ready.called)
        return recovered, restore_into_server(entry, None, target, wanted, recoverer.report)


def refuse_unknown_tables(ready: PointInTime, tables: Sequence[str] | None) -> None:
    """Raise RestoreRefusedError for one that the backup does not have, and nothing in the log up to then makes."""
    there = ready.start.tables
    unknown = [each for each in tables or () if there is not None and each not in there]
    unknown = [each for each in unknown if not ready.recovery.notes.may_make(each.partition(".")[2])]
    if unknown:
        what = f"{', '.join(unknown)}: {ready.recovery.way.full.id} has no such table, and nothing in the log makes it"
        raise RestoreRefusedError(what, "name tables as database.table, as they were called then")


@contextmanager
def backup_to_plan_by(
    ready: PointInTime, recoverer: Recoverer, repository: Repository, keyring: Keyring | None
) -> Iterator[tuple[BackupEntry, Keyring | None]]:
    """A backup with the definitions as of then, and what opens it: the full one, where it is sure to have them.

    Else it is a `recovered_backup`, which takes as long as the recovery.
    """
    if not ready.undefined:
        yield repository.find(ready.start.manifest.server, ready.recovery.way.full.id), keyring
        return
    with recovered_backup(ready, recoverer) as (entry, _):
        yield entry, None


@contextmanager
def recovered_server(ready: PointInTime, recoverer: Recoverer) -> Iterator[tuple[ScratchServer, Recovered]]:
    """A private server that stands at the target, for the length of the block; raises as starting and filling it do."""
    with _with_stand_ins(ready, recoverer) as (server, recovered, _):
        yield server, recovered


@contextmanager
def _with_stand_ins(
    ready: PointInTime, recoverer: Recoverer
) -> Iterator[tuple[ScratchServer, Recovered, Sequence[Account]]]:
    """The same, and the accounts on it that stand in for the definers of its views."""
    began = time.monotonic()
    with ready.start.server(recoverer.options) as server, recoverer.stand_ins(server):
        started = time.monotonic() - began
        recovered = recoverer.fill(server)
        restored = replace(recovered.restored, phases={"start": started, **recovered.restored.phases})
        recovered = replace(recovered, restored=restored)
        with stand_ins(server, definers_of_views(server)) as others:  # also of those that the log has made
            yield server, recovered, others


@contextmanager
def recovered_backup(ready: PointInTime, recoverer: Recoverer) -> Iterator[tuple[BackupEntry, Recovered]]:
    """A backup as of then, for as long as the block lasts: whatever can be done with a backup, is done with it.

    It is taken of a private server that was recovered; raises what starting that, recovering and taking it raise.
    """
    with _with_stand_ins(ready, recoverer) as (server, recovered, others):
        began = time.monotonic()
        with dumped(ready.start, server, recoverer.report, others) as entry:
            phases = {**recovered.restored.phases, DUMP: time.monotonic() - began}
            yield entry, replace(recovered, restored=replace(recovered.restored, phases=phases))


def _of(found: Recoverable, backup: str, repository: Repository, server: str) -> Recoverable:
    """Only what the named backup is good for."""
    if backup == LATEST:
        return found
    chosen = tuple(full for full in found.fulls if full.id == backup)
    if not chosen:
        repository.find(server, backup)  # names what there is instead
        why = found.unusable_backups.get(backup, "it is no full backup")
        raise BackupNotFoundError(f"{backup} of {server} cannot be used: {why}", "leave it out, for the best there is")
    return replace(found, fulls=chosen)
