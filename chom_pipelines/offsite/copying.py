"""One backup copied into another repository: object by object, each compared with its manifest; the manifest last."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from pydantic import ValidationError

from chom_pipelines.errors import DamagedError, KeyUnavailableError, ObjectMissingError, RepositoryError
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
_PUSH_AGAIN = "remove it there, and copy the backup again"


@dataclass(frozen=True)
class Copying:
    """How backups are copied: what opens them, how many objects at once, how fast, and who is told of bytes."""

    keyring: Keyring | None
    threads: int = THREADS
    throttle: Throttle = field(default_factory=Throttle)
    progress: Callable[[int], None] = lambda count: None  # noqa: ARG005  (nobody looks)

    def object(self, source: Folder, target: Folder, stored: StoredObject) -> None:
        """Copy one, which is there only if it is the one of its manifest; raises DamagedError where it is not."""
        where = source.where(stored.path)
        try:
            with uploading(target.put(stored.path)) as upload:
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
    """Copy what the target lacks of a backup, and say whether it was new there; within `target.receiving`.

    An object counts when it was read back, by its checksum, from where it is now; the manifest is put when all of them
    are there, so that what is broken off is not listed, and is continued by the next copy.

    Raises DamagedError where the source, or what the target has of it, is not what its manifest says; RepositoryError.
    """
    entry = lacking.entry
    with entry.reading("copying"):
        sealed = entry.folder.read(MANIFEST)
        manifest = _manifest(entry, copying.keyring)
        draft = target.copy_of(entry.id)
        is_new = not draft.folder.exists(MANIFEST)
        if not is_new:
            _refuse_another(draft, manifest)
        _refuse_orphan(target, manifest)
        _copy_objects(entry.folder, draft.folder, manifest, copying)
        for name in lacking.records:
            _copy_record(entry.folder, draft.folder, name)
        if is_new:
            draft.publish_copy(manifest, sealed)
    return is_new


def _manifest(entry: BackupEntry, keyring: Keyring | None) -> Manifest:
    """The manifest, authenticated where its key is at hand: who has a public half alone copies what he took."""
    try:
        return entry.manifest(keyring)
    except KeyUnavailableError:
        try:
            return unauthenticated(entry.peek())
        except ValidationError as error:
            raise DamagedError(f"{entry.where}: the manifest cannot be read") from error


def _refuse_another(draft: Draft, manifest: Manifest) -> None:
    there = BackupEntry(draft.server, draft.stream, draft.id)
    try:
        found = unauthenticated(there.peek())
    except ValidationError as error:
        raise DamagedError(f"{there.where}: the manifest cannot be read", _PUSH_AGAIN) from error
    if found.fingerprint != manifest.fingerprint:
        raise DamagedError(f"{there.where} is another backup than the one of that name here", _PUSH_AGAIN)


def _refuse_orphan(target: Stream, manifest: Manifest) -> None:
    if manifest.parent and not (target.folder / manifest.parent).exists(MANIFEST):
        what = f"{manifest.parent}, on which {manifest.id} builds, is not in {target.folder.where()}"
        raise DamagedError(what, f"copy {manifest.parent} first; where it is damaged, take a full backup")


def _copy_objects(source: Folder, target: Folder, manifest: Manifest, copying: Copying) -> None:
    there = {each.name: each.bytes for each in target.below()}
    for stored in manifest.objects:
        if there.get(stored.path, stored.bytes) != stored.bytes:
            what = f"{target.where(stored.path)} has {there[stored.path]} bytes, and {stored.bytes} here"
            raise DamagedError(what, _PUSH_AGAIN)
    missing = [stored for stored in manifest.objects if stored.path not in there]
    if len(missing) == 1 or copying.threads == 1:
        for stored in missing:
            copying.object(source, target, stored)
    elif missing:
        _copy_at_once(source, target, missing, copying)
    if manifest.guide and GUIDE not in there:
        text = source.read(GUIDE)
        if hashlib.sha256(text).hexdigest() != manifest.guide:
            raise DamagedError(f"{source.where(GUIDE)} is not what was written")
        target.write(GUIDE, text)


def _copy_at_once(source: Folder, target: Folder, missing: Iterable[StoredObject], copying: Copying) -> None:
    with ThreadPoolExecutor(copying.threads) as pool:
        futures = [pool.submit(copying.object, source, target, stored) for stored in missing]
        try:
            for future in futures:
                future.result()
        except BaseException:  # an interrupt, too: what was not begun is not begun any more
            pool.shutdown(wait=False, cancel_futures=True)
            raise


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
        raise RepositoryError(f"{target.where(name)} has another size than the one here", _PUSH_AGAIN)
