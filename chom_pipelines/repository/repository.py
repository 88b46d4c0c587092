"""A repository: the streams of every server, in one store."""

from __future__ import annotations

from dataclasses import dataclass

from chom_pipelines.repository.entry import BackupEntry
from chom_pipelines.repository.layout import (
    ARCHIVE,
    BACKUPS,
    BENCHMARKS,
    BINLOGS,
    GROWTH,
    MIGRATIONS,
    STREAMED,
    is_month,
    month_name,
    stream_name,
)
from chom_pipelines.repository.store import Folder, Store
from chom_pipelines.repository.streams import Stream


@dataclass(frozen=True)
class Repository:
    """All backups of all servers; of one `month` of the second copy's archive, the one that is kept of that."""

    store: Store
    month: str = ""

    @property
    def where(self) -> str:
        """The place of it, for people."""
        return self.store.where("")

    def create(self) -> None:
        """Make it where it is not there yet; raises RepositoryError."""
        self.store.create()

    def servers(self) -> list[str]:
        """The servers of which there is something, whether or not chom.yaml names them; raises RepositoryError."""
        return self.store.folders("")

    def stream(self, server: str) -> Stream:
        """The full and incremental backups of a server; raises ConfigurationError for a name that is no folder's."""
        if self.month:
            return self.archived(server, self.month)
        return Stream(server, Folder(self.store, stream_name(server, BACKUPS)))

    def archived(self, server: str, month: str) -> Stream:
        """The backup of a month, as 2026-01, that stays for long; raises ConfigurationError."""
        return Stream(server, Folder(self.store, stream_name(server, ARCHIVE, month_name(month))))

    def months(self, server: str) -> list[str]:
        """Those of which there is something, sorted; raises ConfigurationError, RepositoryError."""
        return [name for name in Folder(self.store, stream_name(server, ARCHIVE)).folders() if is_month(name)]

    def binlogs(self, server: str, history: str) -> Stream:
        """One history of the server's binary log, in which no number of a file comes twice; raises ConfigurationError.

        It is called by the server's id, and `11.2` where that server began to count its files anew.
        """
        return Stream(server, Folder(self.store, stream_name(server, BINLOGS, history)))

    def streamed(self, server: str, history: str) -> Stream:
        """Parts of files of that history, as they were streamed: of those that are not whole in `binlogs` yet.

        They have a stream of their own, so that the two are written at the same time.
        """
        return Stream(server, self.streamed_of(server) / history)

    def binlogs_of(self, server: str) -> Folder:
        """The folder of all of `binlogs`; raises ConfigurationError."""
        return Folder(self.store, stream_name(server, BINLOGS))

    def streamed_of(self, server: str) -> Folder:
        """The folder of all of `streamed`; raises ConfigurationError."""
        return Folder(self.store, stream_name(server, STREAMED))

    def benchmarks_of(self, server: str) -> Folder:
        """The folder of its benchmark reports; raises ConfigurationError."""
        return Folder(self.store, stream_name(server, BENCHMARKS))

    def migrations_of(self, server: str) -> Folder:
        """The folder of its migration checks; raises ConfigurationError."""
        return Folder(self.store, stream_name(server, MIGRATIONS))

    def growth_of(self, server: str) -> Folder:
        """The folder of the records of each day; raises ConfigurationError."""
        return Folder(self.store, stream_name(server, GROWTH))

    def histories(self, server: str) -> list[str]:
        """What there is of `binlogs` and `streamed`, by name; raises ConfigurationError, RepositoryError."""
        return sorted({*self.binlogs_of(server).folders(), *self.streamed_of(server).folders()})

    def backups(self, server: str) -> list[BackupEntry]:
        """The entries of the stream of backups."""
        return self.stream(server).entries()

    def find(self, server: str, backup: str) -> BackupEntry:
        """As `Stream.find` in the stream of backups."""
        return self.stream(server).find(backup)
