"""Physical backups in tests: taken, restored and run, and rewritten as only who has the key could."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from chom_pipelines.binlogs.archive.imports import LOG
from chom_pipelines.cache import cache_directory
from chom_pipelines.physical.chunks import Chunk
from chom_pipelines.physical.contents import FileContents
from chom_pipelines.physical.part_writer import PartStorage
from chom_pipelines.physical.parts import parts
from chom_pipelines.physical.taking import take_backup
from chom_pipelines.progress import Report, unreported
from chom_pipelines.repository.entry import BackupEntry
from chom_pipelines.repository.layout import Kind
from chom_pipelines.restores.data_files import FilesRestored, restore_files_into_directory
from chom_pipelines.restores.selection import RestoreRequest
from chom_pipelines.server.connection import Session
from chom_pipelines.server.facts import Flavour
from chom_pipelines.server.scratch import scratch_server
from chom_pipelines_tests.logical.taking import NAME, Backups
from chom_pipelines_tests.servers import PrivateServer

REQUEST = RestoreRequest(threads=2)
WARM = ("Innodb_buffer_pool_load_status", "load completed")
"""What a server says that has read the pages which are listed in its directory."""


def take_files(
    backups: Backups,
    server: PrivateServer,
    *databases: str,
    report: Report = unreported,
    kind: Kind = Kind.FULL,
) -> BackupEntry:
    """Take a physical backup with the least-privilege account."""
    backups.repository.create()
    policy = backups.policy.model_copy(update={"encrypt": backups.keyring is not None})
    inventory = backups.inventory(server, *databases)
    keyring, repository = backups.keyring, backups.repository
    entry, _ = take_backup(inventory, policy, repository, keyring, report, log=LOG, kind=kind)
    return entry


def restored(backups: Backups, entry: BackupEntry, directory: Path) -> FilesRestored:
    """Restore it into a directory."""
    return restore_files_into_directory(entry, backups.keyring, directory, REQUEST, unreported)


def copying_options(flavour: Flavour) -> tuple[str, ...]:
    """Options of a server whose files can be copied: of MySQL, with the plugin that its package brings."""
    if flavour is Flavour.MARIADB:
        return ()
    plugins = cache_directory() / "mysql" / "root" / "usr" / "lib" / "mysql" / "plugin"
    return (f"--plugin-dir={plugins}", "--plugin-load-add=clone=mysql_clone.so")


@contextmanager
def running(directory: Path, flavour: Flavour = Flavour.MARIADB) -> Iterator[Session]:
    """A session on a server that has started on that directory, with whatever accounts it has."""
    with (
        scratch_server(flavour, data_directory=directory, options=("--skip-grant-tables",)) as server,
        Session(server.endpoint) as session,
    ):
        yield session


def list_memory(session: Session) -> str:
    """Have the server list the pages that it has in memory; what it has written."""
    session.execute("SET GLOBAL innodb_buffer_pool_dump_now = ON")
    wait_for(session, "Innodb_buffer_pool_dump_status", "dump completed")
    return Path(str(session.value("SELECT @@datadir")), "ib_buffer_pool").read_text()


def wait_for(session: Session, status: str, said: str) -> None:
    """Until the server's status of that name says so."""
    give_up = time.monotonic() + 60
    while said not in str(found := session.rows(f"SHOW STATUS LIKE '{status}'")):
        assert time.monotonic() < give_up, found
        time.sleep(0.05)  # the server tells nobody when it is done


def rewritten(
    backups: Backups, entry: BackupEntry, change: Callable[[Iterator[Chunk]], Iterator[Chunk]]
) -> BackupEntry:
    """Another backup, of the same key, whose chunks are what `change` makes of those of the first."""
    contents = FileContents.of(entry, backups.keyring)
    (codec,) = {stored.codec for stored in contents.manifest.objects}
    with backups.repository.stream(NAME).begin(Kind.FULL, datetime.now(UTC)) as draft:
        storing = PartStorage(draft.folder, codec, 1, contents.key)
        chunks = change(chunk for path in contents.physical.parts for chunk in contents.chunks(path))
        stored = [storing.part(number, part) for number, part in enumerate(parts(chunks))]
        payload = contents.physical.model_copy(update={"parts": tuple(one.path for one in stored)})
        update = {"id": draft.id, "payload": payload, "objects": tuple(stored), "guide": None}
        return draft.publish(contents.manifest.model_copy(update=update), contents.key)
