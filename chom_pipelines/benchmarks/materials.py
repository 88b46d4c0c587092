"""What a ladder of restores is climbed with: one set of data in a private server, taken from it by every way there is.

The server ends before anything is restored; what was taken lies in a private directory on the disk that is measured.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from chom_pipelines.benchmarks.at_rest import come_to_rest
from chom_pipelines.benchmarks.copies import TableState, read_state
from chom_pipelines.benchmarks.figures import Timed
from chom_pipelines.benchmarks.host import refuse_no_room
from chom_pipelines.benchmarks.programs import at_home_in, mortal
from chom_pipelines.benchmarks.report import Backup
from chom_pipelines.benchmarks.stopwatch import Stopwatch, server_cpu
from chom_pipelines.binlogs.archive.imports import LOG
from chom_pipelines.errors import BackupFailedError, BenchmarkRefusedError, ChomError
from chom_pipelines.inventory.models import Server
from chom_pipelines.inventory.policies import BackupPolicy, Verification
from chom_pipelines.logical.contents import Contents
from chom_pipelines.logical.dump import take_backup
from chom_pipelines.outcome import Outcome
from chom_pipelines.physical.contents import FileContents
from chom_pipelines.physical.taking import take_backup as take_files
from chom_pipelines.progress import Report
from chom_pipelines.repository.codecs import Codec, Compressor, compressor
from chom_pipelines.repository.files import reported
from chom_pipelines.repository.local_store import LocalStore
from chom_pipelines.repository.payloads import Method, Table
from chom_pipelines.repository.repository import Repository
from chom_pipelines.server.connection import Session
from chom_pipelines.server.endpoint import Endpoint
from chom_pipelines.server.facts import SYSTEM_DATABASES, Flavour, read_facts
from chom_pipelines.server.programs import Program, dump_program, server_program
from chom_pipelines.server.scratch import ScratchServer

AnyContents = TypeVar("AnyContents", Contents, FileContents)

_NAME = "benchmark"
_PIECE = 1 << 20
_CLONE = "mysql_clone.so"
_SQL = (("dump.sql.gz", Codec.GZIP, 6), ("dump.sql.zst", Codec.ZSTD, 3))


@dataclass(frozen=True)
class Unavailable:
    """Something that could not be taken, and why: what needs it is not measured."""

    reason: str


@dataclass(frozen=True)
class StockDump:
    """The stock tool's dump as SQL, compressed by gzip -6 and by zstd -3; `bytes` before."""

    gzip: Path
    zstd: Path
    bytes: int


@dataclass(frozen=True)
class Materials:
    """All that was taken, and what a restored copy has to be."""

    flavour: Flavour
    directory: Path
    databases: tuple[str, ...]
    original: dict[str, TableState]
    file_bytes: int
    """Of the tables' own files."""
    rows: Contents
    stock: StockDump | Unavailable
    files: FileContents | Unavailable
    backups: tuple[Backup, ...]
    """How long it took to take `rows` and `files`."""
    at_rest: bool
    """Whether the server had written all; else `files` have a log that takes time to restore."""


def source_options(flavour: Flavour) -> tuple[str, ...]:
    """Options of the private server that holds the data: MySQL may have to be told where its plugins are."""
    if flavour is Flavour.MARIADB:
        return ()
    plugins = server_program(flavour).path.resolve().parents[1] / "lib" / "mysql" / "plugin"
    return (f"--plugin-dir={plugins}",) if (plugins / _CLONE).exists() else ()


def taken(server: ScratchServer, databases: Sequence[str], directory: Path, threads: int, report: Report) -> Materials:
    """Take everything from a private server. Raises what a logical backup of it raises; the rest may be unavailable."""
    endpoint, flavour = server.endpoint, server.facts.flavour
    report(0, None, "have the private server write all that it has")
    at_rest = come_to_rest(server)
    file_bytes = _table_files(server.directory)
    refuse_no_room(directory, 2 * file_bytes)
    with Session(endpoint) as session:
        original = read_state(session, databases)
        if not original:
            raise BenchmarkRefusedError("there is no table to measure with", "name data that has one")
    repository = Repository(LocalStore(directory / "repository"))
    repository.create()
    inventory = Server(name=_NAME, socket=Path(str(endpoint.socket)), user=endpoint.user, databases=tuple(databases))
    policy = BackupPolicy(threads=threads, verification=Verification.NONE)

    def rows() -> Contents:
        entry, _ = take_backup(inventory, policy, repository, None, report)
        return Contents.of(entry, None)

    contents, of_rows = _timed("logical backup", endpoint, threads, rows)
    files, of_files = _files_or_why_not(endpoint, threads, lambda: _files(inventory, policy, repository, report))
    return Materials(
        flavour=flavour,
        directory=directory,
        databases=tuple(databases),
        original=original,
        file_bytes=file_bytes,
        rows=contents,
        stock=_stock_or_why_not(lambda: _dumped(endpoint, flavour, databases, directory, report)),
        files=files,
        backups=(of_rows, of_files),
        at_rest=at_rest,
    )


