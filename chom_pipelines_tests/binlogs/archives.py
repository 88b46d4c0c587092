"""A private server that is archived: what tests do to it, and to its archive."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from chom_pipelines.binlogs.archive.archiving import Archived, LogArchive, archive
from chom_pipelines.binlogs.archive.histories import History, histories
from chom_pipelines.binlogs.archive.segments import Segment
from chom_pipelines.binlogs.archive.server_logs import server_logs
from chom_pipelines.binlogs.recovery.recoverable import Recoverable, recoverable
from chom_pipelines.progress import unreported
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.objects import read_object
from chom_pipelines.server.facts import Flavour, read_facts
from chom_pipelines_tests.logical.taking import NAME, Backups
from chom_pipelines_tests.servers import PrivateServer, private_server


@dataclass(frozen=True)
class Archive:
    """A server with a table `shop.t`, and the archive of its binary log."""

    server: PrivateServer
    backups: Backups

    @classmethod
    def from_here(cls, server: PrivateServer, backups: Backups) -> Archive:
        """Of what the server logs from now on: what earlier tests logged is deleted, for to archive it takes long."""
        found = cls(server, backups)
        found.work("FLUSH BINARY LOGS")
        found.purge()
        return found

    def work(self, *statements: str) -> None:
        """Have the server execute these, else insert a row."""
        with self.server.connect() as session:
            session.execute("SET time_zone = '+00:00'")
            for statement in statements or ("INSERT INTO shop.t (s) VALUES (UUID())",):
                session.execute(statement)

    def archive(self, *, close: bool = True, keyring: Keyring | None = None) -> Archived:
        """Archive what is closed, by default after closing what is open."""
        self.backups.repository.create()
        policy = self.backups.policy.model_copy(update={"encrypt": self.keyring is not None})
        server, repository = self.backups.inventory(self.server), self.backups.repository
        return archive(LogArchive(server, policy, repository, keyring or self.keyring), unreported, close=close)

    @property
    def keyring(self) -> Keyring | None:
        return self.backups.keyring

    def histories(self) -> list[History]:
        return histories(self.backups.repository, NAME, self.keyring)

    @property
    def history(self) -> History:
        """The only one."""
        (found,) = self.histories()
        return found

    def recoverable(self) -> Recoverable:
        return recoverable(self.backups.repository, NAME, self.keyring)

    def stored(self, history: History, segment: Segment) -> bytes:
        """The bytes of the log in it."""
        entry = history.entry(segment)
        manifest = entry.manifest(self.keyring)
        (log,) = (each for each in manifest.objects if each.path == manifest.payload.log)  # type: ignore[union-attr]
        return b"".join(read_object(entry.folder, log, entry.data_key(self.keyring)))

    def files(self) -> list[str]:
        """What the server has."""
        with self.server.connect() as session:
            return [each.file for each in server_logs(session, read_facts(session))]

    def purge(self) -> None:
        """Have the server delete all that it has closed; MariaDB keeps a file that a checkpoint still needs."""
        while len(files := self.files()) > 1:
            self.work(f"PURGE BINARY LOGS TO '{files[-1]}'")

    def spoil(self, *, closing: bool = True, verifying: bool = False) -> str:
        """Change one byte of a file on the server's disk, by default after it was closed, and return its name.

        `verifying`: the server verifies what it sends, else it sends it as it is.
        """
        file = self.files()[-1]
        self.work("INSERT INTO shop.t (s) VALUES ('unmistakable')", *(["FLUSH BINARY LOGS"] if closing else []))
        with self.server.connect() as session:
            path = Path(str(session.value("SELECT @@log_bin_basename"))).parent / file
            role = "master" if self.server.facts.is_mariadb else "source"
            session.execute(f"SET GLOBAL {role}_verify_checksum = {int(verifying)}")
        with path.open("r+b") as opened:
            opened.seek(path.read_bytes().index(b"unmistakable"))
            opened.write(b"U")
        return file

    def on_disk(self, file: str) -> bytes:
        """A file of the server's binary log as it lies there."""
        with self.server.connect() as session:
            base = Path(str(session.value("SELECT @@log_bin_basename")))
        return (base.parent / file).read_bytes()


@contextmanager
def archived_server(flavour: Flavour, options: Sequence[str] = ()) -> Iterator[PrivateServer]:
    """Start a server of its own: what is done to its binary log is nobody else's business."""
    with private_server(flavour, options) as server:
        with server.connect() as session:
            session.execute("CREATE DATABASE shop")
            session.execute("CREATE TABLE shop.t (id INT AUTO_INCREMENT PRIMARY KEY, s TEXT)")
        yield server
