"""One backup copied into another repository: object by object, each compared with its manifest; the manifest last."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field

from pydantic import ValidationError

from chom_pipelines.errors import DamagedError, KeyUnavailableError, ObjectMissingError, UnencryptedError
from chom_pipelines.offsite.differences import Lacking
from chom_pipelines.offsite.throttle import Throttle
from chom_pipelines.repository.entry import BackupEntry
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.layout import GUIDE, MANIFEST, PINNED
from chom_pipelines.repository.manifest import Manifest, unauthenticated
from chom_pipelines.repository.objects import StoredObject, checked
from chom_pipelines.repository.publishing import Draft
from chom_pipelines.repository.store import Folder, uploading
from chom_pipelines.repository.streams import Stream

THREADS = 4
_COPY_AGAIN = "remove it there, and copy the backup again"


@dataclass(frozen=True)
class Copying:
    """How backups are copied: what opens them, how many objects at once, how fast, and who is told of bytes."""

    keyring: Keyring | None
    threads: int = THREADS
    throttle: Throttle = field(default_factory=Throttle)
    progress: Callable[[int], None] = lambda count: None  # noqa: ARG005  (nobody looks)
    reads_again: bool = False
    """What the target lists is read again, too, and an object that is not right there is put again."""

    def object(self, source: Folder, target: Folder, stored: StoredObject) -> None:
        """Copy one, which is there only if it is the one of its manifest; raises DamagedError where it is not."""
        where = source.where(stored.path)
        try:
            with uploading(target.put(stored.path, anew=True)) as upload:
                for piece in checked(source.open(stored.path), stored, None):
                    upload.write(piece)
                    self.progress(len(piece))
                    self.throttle.passed(len(piece))
        except ObjectMissingError as error:
            raise DamagedError(error.what) from error
        except DamagedError as error:
            what = error.what if where in error.what or "the store has" in error.what else f"{where}: {error.what}"
            raise DamagedError(what, error.remedy) from error


def copy_backup(lacking: Lacking, target: Stream, copying: Copying) -> bool:
    """Copy what the target lacks of a backup, and say whether anything was put; within `target.receiving`.

    An object counts when it was read back, by its checksum, from where it is now, and what an earlier copy left is read
    again: the manifest is put when all of them are there and right. What is broken off is not listed, and is continued.

    Raises DamagedError where the source is not what its manifest says, or the target has another backup of that name;
    RepositoryError.
    """
    entry = lacking.entry
    with entry.reading("copying"):
        original = _Original.of(entry, copying.keyring)
        draft = target.copy_of(entry.id)
        is_new = not draft.folder.exists(MANIFEST)
        _refuse_orphan(target, original.manifest)
        mended = not is_new and _mended(draft, original, copying.keyring)
        wanted = list(_wanted(draft.folder, original.manifest, are_read=is_new or copying.reads_again))
        _copy_all(entry.folder, draft.folder, wanted, copying)
        guided = _copy_guide(entry.folder, draft.folder, original.manifest)
        for name in lacking.records:
            _copy_record(entry.folder, draft.folder, name)
        _refuse_strays(lacking, original.manifest)
        if is_new:
            draft.publish_copy(original.manifest, original.sealed)
            if (since := entry.sealed()) != original.sealed:  # its key was wrapped anew meanwhile
                draft.folder.replace(MANIFEST, since)
    return bool(is_new or mended or wanted or guided)


@dataclass(frozen=True)
class _Original:
    """The manifest of what is copied, as it was sealed; authentic where its key is at hand.

    Who has a public half alone copies what he took.
    """

    manifest: Manifest
    sealed: bytes
    is_authentic: bool

    @classmethod
    def of(cls, entry: BackupEntry, keyring: Keyring | None) -> _Original:
        sealed = entry.sealed()
        try:
            return cls(entry.manifest(keyring), sealed, is_authentic=True)
        except KeyUnavailableError:
            return cls(_unauthenticated(entry), sealed, is_authentic=False)


def _unauthenticated(entry: BackupEntry) -> Manifest:
    try:
        return unauthenticated(entry.peek())
    except ValidationError as error:
        raise DamagedError(f"{entry.where}: the manifest cannot be read") from error


def _mended(draft: Draft, original: _Original, keyring: Keyring | None) -> bool:
    """Put the manifest again where the one that is there is spoiled, or has its key wrapped otherwise.

    Raises DamagedError where it is another backup's. One that cannot be authenticated here replaces none.
    """
    there = BackupEntry(draft.server, draft.stream, draft.id)
    if there.sealed() == original.sealed:
        return False
    try:
        found = there.manifest(keyring)
    except KeyUnavailableError:
        found = _unauthenticated(there)
    except (DamagedError, UnencryptedError):
        if not original.is_authentic:
            raise
        found = None
    if found and found.fingerprint != original.manifest.fingerprint:
        raise DamagedError(f"{there.where} is another backup than the one of that name here", _COPY_AGAIN)
    if original.is_authentic:
        draft.folder.replace(MANIFEST, original.sealed)
    return original.is_authentic


def _refuse_orphan(target: Stream, manifest: Manifest) -> None:
    if manifest.parent and not (target.folder / manifest.parent).exists(MANIFEST):
        what = f"{manifest.parent}, on which {manifest.id} builds, is not in {target.folder.where()}"
        raise DamagedError(what, f"copy {manifest.parent} first; where it is damaged, take a full backup")


def _refuse_strays(lacking: Lacking, manifest: Manifest) -> None:
    known = {GUIDE, MANIFEST, *lacking.records, *(stored.path for stored in manifest.objects)}
    strays = [name for name in lacking.names if name not in known]
    if strays:
        where = lacking.entry.folder.where(strays[0])
        raise DamagedError(f"{where} is not named by the manifest of {lacking.entry.id}", "find out whose it is")


def _wanted(target: Folder, manifest: Manifest, *, are_read: bool) -> Iterator[StoredObject]:
    """The objects that the target lacks, or has of another size, or, where they are read, not as they should be."""
    there = {each.name: each.bytes for each in target.below()}
    for stored in manifest.objects:
        if there.get(stored.path) != stored.bytes or (are_read and not _is_right(target, stored)):
            yield stored


def _is_right(folder: Folder, stored: StoredObject) -> bool:
    try:
        for _ in checked(folder.open(stored.path), stored, None):
            pass
    except DamagedError:
        return False
    return True


def _copy_all(source: Folder, target: Folder, wanted: Sequence[StoredObject], copying: Copying) -> None:
    if len(wanted) <= 1 or copying.threads == 1:
        for stored in wanted:
            copying.object(source, target, stored)
        return
    with ThreadPoolExecutor(copying.threads) as pool:
        futures = [pool.submit(copying.object, source, target, stored) for stored in wanted]
        try:
            for future in as_completed(futures):
                future.result()
        except BaseException:  # an interrupt, too: what was not begun is not begun any more
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _copy_guide(source: Folder, target: Folder, manifest: Manifest) -> bool:
    """Whether RESTORE.md was put: it is no object of the manifest's, which has its hash."""
    if not manifest.guide or target.exists(GUIDE):
        return False
    text = source.read(GUIDE)
    if hashlib.sha256(text).hexdigest() != manifest.guide:
        raise DamagedError(f"{source.where(GUIDE)} is not what was written")
    target.write(GUIDE, text)
    return True


def _copy_record(source: Folder, target: Folder, name: str) -> None:
    """Records are sealed each by itself, and whoever reads them looks at that; a pin may have changed."""
    try:
        data = source.read(name)
    except ObjectMissingError:  # it was unpinned meanwhile
        return
    if name == PINNED:
        target.replace(name, data)
    elif not target.exists(name):
        target.write(name, data)
    else:
        raise DamagedError(f"{target.where(name)} has another size than the one here", _COPY_AGAIN)