def _table_files(data: Path) -> int:
    """Bytes of the files in the folders of databases, the server's own aside."""
    folders = (each for each in data.iterdir() if each.is_dir() and each.name not in SYSTEM_DATABASES)
    files = (file for folder in folders if not folder.name.startswith("#") for file in folder.rglob("*"))
    return sum(file.stat().st_size for file in files if file.is_file())


def _timed(name: str, endpoint: Endpoint, threads: int, take: Callable[[], AnyContents]) -> tuple[AnyContents, Backup]:
    """Take a backup, once, and note its time."""
    before, watch = server_cpu(endpoint), Stopwatch.of()
    found = take()
    run = watch.run()
    run = run.model_copy(update={"server_cpu_seconds": max(round(server_cpu(endpoint) - before, 4), 0.0)})
    manifest = found.manifest
    return found, Backup(
        name=name,
        outcome=Outcome.PASSED,
        timed=Timed.of([run]),
        threads=threads,
        raw_bytes=manifest.raw_bytes,
        stored_bytes=manifest.stored_bytes,
    )


def _files_or_why_not(
    endpoint: Endpoint, threads: int, take: Callable[[], FileContents]
) -> tuple[FileContents | Unavailable, Backup]:
    name = "physical backup"
    try:
        return _timed(name, endpoint, threads, take)
    except ChomError as error:
        lacking = Backup(
            name=name,
            outcome=Outcome.NOT_VERIFIED,
            reason=error.what,
            threads=threads,
            raw_bytes=0,
            stored_bytes=0,
        )
        return Unavailable(error.what), lacking


def _stock_or_why_not(take: Callable[[], StockDump]) -> StockDump | Unavailable:
    try:
        return take()
    except ChomError as error:
        return Unavailable(error.what)


def _files(server: Server, policy: BackupPolicy, repository: Repository, report: Report) -> FileContents:
    with Session(server.endpoint()) as session:
        if not read_facts(session).is_mariadb:
            session.execute(f"INSTALL PLUGIN clone SONAME '{_CLONE}'")
    policy = policy.model_copy(update={"method": Method.PHYSICAL})
    entry, _ = take_files(server, policy, repository, None, report, log=LOG)
    return FileContents.of(entry, None)


def _dumped(
    endpoint: Endpoint, flavour: Flavour, databases: Sequence[str], directory: Path, report: Report
) -> StockDump:
    program = dump_program(flavour)
    sql = {name: compressor(codec, level) for name, codec, level in _SQL}
    size = 0
    with reported(directory), (directory / "dump.log").open("w+b") as log:
        command = dump_command(program, endpoint, databases)
        with subprocess.Popen(mortal(command), stdout=subprocess.PIPE, stderr=log, env=at_home_in(directory)) as dump:
            try:
                size = _packed(dump, sql, directory, report)
                dump.wait()
            finally:
                dump.kill()
        if dump.returncode:
            log.seek(0)
            said = log.read().decode(errors="replace").strip().splitlines()[-1:]
            what = f"{program.path} ended with {dump.returncode}: {' '.join(said)}"
            raise BackupFailedError(what, "run it by hand to see more")
    return StockDump(directory / _SQL[0][0], directory / _SQL[1][0], size)


def dump_command(program: Program, endpoint: Endpoint, databases: Sequence[str]) -> list[str]:
    """The stock tool's command line for a consistent dump of these databases, as its manual has it for InnoDB."""
    gtids = [] if program.flavour is Flavour.MARIADB else ["--set-gtid-purged=OFF"]
    return [
        *(str(program.path), "--no-defaults", f"--socket={endpoint.socket}", f"--user={endpoint.user}"),
        *("--single-transaction", *gtids, "--databases", *databases),
    ]


def _packed(dump: subprocess.Popen[bytes], sql: dict[str, Compressor], directory: Path, report: Report) -> int:
    size = 0
    with ExitStack() as stack:
        files = {name: stack.enter_context((directory / name).open("wb")) for name in sql}
        while piece := dump.stdout.read(_PIECE) if dump.stdout else b"":
            size += len(piece)
            report(size, None, "dump as SQL")
            for name, packer in sql.items():
                files[name].write(packer.compress(piece))
        for name, packer in sql.items():
            files[name].write(packer.flush())
    return size


def chosen(tables: Sequence[Table], most: int) -> tuple[Table, ...]:
    """Tables that have no more than `most` bytes of text together: the largest that fits, and so on. Pure."""
    left, found = most, []
    for table in sorted(tables, key=lambda table: (-table.bytes, table.identity)):
        if table.bytes <= left:
            found.append(table)
            left -= table.bytes
    return tuple(found)


def sample(contents: Contents, most: int) -> bytes:
    """Some text of a backup's tables, `most` bytes: of each object an equal share, as far as it has that."""
    paths = sorted(
        {path.partition("#")[0] for table in contents.logical.tables for p in table.parts for path in p.objects}
    )
    pieces: list[bytes] = []
    left = most
    for number, path in enumerate(paths):
        share = left // (len(paths) - number)
        for piece in contents.text(path):
            if share <= 0:
                break
            pieces.append(piece[:share])
            share -= len(pieces[-1])
            left -= len(pieces[-1])
    return b"".join(pieces)


def cores() -> int:
    """That this process may use."""
    return len(os.sched_getaffinity(0))
