"""The ladder's steps, from the stock tools at a server's defaults up to data files in memory."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from chom_pipelines.benchmarks.climbing import Restored, Step
from chom_pipelines.benchmarks.host import refuse_no_room
from chom_pipelines.benchmarks.materials import Materials, StockDump, Unavailable
from chom_pipelines.benchmarks.programs import pipe
from chom_pipelines.benchmarks.report import Means, Place
from chom_pipelines.benchmarks.stopwatch import Stopwatch, server_cpu
from chom_pipelines.errors import NoRoomError, ProgramMissingError
from chom_pipelines.physical.contents import FileContents
from chom_pipelines.physical.serving import prepared, served
from chom_pipelines.progress import unreported
from chom_pipelines.restores.directory_filling import FAST, new_server
from chom_pipelines.restores.likeness import birth_options, zones_of
from chom_pipelines.restores.loading import settings
from chom_pipelines.restores.redo_log import has_switch
from chom_pipelines.restores.restoring import restore_contents
from chom_pipelines.restores.selection import RestoreRequest
from chom_pipelines.server.claimed_directories import MEMORY, claimed_directory
from chom_pipelines.server.connection import Session
from chom_pipelines.server.empty_datadirs import create_datadir
from chom_pipelines.server.endpoint import Endpoint
from chom_pipelines.server.facts import Flavour, ServerFacts
from chom_pipelines.server.programs import client_program, server_program
from chom_pipelines.server.scratch import ScratchServer, scratch_server, with_binary_log
from chom_pipelines.server.variables import read_variables

_POOL = "buffer pool as large as the data, up to a quarter of the memory that is free"
_CHECKS_OFF = "SET foreign_key_checks=0, unique_checks=0"
_DEFAULTS = {
    Flavour.MARIADB: (),
    # MySQL's defaults, which private servers do without
    Flavour.MYSQL: ("--performance-schema=ON", *with_binary_log(Flavour.MYSQL, 1)[:2]),
}
_SHOWN = (
    "innodb_buffer_pool_size",
    "innodb_sort_buffer_size",
    "innodb_log_file_size",
    "innodb_redo_log_capacity",
    "innodb_doublewrite",
    "innodb_flush_log_at_trx_commit",
    "innodb_flush_method",
    "innodb_autoinc_lock_mode",
    "log_bin",
    "sync_binlog",
    "performance_schema",
)


def ladder_steps(materials: Materials, facts: ServerFacts, threads: int) -> list[Step]:
    """All rungs in order; what cannot be measured says why. `facts` are of a private server of the same kind."""
    return [
        *_stock_steps(materials),
        *_row_steps(materials, facts, threads),
        *_file_steps(materials, threads),
    ]


def default_settings(materials: Materials) -> dict[str, str]:
    """What matters of such a server at its defaults; raises what starting it raises."""
    with server_at_defaults(materials) as server, Session(server.endpoint) as session:
        return read_variables(session, _SHOWN)


def _stock_steps(materials: Materials) -> Iterator[Step]:
    client = "mariadb" if materials.flavour is Flavour.MARIADB else "mysql"
    told = ("the dump itself sets both, too",)
    rungs: tuple[tuple[str, str, tuple[str, ...], bool], ...] = (
        ("piped dump", "gzip", (f"gzip -dc dump.sql.gz | {client}",), False),
        ("checks off", "gzip", (f"foreign key and unique checks: --init-command='{_CHECKS_OFF}'", *told), True),
        ("zstd, not gzip", "zstd", (f"zstd -dc dump.sql.zst | {client}",), True),
    )
    for name, tool, said, unchecked in rungs:
        stock = materials.stock
        yield Step(
            name=name,
            means=Means.STOCK,
            place=Place.DEFAULTS,
            settings=said,
            threads=1,
            bytes=stock.bytes if isinstance(stock, StockDump) else 0,
            restore=partial(_piped, materials, tool, unchecked=unchecked),
            unavailable=stock.reason if isinstance(stock, Unavailable) else missing(tool),
        )


def _row_steps(materials: Materials, facts: ServerFacts, threads: int) -> Iterator[Step]:
    session = tuple(settings(facts))
    many = f"{threads} connections"
    log = ("no redo log",) if has_switch(facts) else ()
    sorting = ("a sort buffer of up to 8 MiB for a key",) if facts.is_mariadb else ()
    at_once, one = RestoreRequest(threads=threads), RestoreRequest(threads=1, defer_keys=False)
    rungs: tuple[tuple[str, Place, tuple[str, ...], RestoreRequest], ...] = (
        ("LOAD DATA", Place.DEFAULTS, ("LOAD DATA LOCAL of tab-separated rows", "one connection", *session), one),
        ("parallel", Place.DEFAULTS, (many,), RestoreRequest(threads=threads, defer_keys=False)),
        ("keys afterwards", Place.DEFAULTS, ("secondary and foreign keys once a table's rows are in",), at_once),
        ("durability off", Place.RELAXED, (*FAST, *log, "no binary log", _POOL, *sorting), at_once),
        (
            "RAM disk",
            Place.MEMORY,
            (_POOL, f"files in {MEMORY}, not flushed"),
            at_once,
        ),
    )
    for name, place, said, request in rungs:
        yield Step(
            name=name,
            means=Means.ROWS,
            place=place,
            settings=said,
            threads=request.threads,
            bytes=_text(materials),
            restore=partial(_loaded, materials, place, request),
        )


def _file_steps(materials: Materials, threads: int) -> Iterator[Step]:
    files = materials.files
    said = (f"parts decoded and written by {threads} threads", "until a server answers; not until all is on the medium")
    for name, place, where in (
        ("data files", Place.DISK, materials.directory),
        ("data files, RAM disk", Place.MEMORY, MEMORY),
    ):
        yield Step(
            name=name,
            means=Means.FILES,
            place=place,
            settings=(*said, f"files in {MEMORY}") if where is MEMORY else said,
            threads=threads,
            bytes=files.manifest.raw_bytes if isinstance(files, FileContents) else 0,
            restore=partial(_unpacked, files, where, threads),
            unavailable=files.reason if isinstance(files, Unavailable) else "",
        )


def _text(materials: Materials) -> int:
    return sum(table.bytes for table in materials.rows.logical.tables)


def missing(tool: str) -> str:
    """Why a program cannot be used; empty where it can."""
    return "" if shutil.which(tool) else f"{tool} is not installed"


@contextmanager
def server_at_defaults(materials: Materials) -> Iterator[ScratchServer]:
    """An empty server on the disk, with the settings that its family has where nobody sets any."""
    birth, flavour = birth_options(materials.rows.manifest), materials.flavour
    with claimed_directory(materials.directory) as claim:
        refuse_no_room(claim.path, 3 * materials.file_bytes)
        data = claim.path / "data"
        create_datadir(server_program(flavour), birth, data)
        options = (*birth, *_DEFAULTS[flavour])
        with scratch_server(flavour, directory=claim.path, data_directory=data, options=options) as server:
            yield server


@contextmanager
def _server(materials: Materials, place: Place) -> Iterator[ScratchServer]:
    """An empty server in that place, as this project's own restores have it there."""
    manifest = materials.rows.manifest
    if place is Place.DEFAULTS:
        with server_at_defaults(materials) as server:
            yield server
    elif place is Place.RELAXED:
        with claimed_directory(materials.directory) as claim:
            refuse_no_room(claim.path, 3 * materials.file_bytes)
            with new_server(manifest, claim.path / "data") as server:
                yield server
    else:
        with scratch_server(
            materials.flavour,
            directory=materials.directory,
            expected_bytes=materials.file_bytes,
            options=birth_options(manifest),
            zones=zones_of(manifest.source),
        ) as server:
            if not server.directory.is_relative_to(MEMORY):
                raise NoRoomError(f"the data do not fit into memory ({MEMORY})", "measure with less")
            yield server


