"""The rows that a private server has, as a backup of rows: what can be done with one can be done with them.

So the tables of a backup of files go into a running server, and those of a recovery.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from chom_pipelines.errors import ConfigurationError, RestoreRefusedError
from chom_pipelines.inventory.models import Server
from chom_pipelines.inventory.policies import BackupPolicy, Verification
from chom_pipelines.inventory.secrets import SecretReference
from chom_pipelines.logical.accounts import Account
from chom_pipelines.logical.dump import take_backup
from chom_pipelines.progress import Report
from chom_pipelines.repository.entry import BackupEntry
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.local_store import LocalStore
from chom_pipelines.repository.manifest import Manifest
from chom_pipelines.repository.repository import Repository
from chom_pipelines.restores.definers import definers_of_views, stand_ins
from chom_pipelines.restores.execution import RestoreResult
from chom_pipelines.restores.failed_proofs import refuse_failed
from chom_pipelines.restores.likeness import any_case
from chom_pipelines.restores.restoring import restore_into_server
from chom_pipelines.restores.selection import RestoreRequest
from chom_pipelines.restores.standing import refuse_unfit_target
from chom_pipelines.restores.starts import Start, start_of
from chom_pipelines.server.claimed_directories import claimed_directory, roomy_base
from chom_pipelines.server.connection import Session
from chom_pipelines.server.endpoint import Endpoint
from chom_pipelines.server.facts import SYSTEM_DATABASES, read_facts
from chom_pipelines.server.scratch import ScratchServer


def restore_files_into_server(
    entry: BackupEntry,
    keyring: Keyring | None,
    target: Endpoint,
    request: Callable[[Manifest], RestoreRequest],
    report: Report,
    *,
    databases: Sequence[str] | None,
) -> RestoreResult:
    """Restore rows of a physical backup into a running server; `request` says which, of it and of a backup of them.

    Raises what `refuse_early`, `rows_of_files` and `restore_into_server` raise.
    """
    refuse_early(entry, keyring, target, request(entry.manifest(keyring)))
    with rows_of_files(entry, keyring, request, report, databases=databases) as (rows, wanted):
        return restore_into_server(rows, None, target, wanted, report)


def refuse_early(entry: BackupEntry, keyring: Keyring | None, target: Endpoint, wanted: RestoreRequest) -> None:
    """Refuse what can be refused before a private server runs on the files, which takes its time.

    Raises ConfigurationError for tables of the server's own databases; RestoreRefusedError, UnsupportedServerError, and
    the errors of the target.
    """
    if own := [name for name in databases_of(wanted.tables) or () if name.lower() in SYSTEM_DATABASES]:
        what = f"{', '.join(own)} is the server's own: no table of it is restored as rows"
        raise ConfigurationError(what, "restore with --into-directory, where all of the server is")
    refuse_failed(entry, keyring, wanted)
    with Session(target) as session:
        refuse_unfit_target(entry.manifest(keyring), read_facts(session), target)


@contextmanager
def rows_of_files(
    entry: BackupEntry,
    keyring: Keyring | None,
    request: Callable[[Manifest], RestoreRequest],
    report: Report,
    *,
    databases: Sequence[str] | None,
) -> Iterator[tuple[BackupEntry, RestoreRequest]]:
    """A backup of the rows that are in one of files, and what is wanted of it, for the length of the block.

    It is of the databases of the tables that are wanted, where their names tell; else of these (None: all).

    Raises DamagedError, KeyUnavailableError; UnsupportedBackupError or ProgramMissingError where no program here can
    run on the files; ScratchServerError where there is no room, and what taking a backup of rows raises.
    """
    wanted = request(entry.manifest(keyring))
    with entry.reading("restore"):
        start = start_of(entry, keyring, databases_of(wanted.tables) or databases, report, wanted.threads)
        with (
            start.server(()) as server,
            stand_ins(server, definers_of_views(server)) as others,
            dumped(start, server, report, others) as rows,
        ):
            yield rows, replace(request(rows.manifest(None)), called=entry.id)


def databases_of(tables: Sequence[str] | None) -> tuple[str, ...] | None:
    """Of the tables `database.table`; None: of all of them, or of some whose names do not tell. Pure."""
    if tables is None or any(name.count(".") != 1 for name in tables):
        return None
    return tuple(dict.fromkeys(name.partition(".")[0] for name in tables))


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
