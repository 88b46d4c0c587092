"""Taking backups of private servers in tests, with the least-privilege account and never more."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

from chom_pipelines.inventory.models import Server
from chom_pipelines.inventory.policies import BackupPolicy
from chom_pipelines.inventory.secrets import SecretReference
from chom_pipelines.logical.dump import take_backup
from chom_pipelines.progress import Report, unreported
from chom_pipelines.repository.codecs import Codec
from chom_pipelines.repository.entry import BackupEntry
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.local_store import LocalStore
from chom_pipelines.repository.manifest import Manifest
from chom_pipelines.repository.payloads import Table
from chom_pipelines.repository.repository import Repository
from chom_pipelines.repository.store import Store
from chom_pipelines.server.connection import Session
from chom_pipelines_tests.servers import PrivateServer

NAME = "source"

ALONE = BackupPolicy(threads=1, compression=Codec.NONE, level=0)
TOGETHER = BackupPolicy(threads=2, compression=Codec.NONE, level=0)
"""What dumps themselves are tested with; elsewhere a second connection, with its process, proves no more."""


@dataclass(frozen=True)
class Backups:
    """A repository, below `directory` or in the `store`, and the way backups get into it."""

    directory: Path
    keyring: Keyring | None = None
    policy: BackupPolicy = ALONE
    store: Store | None = None

    @property
    def repository(self) -> Repository:
        return Repository(self.store or LocalStore(self.directory / "repository"))

    def entries(self) -> list[BackupEntry]:
        """What is listed."""
        return self.repository.backups(NAME)

    def inventory(self, server: PrivateServer, *databases: str) -> Server:
        """The server as chom.yaml would name it; no database means all."""
        password = self.directory / "password"
        password.write_text(server.backup.password)
        return Server(
            name=NAME,
            host=server.backup.host,
            port=server.backup.port,
            user=server.backup.user,
            password=SecretReference(file=password),
            databases=databases or None,
        )

    def take(self, server: PrivateServer, *databases: str, report: Report = unreported) -> BackupEntry:
        """Take a backup of these databases."""
        self.repository.create()
        policy = self.policy.model_copy(update={"encrypt": self.keyring is not None})
        entry, _ = take_backup(self.inventory(server, *databases), policy, self.repository, self.keyring, report)
        return entry

    def manifest(self, entry: BackupEntry) -> Manifest:
        """What the backup says of itself, authenticated."""
        return entry.manifest(self.keyring)


def table_of(manifest: Manifest, label: str) -> Table:
    """The table called `database.table`."""
    return next(table for table in manifest.logical.tables if f"{table.database}.{table.name}" == label)


def once(action: Callable[[], object]) -> Report:
    """A Report that acts the first time that a dump tells of rows: then the snapshot is there, and rows are to come."""
    done: list[bool] = []

    def report(_done: int, _total: int | None, _label: str) -> None:
        if not done:
            done.append(True)
            action()

    return report


def filled(session: Session, table: str, rows: int, expressions: str) -> None:
    """Insert `rows` rows of these expressions, which see the numbers 1 to `rows` as `n`."""
    digits = " UNION ALL ".join(f"SELECT {digit} AS d" for digit in range(10))
    places = range(len(str(rows)))
    number = " + ".join(f"{10**place} * d{place}.d" for place in places)
    joined = ", ".join(f"({digits}) d{place}" for place in places)
    session.execute(
        f"INSERT INTO {table} SELECT {expressions} FROM (SELECT 1 + {number} AS n FROM {joined}) numbers "
        f"WHERE n <= {rows} ORDER BY n",
    )


def workers_of(owner: psutil.Process) -> list[psutil.Process]:
    """The processes that dump for this one: children of the one that it started, which has made them."""
    started = [each for each in owner.children() if "chom_pipelines.logical.worker" in " ".join(each.cmdline())]
    return [worker for each in started for worker in each.children()]
