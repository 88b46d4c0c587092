"""Deleting what the plan says, in an order that at every moment leaves whole what is listed, and what it builds on."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime

from chom_pipelines.binlogs.archive.archiving import PATIENCE
from chom_pipelines.binlogs.archive.pruned import keep_pruned
from chom_pipelines.errors import RepositoryBusyError
from chom_pipelines.inventory.models import Server
from chom_pipelines.repository.entry import BackupEntry
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.layout import BACKUPS, BINLOGS, STREAMED, WRITING
from chom_pipelines.repository.repository import Repository
from chom_pipelines.repository.streams import Stream
from chom_pipelines.retention.decisions import Plan
from chom_pipelines.retention.planning import Planned, planned

READERS = 30.0
"""Seconds to wait for who reads what is to go; what takes longer goes next time."""


def prune(repository: Repository, server: Server, keyring: Keyring | None, now: datetime) -> Plan:
    """Delete what the server's retention lets go, and say what that was; `now` is aware.

    Killed at any moment it leaves nothing half-deleted that lists, and the next run goes on.

    Raises RepositoryBusyError where somebody reads what was to go: all else is deleted. Else what `planned` raises, and
    RepositoryError where a backup is needed that was not when the plan was made.
    """
    found = planned(repository, server, keyring, now)
    busy: list[RepositoryBusyError] = []
    for step in (_backups, _segments):
        try:
            step(repository, server.name, keyring, found)
        except RepositoryBusyError as error:
            busy.append(error)
    if busy:
        raise busy[0]
    return found.plan


def _backups(repository: Repository, server: str, _keyring: Keyring | None, found: Planned) -> None:
    stream = repository.stream(server)
    goes = [each.id for each in found.plan.goes if each.stream == BACKUPS]
    # what builds on others before these
    _delete(stream, [BackupEntry(server, stream.folder, each) for each in reversed(goes)])


def _segments(repository: Repository, server: str, keyring: Keyring | None, found: Planned) -> None:
    if not found.found.histories:
        return
    goes = {(each.stream, each.id) for each in found.plan.goes}
    # as who archives, which waits for this as for another archiving run
    with repository.binlogs_of(server).lock(WRITING, f"deletion of binary logs of {server}", patience=PATIENCE):
        for history in found.found.histories:
            ordered = sorted(history.segments, key=lambda each: each.order)
            wholes = [each for each in ordered if not each.streamed and (f"{BINLOGS}/{history.name}", each.id) in goes]
            parts = [each for each in ordered if each.streamed and (f"{STREAMED}/{history.name}", each.id) in goes]
            stays = next((each for each in ordered if each not in wholes and each not in parts), None)
            if wholes and stays:
                keep_pruned(history.stream, stays, wholes[-1].stream_key, keyring)
            _delete(history.parts, [history.entry(each) for each in parts])
            _delete(history.stream, [history.entry(each) for each in wholes])


def _delete(stream: Stream, entries: Sequence[BackupEntry]) -> None:
    """These, and what a deletion left that was cut off."""
    if entries:
        stream.remove_all(entries, READERS)
    elif stream.folder.folders():
        with suppress(RepositoryBusyError):  # nothing is due here, and the next run looks again
            stream.clean()
