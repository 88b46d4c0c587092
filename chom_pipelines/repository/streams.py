"""A stream of backups: drafts that become backups by the manifest that is put last, what is published, and deletion.

Its locks: one run writes or deletes in it at a time; any number reads beside that; who deletes waits for who reads. A
stream has locks of its own, so that one that is never done holds up no other.
"""

from __future__ import annotations

import json
import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from chom_pipelines.errors import (
    BackupNotFoundError,
    DiskFullError,
    ObjectExistsError,
    ObjectMissingError,
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
from chom_pipelines.repository.manifest import Manifest, seal
from chom_pipelines.repository.store import Folder

LATEST = "latest"

_LONGEST_RUN = timedelta(days=7)

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
        # from here on it may be a backup: what has lost its manifest then is not taken for a draft any more
        self.folder.replace(INCOMPLETE, _mark(_State.PUBLISHING))
        self.folder.write(MANIFEST, seal(manifest, key.mac if key else None))
        with suppress(RepositoryError):  # it is published all the same; the next run removes the mark
            self.folder.delete(INCOMPLETE)
        return BackupEntry(self.server, self.stream, self.id)

    def _refuse_what_is_not_there(self, manifest: Manifest, key: DataKey | None) -> None:
        if (manifest.server, manifest.id, manifest.key is None) != (self.server, self.id, key is None):
            where = self.folder.where()
            what = f"the manifest of {manifest.id} of {manifest.server} is not the one of {where}, or of its key"
            raise RepositoryError(what, "report this as a bug")
        there = {each.name: each.bytes for each in self.folder.below()}
        for stored in manifest.objects:
            if there.get(stored.path) != stored.bytes:
                what = f"{self.folder.where(stored.path)} is not there with the {stored.bytes} bytes that were written"
                raise RepositoryError(what, "find out what removes or changes files of the repository")


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
    def begin_segment(self, segment: BackupId) -> Iterator[Draft]:
        """As `begin`, of a segment of the binary log; raises ObjectExistsError where it is there already."""
        folder = self.folder / segment.text
        with self._writing(f"binary log archive of {self.server}"):
            if folder.exists(MANIFEST):
                raise ObjectExistsError(f"{folder.where()} is there already")
            self._remove_unfinished([segment.text])  # not all: there are thousands of segments
            with self._draft(segment) as draft:
                yield draft

    def clean(self) -> list[str]:
        """Remove what killed runs left, and return its ids; raises RepositoryBusyError where a run is at work."""
        with self._writing(f"cleaning up after killed runs of {self.server}"):
            return self._remove_unfinished(self.folder.folders())

    def remove(self, entry: BackupEntry, patience: float = PATIENCE) -> None:
        """Delete a backup, when nobody reads in this stream any more.

        Killed at any moment it leaves the whole backup, or nothing that lists.

        Raises RepositoryBusyError after `patience` seconds, with nothing deleted.
        """
        if entry.stream != self.folder:
            raise RepositoryError(f"{entry.where} is not in {self.folder.where()}", "report this as a bug")
        purpose = f"deletion of {entry.id} of {self.server}"
        # first the readers, who may take long: meanwhile backups can be taken
        with self.folder.lock(READING, purpose, patience=patience), self._writing(purpose):
            try:
                entry.folder.replace(INCOMPLETE, _mark(_State.DELETING))
            except DiskFullError:  # which a deletion is to mend: without the manifest there is room for the mark
                entry.folder.delete(MANIFEST)
                entry.folder.replace(INCOMPLETE, _mark(_State.DELETING))
            entry.folder.delete(MANIFEST)
            _erase(entry.folder)

    @contextmanager
    def _writing(self, purpose: str) -> Iterator[None]:
        if not self.folder.store.is_there():
            raise RepositoryError(f"there is no repository at {self.folder.store.where('')}", "mount it, or create it")
        with self.folder.lock(WRITING, purpose):
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
            draft.folder.write(INCOMPLETE, _mark(_State.TAKING))
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
                elif _is_unfinished(folder, everybody=self.folder.store.capabilities.locks_all_machines):
                    _erase(folder)
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
            return _state_of(folder) is _State.PUBLISHING
        return bool(folder.below())
    except RepositoryError:
        return True


def _is_unfinished(folder: Folder, *, everybody: bool) -> bool:
    """Whether what has no manifest may be removed: it was never a backup, or is one that was being deleted.

    `everybody`: no run anywhere is at it, as the lock shows; else only what this user of this machine left, or what is
    older than any run gets.
    """
    if _state_of(folder) not in {_State.TAKING, _State.DELETING}:
        return False
    return everybody or _is_abandoned(folder)


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


class _State(StrEnum):
    """What a mark says: what there is of objects is not a backup yet, perhaps one, or not one any more."""

    TAKING = "taking"
    PUBLISHING = "publishing"
    DELETING = "deleting"


def _mark(state: _State) -> bytes:
    who = {"host": socket.gethostname(), "user": os.geteuid(), "process": os.getpid()}
    return (json.dumps({"state": state, **who, "since": datetime.now(UTC).isoformat()}) + "\n").encode()


def _marked(folder: Folder) -> dict[str, Any]:
    """What its mark says; nothing where there is none that can be read."""
    try:
        mark = json.loads(folder.read(INCOMPLETE))
    except (ObjectMissingError, ValueError):
        return {}
    return mark if isinstance(mark, dict) else {}


def _state_of(folder: Folder) -> _State | None:
    """None where nothing says it: then nothing may be removed."""
    state = _marked(folder).get("state")
    return _State(state) if state in set(_State) else None


def _is_abandoned(folder: Folder) -> bool:
    """Whether this user of this machine made that mark, whose locks would show, or it is older than any run gets."""
    mark = _marked(folder)
    if (mark.get("host"), mark.get("user")) == (socket.gethostname(), os.geteuid()):
        return True
    try:
        return datetime.now(UTC) - datetime.fromisoformat(mark["since"]) > _LONGEST_RUN
    except (ValueError, KeyError, TypeError):
        return False
