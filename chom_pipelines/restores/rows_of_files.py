"""The rows that a private server has, as a backup of rows: what can be done with one can be done with them.

So the tables of a backup of files go into a running server, and those of a recovery.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from chom_pipelines.errors import RestoreRefusedError
from chom_pipelines.inventory.models import Server
from chom_pipelines.inventory.policies import BackupPolicy, Verification
from chom_pipelines.inventory.secrets import SecretReference
from chom_pipelines.logical.accounts import Account
from chom_pipelines.logical.dump import take_backup
from chom_pipelines.progress import Report
from chom_pipelines.repository.entry import BackupEntry
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.local_store import LocalStore
from chom_pipelines.repository.repository import Repository
from chom_pipelines.restores.definers import definers_of_views, stand_ins
from chom_pipelines.restores.likeness import any_case
from chom_pipelines.restores.starts import Start, start_of
from chom_pipelines.server.connection import Session
from chom_pipelines.server.directories import claimed_directory, roomy_base
from chom_pipelines.server.scratch import ScratchServer


@contextmanager
def rows_of_files(
    entry: BackupEntry, keyring: Keyring | None, databases: Sequence[str] | None, threads: int, report: Report
) -> Iterator[BackupEntry]:
    """A backup of the rows that are in one of files, of these databases (None: all), for the length of the block.

    Raises DamagedError, KeyUnavailableError; UnsupportedBackupError or ProgramMissingError where no program here can
    run on the files; ScratchServerError where there is no room, and what taking a backup of rows raises.
    """
    with entry.reading("restore"):
        start = start_of(entry, keyring, databases, report, threads)
        with (
            start.server(()) as server,
            stand_ins(server, definers_of_views(server)) as others,
            dumped(start, server, report, others) as rows,
        ):
            yield rows


@contextmanager
def dumped(start: Start, server: ScratchServer, report: Report, others: Collection[Account]) -> Iterator[BackupEntry]:
    """A backup of what a private server has that began with `start`, without the accounts `others` that are stand-ins.

    Raises what taking it raises.
    """
    with claimed_directory(roomy_base(start.bytes, 0, None)) as store:
        repository = Repository(LocalStore(store.path / "repository"))
        repository.create()
        policy = BackupPolicy(level=1, threads=start.threads, verification=Verification.NONE)
        entry, _ = take_backup(_as_server(start, server, store.path), policy, repository, None, report, others=others)
        yield entry


def _as_server(start: Start, server: ScratchServer, private: Path) -> Server:
    """What there is of the databases that are wanted; its password is written into a private directory."""
    endpoint, password, wanted = server.endpoint, private / "password", start.wanted
    password.touch(0o600)
    password.write_text(endpoint.password)
    if wanted is not None:
        same = str.lower if any_case(start.manifest.source) else str
        names = set(map(same, wanted))
        with Session(endpoint) as session:
            there = [str(name) for (name,) in session.rows("SHOW DATABASES")]
        wanted = tuple(name for name in there if same(name) in names)
        if not wanted:
            what = f"{start.manifest.id} has no database {', '.join(start.wanted or ())}"
            raise RestoreRefusedError(what, "name databases and tables as they were called then")
    return Server(
        name=start.manifest.server,
        socket=Path(endpoint.socket or ""),
        user=endpoint.user,
        password=SecretReference(file=password),
        databases=wanted,
    )
