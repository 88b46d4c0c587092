"""Other tools on the same data and the same machine: what each takes for its dump, and for the restore of that.

One that is not installed, or cannot be used with this server, is in the report with the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from chom_pipelines.benchmarks.climbing import Restored, Step
from chom_pipelines.benchmarks.figures import Timed
from chom_pipelines.benchmarks.ladder import missing, server_at_defaults, used
from chom_pipelines.benchmarks.materials import Materials, dump_command
from chom_pipelines.benchmarks.programs import pipe, run
from chom_pipelines.benchmarks.report import Backup, Means, Place
from chom_pipelines.benchmarks.stopwatch import Stopwatch, server_cpu
from chom_pipelines.errors import ChomError, ConfigurationError
from chom_pipelines.outcome import Outcome
from chom_pipelines.physical.serving import started
from chom_pipelines.server.claimed_directories import claimed_directory
from chom_pipelines.server.endpoint import Endpoint
from chom_pipelines.server.facts import Flavour
from chom_pipelines.server.programs import backup_program, dump_program
from chom_pipelines.server.scratch import ScratchServer

MYDUMPER, MARIADB_DUMP, MYSQLDUMP, MARIADB_BACKUP = PEERS = ("mydumper", "mariadb-dump", "mysqldump", "mariadb-backup")
"""Those that can be asked for."""

_FAMILY = {MARIADB_DUMP: Flavour.MARIADB, MYSQLDUMP: Flavour.MYSQL, MARIADB_BACKUP: Flavour.MARIADB}
_NEEDS = {
    MYDUMPER: ("mydumper", "myloader"),
    MARIADB_DUMP: ("zstd",),
    MYSQLDUMP: ("zstd",),
    MARIADB_BACKUP: ("mbstream", "zstd"),
}


@dataclass(frozen=True)
class PeerDump:
    """What a tool made of the data, how long it took, and how it restores that; None: the ladder has its restore."""

    backup: Backup
    step: Step | None


@dataclass(frozen=True)
class _Work:
    peer: str
    endpoint: Endpoint
    materials: Materials
    server: ScratchServer
    threads: int

    @property
    def output(self) -> Path:
        """Where its dump goes: a file, or a directory."""
        return self.materials.directory / f"peer-{self.peer}"

    @property
    def log(self) -> Path:
        """What it says."""
        return self.materials.directory / f"peer-{self.peer}.log"

    @property
    def reached(self) -> list[str]:
        """Options that every tool has."""
        return [f"--socket={self.endpoint.socket}", f"--user={self.endpoint.user}"]


def parsed_peers(text: str) -> tuple[str, ...]:
    """Names separated by commas; raises ConfigurationError for one that is not known."""
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    unknown = [name for name in names if name not in PEERS]
    if unknown:
        raise ConfigurationError(f"--against: nothing is known of {', '.join(unknown)}", f"use {', '.join(PEERS)}")
    return names


def dumped_by(peer: str, server: ScratchServer, materials: Materials, threads: int) -> PeerDump:
    """Have a tool dump the data, once, and note its time; where it cannot, why."""
    work = _Work(peer, server.endpoint, materials, server, threads)
    reason = _unfit(work)
    if not reason:
        before, watch = server_cpu(server.endpoint), Stopwatch.of()
        try:
            _DUMPS[peer](work)
        except ChomError as error:
            reason = error.what
        else:
            took = watch.run(server_cpu=None)
            took = took.model_copy(update={"server_cpu_seconds": used(server.endpoint, before)})
            return PeerDump(_backup(work, Timed.of([took])), _step(work, ""))
    return PeerDump(_backup(work, None, reason), _step(work, reason))


def _unfit(work: _Work) -> str:
    flavour = work.materials.flavour
    family = _FAMILY.get(work.peer, flavour)
    if family is not flavour:
        return f"it is {family.value}'s, and the data are on {flavour.value}"
    if work.peer == MYDUMPER and len(work.materials.databases) > 1:
        return "it is measured with one database, and the data are in several"
    return next((why for tool in _NEEDS[work.peer] if (why := missing(tool))), "")


def _backup(work: _Work, timed: Timed | None, reason: str = "") -> Backup:
    return Backup(
        name=f"{work.peer}, dump",
        outcome=Outcome.PASSED if timed else Outcome.NOT_VERIFIED,
        reason=reason,
        timed=timed,
        threads=work.threads if work.peer == MYDUMPER else 1,
        raw_bytes=_raw_bytes(work),
        stored_bytes=_size(work.output),
    )


def _raw_bytes(work: _Work) -> int:
    """What it would have to copy: files, or text of rows, as this project's backups count them."""
    index = 1 if work.peer == MARIADB_BACKUP else 0
    return work.materials.backups[index].raw_bytes


