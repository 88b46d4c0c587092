"""A repository: the streams of every server, in one store."""

from __future__ import annotations

from dataclasses import dataclass

from chom_pipelines.repository.entry import BackupEntry
from chom_pipelines.repository.layout import BACKUPS, BINLOGS, stream_name
from chom_pipelines.repository.store import Folder, Store
from chom_pipelines.repository.streams import Stream


@dataclass(frozen=True)
class Repository:
    """All backups of all servers."""

    store: Store

    @property
    def where(self) -> str:
        """The place of it, for people."""
        return self.store.where("")

    def create(self) -> None:
        """Make it where it is not there yet; raises RepositoryError."""
        self.store.create()

    def stream(self, server: str) -> Stream:
        """The full and incremental backups of a server; raises ConfigurationError for a name that is no folder's."""
        return Stream(server, Folder(self.store, stream_name(server, BACKUPS)))

    def binlogs(self, server: str, server_id: int) -> Stream:
        """The archived binary log of the server with that id; raises ConfigurationError."""
        return Stream(server, Folder(self.store, stream_name(server, BINLOGS, str(server_id))))

    def backups(self, server: str) -> list[BackupEntry]:
        """The entries of the stream of backups."""
        return self.stream(server).entries()

    def find(self, server: str, backup: str) -> BackupEntry:
        """As `Stream.find` in the stream of backups."""
        return self.stream(server).find(backup)
