"""Deletion of a backup, and the end of what killed runs have left: at any moment there is a whole backup, or none."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from pydantic import ValidationError

from chom_pipelines.errors import DamagedError, DiskFullError, RepositoryError, UnknownFormatError
from chom_pipelines.repository.entry import BackupEntry
from chom_pipelines.repository.incomplete import Mark, State, mark
from chom_pipelines.repository.layout import INCOMPLETE, MANIFEST, Kind, parse_id
from chom_pipelines.repository.manifest import peek, unauthenticated
from chom_pipelines.repository.pins import pinned
from chom_pipelines.repository.publishing import lacking
from chom_pipelines.repository.store import Folder


def refuse_needed(entry: BackupEntry, entries: Callable[[], Iterable[BackupEntry]]) -> None:
    """Raise RepositoryError where it is pinned, or one of the entries of its stream builds on it."""
    own = parse_id(entry.id)
    if own and own.kind is Kind.BINLOG:  # of thousands of segments neither is ever asked
        return
    if pinned(entry) is not None:
        raise RepositoryError(
            f"{entry.where} is pinned", f"`chom backups unpin {entry.id} --server {entry.server}` lets it go"
        )
    for other in entries():
        identity = parse_id(other.id)
        if other.id == entry.id or identity is None or identity.kind is not Kind.INCREMENTAL:
            continue
        if other.folder.exists(MANIFEST) and _parent(other) == entry.id:
            raise RepositoryError(f"{other.where} builds on {entry.id}", f"delete {other.id} first")


def _parent(entry: BackupEntry) -> object:
    """What it says that it builds on; None where it says nothing that can be read."""
    try:
        return entry.peek().get("parent")
    except (DamagedError, UnknownFormatError):
        return None


def delete_backup(folder: Folder) -> None:
    """Delete the backup in it: its manifest, then the rest; raises RepositoryError."""
    try:
        folder.replace(INCOMPLETE, mark(State.DELETING))
    except DiskFullError:  # which a deletion is to mend: without the manifest there is room for the mark
        folder.delete(MANIFEST)
        folder.replace(INCOMPLETE, mark(State.DELETING))
    folder.delete(MANIFEST)
    erase_folder(folder)


def end_unfinished(folder: Folder, *, everybody: bool) -> bool:
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
    erase_folder(folder)
    return True


def _is_whole(folder: Folder, sealed: bytes) -> bool:
    try:
        return not any(lacking(folder, unauthenticated(peek(sealed, folder.where(INCOMPLETE)))))
    except (DamagedError, ValidationError):
        return False


def erase_folder(folder: Folder) -> None:
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
