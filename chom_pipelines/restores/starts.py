"""What a recovery starts with: a full backup, and how a private server comes to have what is in it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Protocol

from chom_pipelines.errors import RestoreRefusedError
from chom_pipelines.logical.accounts import Account
from chom_pipelines.logical.contents import Contents
from chom_pipelines.logical.definition_lines import ForeignKey, foreign_keys
from chom_pipelines.phases import timed
from chom_pipelines.physical.contents import FileContents
from chom_pipelines.physical.serving import POOL_LEFT, flavour_of, prepared, refuse_other_series
from chom_pipelines.progress import Report
from chom_pipelines.repository.entry import BackupEntry
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.manifest import Manifest
from chom_pipelines.repository.payloads import Method
from chom_pipelines.repository.timing import Amounts
from chom_pipelines.restores.definers import definers
from chom_pipelines.restores.directory_filling import FAST, new_server
from chom_pipelines.restores.execution import RestoreResult
from chom_pipelines.restores.likeness import birth_options, zones_of
from chom_pipelines.restores.restoring import refusal_of, restore_contents
from chom_pipelines.restores.selection import RestoreRequest
from chom_pipelines.server.claimed_directories import MIB, claimed_directory, roomy_base
from chom_pipelines.server.connection import Endpoint, Session
from chom_pipelines.server.facts import Flavour
from chom_pipelines.server.questions import databases_there
from chom_pipelines.server.scratch import ProductionFiles, ScratchServer, scratch_server
from chom_pipelines.server.versions import parse_version

_HEADROOM = 512 * MIB
"""For the redo log, undo and temporary files of a server on unpacked files."""


class Start(Protocol):
    """A full backup that is open, and onto which a log is replayed."""

    @property
    def manifest(self) -> Manifest:
        """Its own."""

    @property
    def databases(self) -> tuple[str, ...] | None:
        """Those that it has alone; None: it has all that there were."""

    @property
    def wanted(self) -> Sequence[str] | None:
        """The databases of it that a dump is to have; None: all."""

    @property
    def tables(self) -> frozenset[str] | None:
        """Labels of those that it has; None: it does not tell."""

    @property
    def bytes(self) -> int:
        """Of its data, about."""

    @property
    def amounts(self) -> Amounts:
        """What the time of its restore goes by."""

    @property
    def threads(self) -> int:
        """How many a restore or a dump of it may have; 0: one per core."""

    @property
    def of_files(self) -> bool:
        """It is a whole server: accounts come with it, and its definitions are known once a server runs on it."""

    @property
    def foreign_keys(self) -> Sequence[ForeignKey]:
        """Those of its tables, where it has some databases alone."""

    @property
    def definers(self) -> Sequence[Account]:
        """Those of its views and programs, where they do not come with it."""

    def server(self, options: Sequence[str], data: Path | None = None) -> AbstractContextManager[ScratchServer]:
        """A private server for `fill`, for the length of the block.

        It runs on the data directory `data`, which is made, and is shut down in order; without that it leaves nothing.
        Raises what starting it raises, and RestoreFailedError.
        """

    def fill(self, server: ScratchServer, *, accounts: bool, report: Report) -> RestoreResult:
        """Have that server hold what is in the backup; raises what restoring raises."""

    def refusal(self, target: Endpoint, request: RestoreRequest) -> RestoreRefusedError | None:
        """Why a restore of the backup into a running server would be refused, as far as it tells; raises its errors."""


def start_of(
    entry: BackupEntry,
    keyring: Keyring | None,
    databases: Sequence[str] | None,
    report: Report,
    threads: int,
) -> Start:
    """Open a full backup; of one of a whole server, a dump is to have only these databases (None: all).

    It is restored, and dumped again, by so many threads; 0: one per core.

    Raises DamagedError, KeyUnavailableError; UnsupportedBackupError or ProgramMissingError where no program here can
    run on its files.
    """
    if entry.manifest(keyring).method is Method.LOGICAL:
        return RowsStart(Contents.of(entry, keyring), threads)
    contents = FileContents.of(entry, keyring)
    contents.refuse_incomplete()
    refuse_other_series(contents)
    return FilesStart(contents, databases, report, threads)


@dataclass(frozen=True)
class RowsStart:
    """A logical backup: it is restored into an empty server."""

    contents: Contents
    threads: int
    of_files = False

    @property
    def manifest(self) -> Manifest:
        """As `Start` says."""
        return self.contents.manifest

    @property
    def databases(self) -> tuple[str, ...] | None:
        """As `Start` says."""
        logical = self.contents.logical
        return None if logical.everything else logical.databases

    @property
    def wanted(self) -> None:
        """All that it has."""

    @property
    def tables(self) -> frozenset[str]:
        """As `Start` says."""
        return frozenset(table.label for table in self.contents.logical.tables)

    @property
    def bytes(self) -> int:
        """Of text."""
        return sum(table.bytes for table in self.contents.logical.tables)

    @property
    def amounts(self) -> Amounts:
        """As `Start` says."""
        return self.contents.amounts

    @cached_property
    def foreign_keys(self) -> Sequence[ForeignKey]:
        """As `Start` says."""
        return () if self.databases is None else tuple(foreign_keys(self.contents.definitions()))

    @property
    def definers(self) -> Sequence[Account]:
        """As `Start` says."""
        return definers(self.contents.definitions())

    def server(self, options: Sequence[str], data: Path | None = None) -> AbstractContextManager[ScratchServer]:
        """An empty one."""
        if data:
            return new_server(self.manifest, data, options)
        return scratch_server(
            Flavour(self.manifest.source.flavour),
            version=parse_version(self.manifest.source.version),
            expected_bytes=self.bytes,
            options=(*birth_options(self.manifest), *options),
            zones=zones_of(self.manifest.source),
        )

    def fill(self, server: ScratchServer, *, accounts: bool, report: Report) -> RestoreResult:
        """Restore into it, and compare the rows."""
        request = RestoreRequest(accounts=accounts, compare=True, threads=self.threads)
        return restore_contents(self.contents, server.endpoint, request, report)

    def refusal(self, target: Endpoint, request: RestoreRequest) -> RestoreRefusedError | None:
        """Of a table that the backup does not have nothing is known: it may have been made since."""
        if request.tables is not None and not set(request.tables) <= self.tables:
            Session(target).close()
            return None
        return refusal_of(self.contents, target, request)


@dataclass
class FilesStart:
    """A physical backup: its files are unpacked, and a server is started on them; no more is to be filled then."""

    contents: FileContents
    wanted: Sequence[str] | None
    report: Report
    threads: int
    of_files = True
    _made: RestoreResult | None = field(default=None, init=False)
    """What the last server was started on."""

    @property
    def manifest(self) -> Manifest:
        """As `Start` says."""
        return self.contents.manifest

    @property
    def databases(self) -> None:
        """As `Start` says: it has all."""

    @property
    def tables(self) -> None:
        """As `Start` says: a server on the files does."""

    @property
    def bytes(self) -> int:
        """Of the streams of files."""
        return self.contents.raw_bytes

    @property
    def amounts(self) -> Amounts:
        """As `Start` says."""
        return self.contents.amounts

    @property
    def foreign_keys(self) -> Sequence[ForeignKey]:
        """As `Start` says: it has all databases."""
        return ()

    @property
    def definers(self) -> Sequence[Account]:
        """As `Start` says: they come with it."""
        return ()

    @contextmanager
    def server(self, options: Sequence[str], data: Path | None = None) -> Iterator[ScratchServer]:
        """One on the files, with what they have and an account of ours."""
        phases: dict[str, float] = {}
        with ExitStack() as stack:
            if data is None:
                base = roomy_base(self.bytes + _HEADROOM, _HEADROOM, None)
                directory = stack.enter_context(claimed_directory(base)).path / "data"
            else:
                directory = data
            threads = self.threads or len(os.sched_getaffinity(0))
            files = prepared(self.contents, directory, threads, self.report, phases)
            with timed(phases, "start"):
                server = stack.enter_context(
                    scratch_server(
                        flavour_of(self.contents),
                        version=parse_version(self.manifest.source.version),
                        directory=directory.parent,
                        expected_bytes=self.bytes,
                        options=("--skip-slave-start", *files.without_redo, *FAST, *POOL_LEFT, *options),
                        data_directory=ProductionFiles(directory, kept=data is not None),
                        zones=zones_of(self.manifest.source),
                    )
                )
                databases = _cleared(server)
            self._made = RestoreResult(
                databases=databases,
                tables=self.contents.physical.tables,
                rows=0,
                bytes=files.bytes,
                phases=phases,
                warnings=_on_directory(self.manifest, files.options) if data else (),
                compared=False,
                equal=False,
            )
            yield server

    def fill(self, server: ScratchServer, *, accounts: bool, report: Report) -> RestoreResult:  # noqa: ARG002
        """What it holds already, with all accounts."""
        if self._made is None:
            raise ValueError("there is no server on its files")
        return self._made

    def refusal(self, target: Endpoint, request: RestoreRequest) -> RestoreRefusedError | None:  # noqa: ARG002
        """Nothing of its tables is known; that the target can be reached is."""
        Session(target).close()
        return None


def _cleared(server: ScratchServer) -> tuple[str, ...]:
    """The databases of production; its replication, which must not go on here, is forgotten."""
    with Session(server.endpoint) as session:
        if server.facts.flavour is Flavour.MYSQL:  # whose tables have it; MariaDB's is in no backup
            session.execute("RESET REPLICA ALL")
        return databases_there(session)


def _on_directory(manifest: Manifest, options: Sequence[str]) -> tuple[str, ...]:
    """What to know of a data directory that was made of such files."""
    return (
        f"a server needs {' '.join(options)}, where its own settings differ",
        f"its accounts and passwords are those of {manifest.server}",
    )
