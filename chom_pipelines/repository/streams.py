"""A stream of backups: drafts that become backups by the manifest that is put last, what is published, and deletion.

Its locks: one run writes or deletes in it at a time; any number reads beside that; who deletes waits for who reads. A
stream has locks of its own, so that one that is never done holds up no other.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime

from pydantic import ValidationError

from chom_pipelines.errors import (
    BackupNotFoundError,
    DamagedError,
    DiskFullError,
    ObjectExistsError,
    RepositoryBusyError,
    RepositoryError,
)
from chom_pipelines.repository.encryption import DataKey
from chom_pipelines.repository.entry import PATIENCE, BackupEntry
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
from chom_pipelines.repository.manifest import Manifest, peek, seal, unauthenticated
from chom_pipelines.repository.marks import Mark, State, mark
from chom_pipelines.repository.store import Folder

LATEST = "latest"

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Draft:
    """A backup that is being taken: nothing lists it before it is published."""

    server: str
    stream: Folder
    id: str

    @property
    def folder(self) -> Folder:
        """Where its objects go."""
        return self.stream / self.id

    def publish(self, manifest: Manifest, key: DataKey | None) -> BackupEntry:
        """Make it the backup that `manifest` describes: by putting the manifest, after every object is there.

        Raises RepositoryError, with nothing published, where the manifest is of another backup or key, or names an
        object that is not there in full; DiskFullError.
        """
        self._refuse_what_is_not_there(manifest, key)
        sealed = seal(manifest, key.mac if key else None)
        # from here on it is a backup, if only one that the next run has to put the manifest of
        self.folder.replace(INCOMPLETE, mark(State.PUBLISHING, sealed))
        self.folder.write(MANIFEST, sealed)
        with suppress(RepositoryError):  # it is published all the same; the next run removes the mark
            self.folder.delete(INCOMPLETE)
        return BackupEntry(self.server, self.stream, self.id)

    def _refuse_what_is_not_there(self, manifest: Manifest, key: DataKey | None) -> None:
        if (manifest.server, manifest.id, manifest.key is None) != (self.server, self.id, key is None):
            where = self.folder.where()
            what = f"the manifest of {manifest.id} of {manifest.server} is not the one of {where}, or of its key"
            raise RepositoryError(what, "report this as a bug")
        for missing in lacking(self.folder, manifest):
            raise RepositoryError(missing, "find out what removes or changes files of the repository")


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
        others = f"; it has {len(entries)} others" if entries else ""
        raise BackupNotFoundError(what + others, "`chom backups` lists them" if entries else "take one: `chom backup`")

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

    def reading(self, purpose: str) -> AbstractContextManager[None]:
        """As `BackupEntry.reading`, for who reads several of them."""
        return self.folder.lock(READING, f"{purpose} of {self.server}", shared=True, patience=PATIENCE)

    def clean(self) -> list[str]:
        """Remove what killed runs left, and return its ids; raises RepositoryBusyError where a run is at work."""
        with self._writing(f"cleaning up after killed runs of {self.server}"):
            return self._remove_unfinished(self.folder.folders())

    def remove(self, entry: BackupEntry, patience: float = PATIENCE) -> None:
        """Delete a backup, when nobody reads in this stream any more.

        Killed at any moment it leaves the whole backup, or nothing that lists.

        Raises RepositoryBusyError after `patience` seconds, and RepositoryError where another backup builds on it, with
        nothing deleted.
        """
        if entry.stream != self.folder:
            raise RepositoryError(f"{entry.where} is not in {self.folder.where()}", "report this as a bug")
        purpose = f"deletion of {entry.id} of {self.server}"
        # first the readers, who may take long: meanwhile backups can be taken
        with self.folder.lock(READING, purpose, patience=patience), self._writing(purpose):
            self._refuse_base(entry)
            try:
                entry.folder.replace(INCOMPLETE, mark(State.DELETING))
            except DiskFullError:  # which a deletion is to mend: without the manifest there is room for the mark
                entry.folder.delete(MANIFEST)
                entry.folder.replace(INCOMPLETE, mark(State.DELETING))
            entry.folder.delete(MANIFEST)
            _erase(entry.folder)

    def _refuse_base(self, entry: BackupEntry) -> None:
        own = parse_id(entry.id)
        if own and own.kind is Kind.BINLOG:
            return
        for other in self.entries():
            identity = parse_id(other.id)
            if other.id == entry.id or identity is None or identity.kind is not Kind.INCREMENTAL:
                continue
            if not other.folder.exists(MANIFEST):
                continue
            if other.peek().get("parent") == entry.id:
                raise RepositoryError(f"{other.where} builds on {entry.id}", f"delete {other.id} first")

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
                    _erase(draft.folder)

    def _remove_unfinished(self, names: list[str]) -> list[str]:
        removed = []
        for name in names:
            folder = self.folder / name
            try:
                if folder.exists(MANIFEST):
                    if folder.exists(INCOMPLETE):
                        folder.delete(INCOMPLETE)
                elif _end(folder, everybody=self.folder.store.capabilities.locks_all_machines):
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
        return not folder.exists(INCOMPLETE) and bool(folder.below())
    except RepositoryError:
        return True


def _end(folder: Folder, *, everybody: bool) -> bool:
    """End what a killed run began in a folder without a manifest, and say whether that was to remove it.

    A backup that lacks nothing else gets its manifest; what never was one, or was being deleted, goes; what no mark of
    ours explains stays. `everybody`: no run anywhere is at it, as the lock shows; else only what this user of this
    machine left, or what is older than any run gets, is touched.
    """
    found = Mark.of(folder)
    if found.state is None or not (everybody or found.is_left):
        return False
    if found.state is State.PUBLISHING and found.manifest and _is_whole(folder, found.manifest):
        folder.write(MANIFEST, found.manifest)
        folder.delete(INCOMPLETE)
        return False
    _erase(folder)
    return True


def _is_whole(folder: Folder, sealed: bytes) -> bool:
    try:
        return not any(lacking(folder, unauthenticated(peek(sealed, folder.where(INCOMPLETE)))))
    except (DamagedError, ValidationError):
        return False


def lacking(folder: Folder, manifest: Manifest) -> Iterator[str]:
    """Say of each object of the manifest that is not there in full; nothing is read of them."""
    there = {each.name: each.bytes for each in folder.below()}
    for stored in manifest.objects:
        if there.get(stored.path) != stored.bytes:
            yield f"{folder.where(stored.path)} is not there with the {stored.bytes} bytes that were written"


def _erase(folder: Folder) -> None:
    """Remove what is unfinished, its mark last: cut off at any moment, what is left is still known for what it is.

    Raises the first error where anything but the mark stays.
    """
    errors: list[RepositoryError] = []
    for name in folder.folders():
        try:
            (folder / name).delete_all()
        except RepositoryError as error:  # perhaps only of a sync: what stays is asked below
            errors.append(error)
    for each in folder.below():
        if each.name != INCOMPLETE:
            try:
                folder.delete(each.name)
            except RepositoryError as error:
                errors.append(error)
    if errors and any(each.name != INCOMPLETE for each in folder.below()):
        raise errors[0]
    folder.delete_all()


def _order(entry: BackupEntry) -> tuple[bool, tuple[str, int, int], str]:
    identity = parse_id(entry.id)
    return (identity is None, identity.order if identity else ("", 0, 0), entry.id)