@contextmanager
def _piped(materials: Materials, tool: str, *, unchecked: bool) -> Iterator[Restored]:
    stock = materials.stock
    if not isinstance(stock, StockDump):
        raise ProgramMissingError(stock.reason)
    client = client_program(materials.flavour)
    with server_at_defaults(materials) as server:
        command = [
            str(client.path),
            "--no-defaults",
            f"--socket={server.endpoint.socket}",
            f"--user={server.endpoint.user}",
        ]
        command += [f"--init-command={_CHECKS_OFF}"] if unchecked else []
        before, watch = server_cpu(server.endpoint), Stopwatch.of()
        pipe(
            [tool, "-dc", str(stock.gzip if tool == "gzip" else stock.zstd)], command, materials.directory / "pipe.log"
        )
        run = watch.run()
        yield server.endpoint, run.model_copy(update={"server_cpu_seconds": used(server.endpoint, before)})


@contextmanager
def _loaded(materials: Materials, place: Place, request: RestoreRequest) -> Iterator[Restored]:
    with _server(materials, place) as server:
        before, watch = server_cpu(server.endpoint), Stopwatch.of()
        restore_contents(materials.rows, server.endpoint, request, unreported)
        run = watch.run()
        yield server.endpoint, run.model_copy(update={"server_cpu_seconds": used(server.endpoint, before)})


@contextmanager
def _unpacked(contents: FileContents | Unavailable, base: Path, threads: int) -> Iterator[Restored]:
    if isinstance(contents, Unavailable):
        raise ProgramMissingError(contents.reason)
    with claimed_directory(base) as claim:
        refuse_no_room(base, contents.manifest.raw_bytes)
        watch = Stopwatch.of()
        files = prepared(contents, claim.path / "data", threads, unreported, {})
        with served(contents, files) as server:
            run = watch.run()
            yield server.endpoint, run.model_copy(update={"server_cpu_seconds": used(server.endpoint, 0.0)})


def used(endpoint: Endpoint, before: float) -> float:
    """CPU seconds of a server since it had used so many."""
    return max(round(server_cpu(endpoint) - before, 4), 0.0)
