"""`make bench-replay`: a binary log of 8 writers, replayed by both routes and by `mysqlbinlog | mysql`; alternating.

Measured is the replay alone: each begins with the same backup, restored on a private server of its own.
"""

from __future__ import annotations

import argparse
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from chom_pipelines.binlogs.recovery.point_in_time import PointInTime, point_in_time
from chom_pipelines.binlogs.recovery.spool import LogFile
from chom_pipelines.binlogs.recovery.targets import BeforePlace, Route
from chom_pipelines.progress import unreported
from chom_pipelines.server.connection import Session
from chom_pipelines.server.facts import Flavour
from chom_pipelines.server.programs import binlog_program, client_program
from chom_pipelines.server.scratch import ScratchServer, scratch_server
from chom_pipelines_tests.binlogs.archives import Archive
from chom_pipelines_tests.logical.taking import NAME, TOGETHER, Backups, filled
from chom_pipelines_tests.servers import PrivateServer, private_server

WRITERS = 8
_ROWS = 20_000
_NAMES = {Route.REPLICATION: "chom, by replication", Route.CLIENT: "chom, through the clients"}
_CALL = 100
"""Transactions that a writer has the server execute at once."""
_TABLE = (
    "CREATE TABLE shop.{} (id INT AUTO_INCREMENT PRIMARY KEY, k INT NOT NULL, c CHAR(120) NOT NULL, "
    "pad CHAR(60) NOT NULL, KEY (k))"
)
_VALUES = "n, n * 7919 % 20000, REPEAT(LEFT(SHA2(n, 256), 40), 3), LEFT(SHA2(n + 1, 256), 60)"
_PROCEDURE = """
CREATE PROCEDURE shop.write_{table} (IN writer INT, IN count INT) MODIFIES SQL DATA
BEGIN
  DECLARE chosen INT;
  WHILE count > 0 DO
    SET chosen = 1 + writer + {writers} * FLOOR(RAND() * {rows} / {writers});
    START TRANSACTION;
    UPDATE shop.{table} SET k = k + 1 WHERE id = chosen;
    UPDATE shop.{table} SET c = REPEAT(LEFT(SHA2(RAND(), 256), 40), 3) WHERE id = chosen + {writers};
    DELETE FROM shop.{table} WHERE id = chosen + 2 * {writers};
    INSERT IGNORE INTO shop.{table} VALUES (chosen + 2 * {writers}, chosen, REPEAT('c', 120), REPEAT('p', 60));
    COMMIT;
    SET count = count - 1;
  END WHILE;
END
"""


@dataclass
class Contestant:
    """One way to replay; `run` returns seconds of the replay alone."""

    name: str
    run: Callable[[PointInTime, ScratchServer], float]
    route: Route
    seconds: list[float] = field(default_factory=list)

    @property
    def wall(self) -> float:
        """The median."""
        return statistics.median(self.seconds)


