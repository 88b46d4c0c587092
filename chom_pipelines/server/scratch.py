"""Private servers: for proofs, drills, tests and the demonstration. None outlives the process that started it."""

from __future__ import annotations

import socket
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from chom_pipelines.server.claimed_directories import MEMORY, MIB, available_memory, claimed_directory, roomy_base
from chom_pipelines.server.connection import Session
from chom_pipelines.server.empty_datadirs import REDO, create_datadir, run_as
from chom_pipelines.server.endpoint import Endpoint
from chom_pipelines.server.facts import Flavour, ServerFacts
from chom_pipelines.server.process import harmless_environment, supervised
from chom_pipelines.server.programs import server_program
from chom_pipelines.server.scratch_place import Place, first_answer, shut_down
from chom_pipelines.server.system_zone import expect_zone, in_zone
from chom_pipelines.server.time_zones import UNKNOWN, Zones, forget_others
from chom_pipelines.server.versions import Version, dotted

_EMPTY_START_SECONDS = 300.0  # measured 0.4 s (MariaDB) and 1 s (MySQL): this long, it hangs

_COMMON = (
    "--skip-networking",
    "--skip-name-resolve",  # root@localhost then means the socket only, even where a port is opened
    "--event-scheduler=OFF",  # restored events must not run; DISABLED would refuse CREATE EVENT
    "--local-infile=ON",
    "--max-allowed-packet=1G",
    "--performance-schema=OFF",
)
_FLAVOURS = {
    # by row: else a session with temporary tables cannot change its GTID's domain, as a replayed log's text has to
    Flavour.MARIADB: ("--skip-log-bin", "--binlog-format=ROW"),
    Flavour.MYSQL: ("--disable-log-bin", "--mysqlx=OFF", "--secure-file-priv=NULL"),
}
_THROW_AWAY = (  # nothing in it need survive a crash
    "--innodb-doublewrite=OFF",
    "--innodb-flush-log-at-trx-commit=0",
    "--loose-innodb-flush-method=nosync",
)
_ELSEWHERE = ("federated", "spider", "connect", "s3", "sphinx")
"""Engines that production's files may load, and whose tables lie on other servers: a replay would write there."""
_LEAST_REDO = {
    # MariaDB 10.11 spins for ever where LOAD DATA fills an empty table with a value larger than its redo log
    Flavour.MARIADB: 256 * MIB,
    Flavour.MYSQL: 64 * MIB,  # which it writes when it starts; a value of 300 MiB is loaded all the same
}
_GTIDS = {
    Flavour.MARIADB: (),  # it has them always
    Flavour.MYSQL: ("--gtid-mode=ON", "--enforce-gtid-consistency=ON"),
}
_BINARY_LOG = {
    Flavour.MARIADB: ("--binlog-format=ROW",),  # and it deletes no files unless told to
    Flavour.MYSQL: ("--binlog-expire-logs-seconds=0",),  # else it deletes those older than 30 days when it starts
}


@dataclass(frozen=True)
class ProductionFiles:
    """A data directory of ours with the files of a production server, and so with that one's accounts.

    A private server on it has an account of ours, too, for as long as it runs. Where the files are `kept`, they are
    served and left as any other data directory; else nothing in them need survive.
    """

    directory: Path
    kept: bool


@dataclass(frozen=True)
class ScratchServer:
    """A running private server.

    `endpoint` is an administrator's, by socket; `directory` has the data; `wanted` is the version it stands in for.
    """

    endpoint: Endpoint
    facts: ServerFacts
    directory: Path
    log: Path
    wanted: Version | None
    _end: ExitStack = field(repr=False, compare=False)

    def stop(self) -> None:
        """End it, with all its files but a data directory that was there before; a second call does nothing.

        Raises ScratchServerError where a server on such a directory does not shut down in order.
        """
        self._end.close()

    @property
    def differs(self) -> str | None:
        """What a proof on this server must say where it is not of the wanted version."""
        if self.wanted is None or self.wanted == self.facts.version:
            return None
        return f"{self.facts.label}, not {dotted(self.wanted)}"


@contextmanager
def scratch_server(
    flavour: Flavour,
    *,
    version: Version | None = None,
    directory: Path | None = None,
    expected_bytes: int = 0,
    options: Sequence[str] = (),
    data_directory: Path | ProductionFiles | None = None,
    zones: Zones = UNKNOWN,
) -> Iterator[ScratchServer]:
    """`start_scratch_server` for the length of a block; where an exception ends that, the server is killed."""
    server = start_scratch_server(
        flavour,
        version=version,
        directory=directory,
        expected_bytes=expected_bytes,
        options=options,
        data_directory=data_directory,
        zones=zones,
    )
    with server._end:  # noqa: SLF001  (it is told how the block ended)
        yield server


