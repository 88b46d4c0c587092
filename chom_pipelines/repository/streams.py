"""A stream of backups: what is published in it, where drafts begin, and who may write, read and delete at a time.

Its locks: one run writes or deletes in it at a time; any number reads beside that; who deletes waits for who reads. A
stream has locks of its own, so that one that is never done holds up no other.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime

from chom_pipelines.errors import (
    BackupNotFoundError,
    ObjectExistsError,
    RepositoryBusyError,
    RepositoryError,
)
from chom_pipelines.log_lines import amount
from chom_pipelines.repository.deletion import delete_backup, end_unfinished, erase_folder, refuse_needed
from chom_pipelines.repository.entry import PATIENCE, BackupEntry
from chom_pipelines.repository.incomplete import Mark, State, mark
from chom_pipelines.repository.layout import (
    INCOMPLETE,
    KEYS,
    MANIFEST,
    READING,
    WRITING,
    BackupId,
    Kind,
    parse_id,
    timed_id,
)
from chom_pipelines.repository.publishing import Draft
from chom_pipelines.repository.store import Folder

LATEST = "latest"

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Stream:
    """The backups of one server that follow each other: its full and incremental ones, or one binary log's segments."""

    server: str
    folder: Folder

    def entries(self) -> list[BackupEntry]:
        """All that is published, oldest first; nothing of it is read. Raises RepositoryError.

        What has neither a manifest nor the mark of a draft is listed too: somebody lost its manifest.
        """
        names = [name for name in self.folder.folders() if name != KEYS and _is_backup(self.folder / name)]
        return sorted((BackupEntry(self.server, self.folder, name) for name in names), key=_order)

    def lists(self, entry: BackupEntry) -> bool:
        """Whether one of its `entries` still is one; while `reading` is held, it stays so."""
        return _is_backup(entry.folder)

    def find(self, backup: str) -> BackupEntry:
        """The backup of that id, or the last one for "latest"; raises BackupNotFoundError."""
        entries = self.entries()
        wanted = [each for each in entries if each.id == backup or (backup == LATEST and parse_id(each.id))]
        if wanted:
            return wanted[-1]
        what = f"{self.folder.where()} has no backup {backup!r} of the server {self.server!r}"
        others = f"; it has {amount(len(entries), 'other')}" if entries else ""
        if self.folder.store.capabilities.rereads:  # it is here
            remedy = "`chom backups` lists them" if entries else "take one: `chom backup`"
        else:
            remedy = "`chom backups --offsite` lists what is there; else correct repository.offsite.url"
        raise BackupNotFoundError(what + others, remedy)

    @contextmanager
    def begin(self, kind: Kind, now: datetime) -> Iterator[Draft]:
        """Hold the lock for writing, remove what killed runs left, and give an empty draft; `now` is aware.

        What is not published when the context ends is removed. Raises RepositoryBusyError, RepositoryError.
        """
        with self._writing(f"{kind.value} backup of {self.server}"):
            self._remove_unfinished(self.folder.folders())
            taken = frozenset(self.folder.folders())
            with self._draft(timed_id(kind, now, taken)) as draft:
                yield draft

    @contextmanager
    def begin_segment(self, segment: BackupId, patience: float = 0) -> Iterator[Draft]:
        """As `begin`, of a segment of the binary log; raises ObjectExistsError where it is there already.

        `patience` are seconds to wait for the lock.
        """
        folder = self.folder / segment.text
        with self._writing(f"binary log archive of {self.server}", patience):
            if folder.exists(MANIFEST):
                raise ObjectExistsError(f"{folder.where()} is there already")
            self._remove_unfinished([segment.text])  # not all: there are thousands of segments
            with self._draft(segment) as draft:
                yield draft

    def receiving(self, patience: float = PATIENCE) -> AbstractContextManager[None]:
        """For who copies backups of another repository into this stream: nobody else writes or deletes meanwhile.

        Raises RepositoryBusyError after `patience` seconds.
        """
        return self._writing(f"copy of backups of {self.server}", patience)

    def copy_of(self, backup: str) -> Draft:
        """Within `receiving`: where a copy goes. What is there of it stays, so that it is continued.

        What was being deleted goes first. Of a backup that is there already, the draft is that; one that has lost its
        manifest gets no mark, by which it would be removed if the copy came to nothing.
        """
        draft = Draft(self.server, self.folder, backup)
        if draft.folder.exists(MANIFEST):
            return draft
        state = Mark.of(draft.folder).state
        if state is State.DELETING:
            self._remove_unfinished([backup])
        if state:  # what is here was left, as nobody else writes
            draft.folder.forget_uploads()
        if state or not draft.folder.below():
            draft.folder.replace(INCOMPLETE, mark(State.TAKING))
        return draft

    def reading(self, purpose: str) -> AbstractContextManager[None]:
        """As `BackupEntry.reading`, for who reads several of them."""
        return self.folder.lock(READING, f"{purpose} of {self.server}", shared=True, patience=PATIENCE)

    def clean(self) -> list[str]:
        """Remove what killed runs left, and return its ids; raises RepositoryBusyError where a run is at work."""
        with self._writing(f"cleaning up after killed runs of {self.server}"):
            return self._remove_unfinished(self.folder.folders())

    def remove(self, entry: BackupEntry, patience: float = PATIENCE) -> None:
        """Delete a backup; as `deleting` and `delete`."""
        with self.deleting(f"deletion of {entry.id}", patience):
            self.delete(entry)

    @contextmanager
    def deleting(self, purpose: str, patience: float = PATIENCE) -> Iterator[None]:
        """For who deletes: nobody reads here meanwhile, or writes, and what killed runs left is removed first.

        Raises RepositoryBusyError after `patience` seconds of waiting for readers, or where somebody writes.
        """
        purpose = f"{purpose} of {self.server}"
        # first the readers, who may take long: meanwhile backups can be taken
        with self.folder.lock(READING, purpose, patience=patience), self._writing(purpose):
            self._remove_unfinished(
                self.folder.folders()
            )  # of which one may only lack its manifest, and build on another
            yield

    def delete(self, entry: BackupEntry) -> None:
        """Delete a backup, within `deleting`; killed at any moment it leaves the whole backup, or nothing that lists.

        Raises RepositoryError where it is pinned, or another backup builds on it, with nothing deleted.
        """
        if entry.stream != self.folder:
            raise RepositoryError(f"{entry.where} is not in {self.folder.where()}", "report this as a bug")
        refuse_needed(entry, self.entries)
        delete_backup(entry.folder)

    @contextmanager
    def _writing(self, purpose: str, patience: float = 0) -> Iterator[None]:
        if not self.folder.store.is_there():
            raise RepositoryError(f"there is no repository at {self.folder.store.where('')}", "mount it, or create it")
        with self.folder.lock(WRITING, purpose, patience=patience):
            yield

    def _prepare_for_readers(self) -> None:
        """Have the file of their lock, so that who reads when nothing more can be written has one to hold."""
        with self.folder.lock(READING, f"preparing {self.server}", shared=True):
            pass

    @contextmanager
    def _draft(self, identity: BackupId) -> Iterator[Draft]:
        draft = Draft(self.server, self.folder, identity.text)
        self._prepare_for_readers()
        try:
            draft.folder.write(INCOMPLETE, mark(State.TAKING))
        except ObjectExistsError as error:  # by a machine whose lock is not seen here
            raise RepositoryBusyError(f"{draft.folder.where()} is being written", "let that run end") from error
        try:
            yield draft
        finally:
            with suppress(RepositoryError):  # what cannot be removed now, the next run removes
                if not draft.folder.exists(MANIFEST):
                    erase_folder(draft.folder)

    def _remove_unfinished(self, names: list[str]) -> list[str]:
        removed = []
        for name in names:
            folder = self.folder / name
            try:
                if folder.exists(MANIFEST):
                    if folder.exists(INCOMPLETE):
                        folder.delete(INCOMPLETE)
                elif end_unfinished(folder, everybody=self.folder.store.capabilities.locks_all_machines):
                    removed.append(name)
            except RepositoryError as error:  # it is in nobody's way
                _log.warning("what is unfinished cannot be removed: %s", error)
        return removed


def _is_backup(folder: Folder) -> bool:
    """Whether it is to be listed: with a manifest, or as one that has lost it, or cannot be looked into.

    The manifest is asked for first: a draft that is published or removed meanwhile is taken for what it has become.
    """
    try:
        if folder.exists(MANIFEST):
            return True
        if folder.exists(INCOMPLETE):
            return False
        there = {each.name for each in folder.below()}
        return bool(there) and INCOMPLETE not in there  # a draft may have ended, and another have begun, in between
    except RepositoryError:
        return True


def _order(entry: BackupEntry) -> tuple[bool, tuple[str, int, int], str]:
    identity = parse_id(entry.id)
    return (identity is None, identity.order if identity else ("", 0, 0), entry.id)
