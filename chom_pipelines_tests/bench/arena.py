"""A server on disk with a production server's durability, filled with the benchmark's data, and a chom.yaml for it."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from chom_pipelines.server.connection import Session
from chom_pipelines.server.empty_datadirs import create_datadir
from chom_pipelines.server.facts import Flavour
from chom_pipelines.server.programs import server_program
from chom_pipelines.server.scratch import ScratchServer, scratch_server
from chom_pipelines_tests.bench.data import fill

DATABASE = "shop"
REPOSITORY, BEFORE = "repository", "repository-before"
_OPTIONS = ("--max-allowed-packet=64M", "--local-infile=ON")
_FLUSHING = {  # in an order in which neither they nor what they were contradict each other
    "innodb_io_capacity_max": 40_000,
    "innodb_io_capacity": 20_000,
    "innodb_max_dirty_pages_pct_lwm": 0,
    "innodb_max_dirty_pages_pct": 0,
}
_FEW_PAGES = 50
_PATIENCE_SECONDS = 120
_REDO = {Flavour.MARIADB: "--innodb-log-file-size=512M", Flavour.MYSQL: "--innodb-redo-log-capacity=512M"}


@dataclass(frozen=True)
class Arena:
    """A running server and where its contestants put their files."""

    server: ScratchServer
    directory: Path

    @property
    def socket(self) -> str:
        """For the peers' command lines."""
        return str(self.server.endpoint.socket)

    @property
    def environment(self) -> dict[str, str]:
        """For the commands: where chom.yaml is, our own `chom` first, and compiled modules kept, as usual."""
        path = f"{_bin()}:{os.environ['PATH']}"
        return {"CHOM_CONFIG": str(self.directory / "chom.yaml"), "PATH": path, "PYTHONDONTWRITEBYTECODE": ""}

    @property
    def process(self) -> psutil.Process:
        """The server's own, whose CPU is the other half of what a contestant costs."""
        with Session(self.server.endpoint) as session:
            datadir, pid_file = session.row("SELECT @@datadir, @@pid_file") or ("", "")
        return psutil.Process(int(Path(datadir, pid_file).read_text()))

    def chom(self, arguments: str) -> str:
        """The command line of this checkout's chom."""
        return f"chom {arguments}"

    def chom_before(self, checkout: Path, arguments: str) -> str:
        """The same of another checkout of this project, which has a repository of its own."""
        run = f"{sys.executable} -c 'from chom_pipelines.cli.main import main; main()'"
        return f"cd {checkout} && PYTHONPATH={checkout} CHOM_CONFIG={self.directory / 'before.yaml'} {run} {arguments}"

    def fill(self, scale: float, copies: int) -> None:
        """Make the data."""
        with Session(self.server.endpoint) as session:
            fill(session, DATABASE, scale, copies)

    def settle(self) -> None:
        """Have the server write what it still keeps of the contestant before, so that each begins alike."""
        with Session(self.server.endpoint) as session:
            usual = session.row(f"SELECT {', '.join(f'@@{name}' for name in _FLUSHING)}") or ()
            _set(session, _FLUSHING)
            patience = time.monotonic() + _PATIENCE_SECONDS
            while int(session.rows("SHOW STATUS LIKE 'Innodb_buffer_pool_pages_dirty'")[0][1]) > _FEW_PAGES:
                if time.monotonic() > patience:
                    message = f"the server still has dirty pages after {_PATIENCE_SECONDS} s"
                    raise RuntimeError(message)
                time.sleep(0.1)  # the server tells nobody that it has written them
            _set(session, dict(reversed(list(zip(_FLUSHING, usual, strict=True)))))
        os.sync()

    def drop(self, database: str) -> None:
        """Make room for a restore."""
        with Session(self.server.endpoint) as session:
            session.execute(f"DROP DATABASE IF EXISTS {database}")

    def out(self, name: str) -> Path:
        """An empty directory for one contestant's files."""
        path = self.directory / name
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir()
        return path


@contextmanager
def arena(flavour: Flavour, conditions: argparse.Namespace) -> Iterator[Arena]:
    """Start it on disk (TMPDIR) and remove it afterwards."""
    directory = Path(tempfile.mkdtemp(prefix="chom-bench-", dir=os.environ.get("TMPDIR", "/var/tmp")))  # noqa: S108
    try:
        options = (*_OPTIONS, _REDO[flavour], f"--innodb-buffer-pool-size={conditions.buffer_pool}")
        create_datadir(server_program(flavour), options, directory / "server")
        with scratch_server(flavour, data_directory=directory / "server", options=options) as server:
            for config, repository in (("chom.yaml", REPOSITORY), ("before.yaml", BEFORE)):
                (directory / repository).mkdir(mode=0o700)
                (directory / config).write_text(
                    f"repository: {{path: {directory / repository}}}\n"
                    "servers:\n"
                    f"  - {{name: bench, socket: {server.endpoint.socket}, user: root, databases: [{DATABASE}], "
                    f"backup: {{threads: {conditions.threads}}}}}\n",
                )
            yield Arena(server, directory)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def described(ground: Arena, options: argparse.Namespace) -> str:
    """The conditions, in a line."""
    data = f"scale {options.scale}, {options.copies} copies"
    return f"{ground.server.facts.label}, buffer pool {options.buffer_pool}, {data}, {options.threads} threads"


def arguments(description: str) -> argparse.Namespace:
    """What both benchmarks take."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--scale", type=float, default=1.25, help="1: 3.3 million rows, 420 MB of SQL")
    parser.add_argument("--copies", type=int, default=0, help="of every table, without its secondary keys: bytes, fast")
    parser.add_argument("--buffer-pool", default="1G", help="the server's; 128M is what it has where nobody sets it")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--before", type=Path, metavar="CHECKOUT", help="an older chom, which then is the only peer")
    parser.add_argument("--flavour", choices=[flavour.value for flavour in Flavour], action="append")
    return parser.parse_args()


def _set(session: Session, variables: Mapping[str, object]) -> None:
    for name, value in variables.items():
        session.execute(f"SET GLOBAL {name} = {value}")


def _bin() -> str:
    return str(Path(sys.executable).parent)