def _size(path: Path) -> int:
    if path.is_dir():
        return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return path.stat().st_size if path.exists() else 0


def _step(work: _Work, reason: str) -> Step | None:
    restore = _RESTORES.get(work.peer)
    if restore is None:
        return None
    by_files = work.peer == MARIADB_BACKUP
    return Step(
        name="mariadb-backup by hand" if by_files else "myloader",
        means=Means.PEER,
        place=Place.DISK if by_files else Place.DEFAULTS,
        settings=_SETTINGS[work.peer],
        threads=1 if by_files else work.threads,
        bytes=_raw_bytes(work),
        restore=partial(restore, work),
        unavailable=reason,
    )


def _by_mydumper(work: _Work) -> None:
    (database,) = work.materials.databases
    options = [f"--database={database}", f"--threads={work.threads}", "--chunk-filesize=64", "--compress"]
    run(["mydumper", *work.reached, *options, f"--outputdir={work.output}"], work.log)


def _by_dump_program(work: _Work) -> None:
    program = dump_program(work.materials.flavour)
    pipe(dump_command(program, work.endpoint, work.materials.databases), _zstd(work), work.log)


def _by_mariadb_backup(work: _Work) -> None:
    command = [str(backup_program().path), "--no-defaults", "--backup", "--stream=mbstream", *work.reached]
    pipe([*command, f"--target-dir={work.materials.directory / 'unused'}"], _zstd(work), work.log)


def _zstd(work: _Work) -> list[str]:
    return ["zstd", "-3", "-q", f"-T{work.threads}", "-o", str(work.output)]


@contextmanager
def _by_myloader(work: _Work) -> Iterator[Restored]:
    with server_at_defaults(work.materials) as server:
        reached = [f"--socket={server.endpoint.socket}", f"--user={server.endpoint.user}"]
        before, watch = server_cpu(server.endpoint), Stopwatch.of()
        run(["myloader", *reached, f"--threads={work.threads}", f"--directory={work.output}"], work.log)
        took = watch.run()
        yield server.endpoint, took.model_copy(update={"server_cpu_seconds": used(server.endpoint, before)})


@contextmanager
def _by_hand(work: _Work) -> Iterator[Restored]:
    with claimed_directory(work.materials.directory) as claim:
        files = claim.path / "data"
        files.mkdir(mode=0o700)
        watch = Stopwatch.of()
        pipe(["zstd", "-dcq", str(work.output)], ["mbstream", "-x", "-C", str(files)], work.log)
        run([str(backup_program().path), "--no-defaults", "--prepare", f"--target-dir={files}"], work.log)
        with started(work.materials.flavour, work.server.facts.version, files, ()) as server:
            took = watch.run()
            yield server.endpoint, took.model_copy(update={"server_cpu_seconds": used(server.endpoint, 0.0)})


_DUMPS: dict[str, Callable[[_Work], None]] = {
    MYDUMPER: _by_mydumper,
    MARIADB_DUMP: _by_dump_program,
    MYSQLDUMP: _by_dump_program,
    MARIADB_BACKUP: _by_mariadb_backup,
}
_RESTORES: dict[str, Callable[[_Work], AbstractContextManager[Restored]]] = {
    MYDUMPER: _by_myloader,
    MARIADB_BACKUP: _by_hand,
}
_SETTINGS = {
    MYDUMPER: ("mydumper --chunk-filesize=64 --compress", "myloader"),
    MARIADB_BACKUP: ("zstd -dc | mbstream -x", "mariadb-backup --prepare", "until a server answers"),
}
