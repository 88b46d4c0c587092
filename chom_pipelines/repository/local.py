"""The local repository: drafts that become backups in one atomic step, and what is published."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from chom_pipelines.errors import BackupNotFoundError, RepositoryError
from chom_pipelines.repository.encryption import DataKey
from chom_pipelines.repository.entry import BackupEntry
from chom_pipelines.repository.files import make_directory, reported, sync_path, sync_tree, write_file
from chom_pipelines.repository.layout import MANIFEST, STAGING, backup_id, backups_directory
from chom_pipelines.repository.lock import repository_lock
from chom_pipelines.repository.manifest import Manifest, seal

LATEST = "latest"


@dataclass(frozen=True)
class Draft:
    """A backup that is being taken: nothing lists it before it is published. `path` is its directory meanwhile."""

    server: str
    id: str
    path: Path

    def write(self, name: str, data: bytes) -> None:
        """Write a small file as it is, such as RESTORE.md; raises DiskFullError or RepositoryError."""
        write_file(self.path / name, data)

    def publish(self, manifest: Manifest, key: DataKey | None) -> BackupEntry:
        """Make it the backup that `manifest` describes: one atomic step, after every byte of it is on disk.

        Raises RepositoryError, with nothing published, where the manifest is of another backup or key, or names an
        object that is not there in full; DiskFullError.
        """
        self._refuse_what_is_not_there(manifest, key)
        published = self.path.with_name(self.id)
        with reported(published):
            sync_tree(self.path)
            write_file(self.path / MANIFEST, seal(manifest, key.mac if key else None))
            self.path.rename(published)
            sync_path(published.parent)
        return BackupEntry(self.server, published)

    def _refuse_what_is_not_there(self, manifest: Manifest, key: DataKey | None) -> None:
        if (manifest.server, manifest.id, manifest.key is None) != (self.server, self.id, key is None):
            what = f"the manifest of {manifest.id} of {manifest.server} is not the one of {self.path}, or of its key"
            raise RepositoryError(what, "report this as a bug")
        for stored in manifest.objects:
            file = self.path / stored.path
            if not file.is_file() or file.stat().st_size != stored.bytes:
                what = f"{file} is not there with the {stored.bytes} bytes that were written"
                raise RepositoryError(what, "find out what removes or changes files of the repository")


@dataclass(frozen=True)
class Repository:
    """The local repository; `path` is its directory."""

    path: Path

    def create(self) -> None:
        """Make its directory, 0700, where it is not there yet; raises RepositoryError."""
        with reported(self.path):
            make_directory(self.path)

    def backups(self, server: str) -> list[BackupEntry]:
        """All that is published, oldest first; nothing of it is read. Raises RepositoryError."""
        directory = backups_directory(self.path, server)
        with reported(directory):
            try:
                names = sorted(path.name for path in directory.iterdir() if path.is_dir() and path.name[0] != ".")
            except FileNotFoundError:
                return []
        return [BackupEntry(server, directory / name) for name in names]

    def find(self, server: str, backup: str) -> BackupEntry:
        """The backup of that id, or the last one for "latest"; raises BackupNotFoundError."""
        entries = self.backups(server)
        wanted = [entry for entry in entries if entry.id == backup or (backup == LATEST and entry.time)]
        if wanted:
            return wanted[-1]
        what = f"{self.path} has no backup {backup!r} of the server {server!r}; it has {len(entries)} others"
        raise BackupNotFoundError(what, "`chom backups` lists them" if entries else "take one with `chom backup`")

    @contextmanager
    def lock(self, server: str, purpose: str) -> Iterator[Path]:
        """Hold the lock on a server's backups and give their directory; raises RepositoryBusyError, RepositoryError."""
        directory = backups_directory(self.path, server)
        if not self.path.is_dir():
            raise RepositoryError(f"there is no repository at {self.path}", "mount it, or create it")
        with reported(directory):
            make_directory(directory)
        with repository_lock(directory, purpose):
            yield directory

    @contextmanager
    def begin(self, server: str, now: datetime) -> Iterator[Draft]:
        """Hold the server's lock, remove what killed runs left, and give an empty draft; `now` is aware.

        What is not published when the context ends is removed. Raises RepositoryBusyError, RepositoryError.
        """
        with self.lock(server, f"full backup of {server}") as directory:
            _remove_drafts(directory)
            name = backup_id(now, frozenset(entry.id for entry in self.backups(server)))
            draft = Draft(server, name, directory / f"{STAGING}{name}")
            try:
                with reported(draft.path):
                    make_directory(draft.path)
                yield draft
            finally:
                shutil.rmtree(draft.path, ignore_errors=True)  # the next run removes what could not be removed now

    def clean(self, server: str) -> list[str]:
        """Remove what killed runs left, and return its names; raises RepositoryBusyError where a run is at work."""
        with self.lock(server, f"cleaning up after killed runs of {server}") as directory:
            return _remove_drafts(directory)


def _remove_drafts(directory: Path) -> list[str]:
    drafts = sorted(directory.glob(f"{STAGING}*"))
    for draft in drafts:
        with reported(draft):
            shutil.rmtree(draft)
    return [draft.name for draft in drafts]
