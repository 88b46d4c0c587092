"""A draft becomes a backup by its manifest, which is put last: that is the one commit."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from chom_pipelines.errors import RepositoryError
from chom_pipelines.repository.encryption import DataKey
from chom_pipelines.repository.entry import BackupEntry
from chom_pipelines.repository.incomplete import State, mark
from chom_pipelines.repository.layout import INCOMPLETE, MANIFEST
from chom_pipelines.repository.manifest import Manifest, seal
from chom_pipelines.repository.store import Folder


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
        if (manifest.server, manifest.id, manifest.key is None) != (self.server, self.id, key is None):
            where = self.folder.where()
            what = f"the manifest of {manifest.id} of {manifest.server} is not the one of {where}, or of its key"
            raise RepositoryError(what, "report this as a bug")
        return self.publish_copy(manifest, seal(manifest, key.mac if key else None))

    def publish_copy(self, manifest: Manifest, sealed: bytes) -> BackupEntry:
        """The same by a manifest as it was sealed when it was taken; its key is not needed."""
        for missing in lacking(self.folder, manifest):
            raise RepositoryError(missing, "find out what removes or changes files of the repository")
        # from here on it is a backup, if only one that the next run has to put the manifest of
        self.folder.replace(INCOMPLETE, mark(State.PUBLISHING, sealed))
        self.folder.write(MANIFEST, sealed)
        with suppress(RepositoryError):  # it is published all the same; the next run removes the mark
            self.folder.delete(INCOMPLETE)
        return BackupEntry(self.server, self.stream, self.id)


def lacking(folder: Folder, manifest: Manifest) -> Iterator[str]:
    """Say of each object of the manifest that is not there in full; nothing is read of them."""
    there = {each.name: each.bytes for each in folder.below()}
    for stored in manifest.objects:
        if there.get(stored.path) != stored.bytes:
            yield f"{folder.where(stored.path)} is not there with the {stored.bytes} bytes that were written"