def main() -> None:
    """Print the medians per family; exits with 1 where a copy is not identical."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=1024, help="of binary log")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--flavour", choices=[flavour.value for flavour in Flavour], action="append")
    parser.add_argument("--route", choices=[route.value for route in Route], action="append", help="else all")
    options = parser.parse_args()
    routes = [Route(each) for each in options.route or [route.value for route in Route]]
    different = 0
    for flavour in map(Flavour, options.flavour or [each.value for each in Flavour]):
        with written(flavour, options.megabytes << 20) as (archive, place):
            different += compared(archive, place, options.rounds, routes)
    sys.exit(1 if different else 0)


@contextmanager
def written(flavour: Flavour, size: int) -> Iterator[tuple[Archive, BeforePlace]]:
    """A server with a backup, so many bytes of binary log after it, archived, and the place where that ends."""
    with tempfile.TemporaryDirectory() as directory, private_server(flavour, ("--max-binlog-size=256M",)) as server:
        archive = Archive(server, Backups(Path(directory), policy=TOGETHER))
        with server.connect() as session:
            session.execute("CREATE DATABASE shop")
            for number in range(WRITERS):
                table = f"t{number}"
                session.execute(_TABLE.format(table))
                filled(session, f"shop.{table}", _ROWS, _VALUES)
                session.execute(_PROCEDURE.format(table=table, writers=WRITERS, rows=_ROWS))
            session.execute("FLUSH BINARY LOGS")
        archive.backups.take(server)
        began = time.monotonic()
        _write(server, _logged(server) + size)
        with server.connect() as session:
            (file, position, *_) = session.rows(server.facts.binlog_status_statement)[0]
        print(f"{server.facts.label}: {size >> 20} MB written in {time.monotonic() - began:.0f} s", flush=True)
        archive.archive()
        yield archive, BeforePlace(file, int(position))


def _write(server: PrivateServer, until: int) -> None:
    full = threading.Event()

    def write(number: int) -> None:
        chance = random.Random(number)
        with server.connect() as session:
            session.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
            while not full.is_set():
                session.execute(f"CALL shop.write_t{chance.randrange(WRITERS)}({number}, {_CALL})")

    writers = [threading.Thread(target=write, args=(number,)) for number in range(WRITERS)]
    for writer in writers:
        writer.start()
    while _logged(server) < until and any(writer.is_alive() for writer in writers):
        time.sleep(0.1)  # the server tells nobody how long its log has become
    full.set()
    for writer in writers:
        writer.join()


def _logged(server: PrivateServer) -> int:
    with server.connect() as session:
        return sum(int(row["File_size"]) for row in session.dicts("SHOW BINARY LOGS"))


def compared(archive: Archive, place: BeforePlace, rounds: int, routes: list[Route]) -> int:
    """Let these routes and who does it by hand replay in turn, print it, and return how many copies differ.

    Ratios are medians of each round's own: machines are quicker in one minute than in another.
    """
    with archive.server.connect() as session:
        wanted = _sums(session)
    contestants = [
        Contestant("mysqlbinlog | mysql, by hand", _by_hand, Route.CLIENT),
        *(Contestant(_NAMES[route], _by_chom(route), route) for route in routes),
    ]
    different = transactions = size = 0
    for number in range(rounds):
        for each in contestants:
            with ExitStack() as stack:
                ready = stack.enter_context(_ready(archive, place))
                options = ready.recoverer(each.route, accounts=True, report=unreported).options
                server = stack.enter_context(scratch_server(archive.server.flavour, options=options))
                each.seconds.append(each.run(ready, server))
                with Session(server.endpoint) as session:
                    is_same = _sums(session) == wanted
                different += not is_same
                transactions, size = ready.recovery.stop.transactions, _size(ready.recovery.files)
            said = "identical" if is_same else "DIFFERENT"
            print(f"round {number + 1}  {each.name:30s} {each.seconds[-1]:8.2f} s, {said} by checksum", flush=True)
    print(f"\n{transactions:,} transactions, {size / 1e6:.0f} MB\n{'':30s}  wall s   trx/s    MB/s  by hand/it")
    for each in contestants:
        rate, speed = transactions / each.wall, size / 1e6 / each.wall
        times = statistics.median(hand / own for hand, own in zip(contestants[0].seconds, each.seconds, strict=True))
        print(f"{each.name:30s} {each.wall:7.2f} {rate:7.0f} {speed:7.1f} {times:11.2f}")
    print(flush=True)
    return different


def _size(files: tuple[LogFile, ...]) -> int:
    whole = [each.stop or each.path.stat().st_size for each in files]
    return sum(whole) - (files[0].start or 0)


@contextmanager
def _ready(archive: Archive, place: BeforePlace) -> Iterator[PointInTime]:
    """Files of the log of one's own: a server that serves them writes into the last one."""
    repository = archive.backups.repository
    with point_in_time(repository, NAME, place, backup="latest", keyring=None, report=unreported, threads=0) as ready:
        yield ready


def _by_chom(route: Route) -> Callable[[PointInTime, ScratchServer], float]:
    def run(ready: PointInTime, server: ScratchServer) -> float:
        filled_server = ready.recoverer(route, accounts=True, report=unreported).fill(server)
        return filled_server.restored.phases["replay"]

    return run


def _by_hand(ready: PointInTime, server: ScratchServer) -> float:
    """As the servers' manuals have it, in one session; the server is as far as the backup before."""
    recovery = ready.recovery
    stop = replace(recovery.stop, transactions=0)
    nothing = replace(ready, recovery=replace(recovery, files=(), end=recovery.begin, stop=stop))
    recoverer = nothing.recoverer(Route.CLIENT, accounts=True, report=unreported)
    recoverer.fill(server)
    flavour, files = recoverer.flavour, recovery.files
    read = f"{binlog_program(flavour).path} --no-defaults --start-position={files[0].start}"
    read += f" --stop-position={files[-1].stop} {' '.join(str(each.path) for each in files)}"
    client = f"{client_program(flavour).path} --no-defaults -uroot --socket={server.endpoint.socket} --binary-mode"
    began = time.monotonic()
    subprocess.run(
        ["/bin/bash", "-o", "pipefail", "-c", f"{read} | {client} --max-allowed-packet=1G"],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return time.monotonic() - began


def _sums(session: Session) -> list[tuple[str, int]]:
    tables = ", ".join(f"shop.t{number}" for number in range(WRITERS))
    return [(str(name), int(value)) for name, value in session.rows(f"CHECKSUM TABLE {tables}")]


if __name__ == "__main__":
    main()