def start_scratch_server(
    flavour: Flavour,
    *,
    version: Version | None = None,
    directory: Path | None = None,
    expected_bytes: int = 0,
    options: Sequence[str] = (),
    data_directory: Path | ProductionFiles | None = None,
    zones: Zones = UNKNOWN,
) -> ScratchServer:
    """Start a private server. It ends, with all its files, at its `stop()`, and however this process ends: keep it.

    `version` is the production server's, for `differs`. The data, `expected_bytes` of it, go to memory where they fit
    well, else under `directory` or TMPDIR. `options` are the server's own and come last, so that they win.
    `data_directory` is an existing one: it is served with its durability on, shut down in order and left where it is,
    unless it is of ProductionFiles that are not kept. Where it stays, the redo log is the server's default, and so are
    the caches unless bytes are expected.
    `zones` are the production server's: SYSTEM is made to be what it is there, and a new data directory has the zones
    that have names there, as far as this machine has them.

    Raises ProgramMissingError where no such server is installed, ScratchServerError where it does not start.
    """
    program = server_program(flavour)
    with ExitStack() as stack:
        # a socket's path is limited to 107 bytes: it never lies in the directory that the caller or TMPDIR named
        home = stack.enter_context(claimed_directory(MEMORY if MEMORY.is_dir() else Path("/tmp")))  # noqa: S108
        command = [*_COMMON, *_FLAVOURS[flavour]]
        sizes = _Sizes.of(flavour, expected_bytes)
        if data_directory is None:
            store = stack.enter_context(claimed_directory(roomy_base(sizes.files, sizes.pool, directory)))
            data = store.path / "data"
            ready = sizes.redo if flavour is Flavour.MARIADB and sizes.redo == _LEAST_REDO[flavour] else None
            create_datadir(program, options, data, named_zones=bool(zones.named), redo=ready)
        else:
            store = stack.enter_context(claimed_directory(directory or Path(tempfile.gettempdir())))
            data = (data_directory if isinstance(data_directory, Path) else data_directory.directory).resolve()
        is_kept = isinstance(data_directory, Path) or bool(data_directory and data_directory.kept)
        if expected_bytes or not is_kept:
            command.append(f"--innodb-buffer-pool-size={sizes.pool}")
            if flavour is Flavour.MARIADB:  # of MySQL a session is told
                command.append(f"--innodb-sort-buffer-size={sizes.sort}")
        if not is_kept:  # a redo log would stay, and is as large as some data
            command += [*_THROW_AWAY, f"{REDO[flavour]}={sizes.redo}"]
        temporary = store.path / "tmp"
        temporary.mkdir()
        place = Place(home.path, data, temporary)
        if isinstance(data_directory, ProductionFiles):
            place = place.with_our_account()
            # by its longer name: --connect=OFF would be taken for connect_timeout
            command += [f"--loose-plugin-{engine}=OFF" for engine in _ELSEWHERE]
        process = stack.enter_context(
            supervised(
                [str(program.path), "--no-defaults", *run_as(), *place.options(), *command, *options],
                log=place.log,
                remove=[home.path, store.path],
                hold=[home.descriptor, store.descriptor],
                environment={**harmless_environment(), **in_zone(zones.system, home.path / "zone")},
            ),
        )
        facts = first_answer(process, program, place, None if data_directory else _EMPTY_START_SECONDS)
        expect_zone(place.endpoint, zones.system)
        if data_directory is None and zones.named:
            with Session(place.endpoint) as session:
                forget_others(session, zones.named)
        if is_kept:
            stack.push(lambda kind, *_: None if kind else shut_down(process, place))
        return ScratchServer(place.endpoint, facts, data, place.log, version, stack.pop_all())


def listening_on(port: int) -> tuple[str, ...]:
    """Options for a scratch server that also answers on 127.0.0.1; root stays reachable by the socket only."""
    return ("--skip-networking=OFF", "--bind-address=127.0.0.1", f"--port={port}")


def with_binary_log(flavour: Flavour, server_id: int, base: str = "binlog") -> tuple[str, ...]:
    """Options for a scratch server that writes a binary log by row, with GTIDs.

    Its files are called `base` and a number, in the data directory unless `base` is a path. Where such files are there
    already they are continued, served to replicas, and never deleted because of their age.
    """
    return (f"--server-id={server_id}", f"--log-bin={base}", *_BINARY_LOG[flavour], *_GTIDS[flavour])


def as_replica(flavour: Flavour, server_id: int) -> tuple[str, ...]:
    """Options for a scratch server that is to replicate by GTIDs, once it is told from whom and to begin.

    It writes no binary log. Its relay logs have a name of their own, so that it finds them when it is started again.
    """
    # MySQL calls it --skip-replica-start since 8.0.26, and takes the old name too
    return (f"--server-id={server_id}", "--relay-log=relay", "--skip-slave-start", *_GTIDS[flavour])


def free_port() -> int:
    """A TCP port on 127.0.0.1 that nothing uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True)
class _Sizes:
    """Bytes of buffer pool, of a sort buffer for each key, of redo log and of all files, for so many bytes of data."""

    pool: int
    sort: int
    redo: int
    files: int

    @classmethod
    def of(cls, flavour: Flavour, expected_bytes: int) -> _Sizes:
        pool = max(128 * MIB, min(expected_bytes, available_memory() // 4)) // MIB * MIB
        sort = max(1 * MIB, min(8 * MIB, available_memory() // 1024)) // MIB * MIB
        redo = max(_LEAST_REDO[flavour], min(expected_bytes, 256 * MIB), min(expected_bytes // 4, 1024 * MIB))
        redo = redo // MIB * MIB
        # data and indexes while both a table and its rebuilt copy exist; system tables, undo and temporary files
        return cls(pool, sort, redo, expected_bytes * 5 // 2 + redo + 256 * MIB)
