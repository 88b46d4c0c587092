"""Deleting what the plan says, in an order that at every moment leaves whole what is listed, and what it builds on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType

from chom_pipelines.binlogs.archive.archiving import PATIENCE
from chom_pipelines.binlogs.archive.histories import History
from chom_pipelines.binlogs.archive.pruned import keep_pruned
from chom_pipelines.binlogs.archive.segments import Segment
from chom_pipelines.errors import ChomError, DiskFullError
from chom_pipelines.inventory.models import Server
from chom_pipelines.repository.entry import BackupEntry
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.layout import BACKUPS, WRITING
from chom_pipelines.repository.repository import Repository
from chom_pipelines.repository.streams import Stream
from chom_pipelines.retention.decisions import Decision, Plan
from chom_pipelines.retention.planning import Planned, planned
from chom_pipelines.retention.reach import Reach

READERS = 30.0
"""Seconds to wait for who reads what is to go; what takes longer goes next time."""


@dataclass(frozen=True)
class Applied:
    """A plan and what it means, what of it was deleted, and why not all of that, if so."""

    plan: Plan = field(default_factory=Plan)
    reach: Reach = field(default_factory=Reach)
    gone: frozenset[Decision] = frozenset()
    problem: ChomError | None = None


def prune(
    repository: Repository,
    server: Server,
    keyring: Keyring | None,
    now: datetime,
    pins: Mapping[str, str] = MappingProxyType({}),
) -> Applied:
    """Delete what the server's retention lets go; `now` is aware, and `pins` are as `planned` takes them.

    The plan is made while nobody takes or verifies a backup, so that it is of what there is. Killed at any moment this
    leaves nothing half-deleted that lists, and the next run goes on.

    Raises RepositoryBusyError, with nothing deleted, where somebody does; what `planned` raises.
    """
    stream = repository.stream(server.name)
    if not stream.folder.folders():  # no lock is made where nothing is
        return not_applied(repository, server, keyring, now, pins)
    with stream.deleting("retention", READERS):
        found = planned(repository, server, keyring, now, pins)
        deletion = _Deletion(repository, server.name, keyring, found)
        deletion.run()
    return Applied(found.plan, found.reach(deletion.gone), frozenset(deletion.gone), deletion.problem)


def not_applied(
    repository: Repository,
    server: Server,
    keyring: Keyring | None,
    now: datetime,
    pins: Mapping[str, str] = MappingProxyType({}),
) -> Applied:
    """The plan alone, as of a dry run; raises what `planned` raises."""
    found = planned(repository, server, keyring, now, pins)
    return Applied(found.plan, found.reach(found.plan.goes))


@dataclass
class _Deletion:
    repository: Repository
    server: str
    keyring: Keyring | None
    found: Planned
    gone: list[Decision] = field(default_factory=list)
    problem: ChomError | None = None

    def run(self) -> None:
        """Backups, then the log: what keeps the one from being deleted does not keep the other."""
        goes = {(each.stream, each.id): each for each in self.found.plan.goes}
        with self._told():
            self._backups(goes)
        if self.found.found.histories:
            with self._told():
                self._log(goes)

    def _backups(self, goes: dict[tuple[str, str], Decision]) -> None:
        stream = self.repository.stream(self.server)
        due = [each for each in goes.values() if each.stream == BACKUPS]
        for each in reversed(due):  # what builds on others before these
            with self._told():
                stream.delete(BackupEntry(self.server, stream.folder, each.id))
                self.gone.append(each)

    def _log(self, goes: dict[tuple[str, str], Decision]) -> None:
        # as who archives, which waits for this as for another archiving run
        purpose = f"retention of the binary log of {self.server}"
        with self.repository.binlogs_of(self.server).lock(WRITING, purpose, patience=PATIENCE):
            for history in self.found.found.histories:
                with self._told():
                    self._history(history, goes)

    def _history(self, history: History, goes: dict[tuple[str, str], Decision]) -> None:
        ordered = sorted(history.segments, key=lambda each: each.order)
        stays = next((each for each in ordered if (each.stream, each.id) not in goes), None)
        due = [(each, goes[each.stream, each.id]) for each in ordered if (each.stream, each.id) in goes]
        with ExitStack() as stack:
            for stream in (history.parts, history.stream):
                if stream.folder.folders():
                    stack.enter_context(stream.deleting("retention", READERS))
            wholes = [each for each, _ in due if not each.streamed]
            noted = not wholes or stays is None or self._noted(history.stream, wholes[-1], stays)
            for segment, found in due:  # from the oldest on
                (history.parts if segment.streamed else history.stream).delete(history.entry(segment))
                self.gone.append(found)
            if not noted and stays:
                keep_pruned(history.stream, wholes[-1], stays, self.keyring)

    def _noted(self, stream: Stream, deleted: Segment, stays: Segment) -> bool:
        try:
            keep_pruned(stream, deleted, stays, self.keyring)
        except DiskFullError:  # which a deletion is to mend: cut off meanwhile, it is archived anew and goes again
            return False
        return True

    @contextmanager
    def _told(self) -> Iterator[None]:
        """The first error is kept, and what follows is done all the same."""
        try:
            yield
        except ChomError as error:
            self.problem = self.problem or error
