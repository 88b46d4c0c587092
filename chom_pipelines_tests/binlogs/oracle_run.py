"""A run of the oracle: a server is written to, watched and archived, and recovered to moments that are known."""

from __future__ import annotations

import random
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from chom_pipelines.binlogs.recovery.point_in_time import point_in_time, recovered_server
from chom_pipelines.binlogs.recovery.targets import Route
from chom_pipelines.progress import unreported
from chom_pipelines.repository.layout import Kind
from chom_pipelines.repository.payloads import Method
from chom_pipelines.server.connection import Session
from chom_pipelines.server.facts import Flavour
from chom_pipelines.server.programs import client_program
from chom_pipelines_tests.binlogs.archives import Archive
from chom_pipelines_tests.binlogs.oracle import KINDS, Moment, Oracle, holds
from chom_pipelines_tests.binlogs.oracle_workload import AT_LAST, FIRST, THEN, Workload, create
from chom_pipelines_tests.logical.taking import NAME, Backups
from chom_pipelines_tests.physical.files_data import copying_options, take_files
from chom_pipelines_tests.servers import PrivateServer, private_server

_OPTIONS = (
    *("--event-scheduler=ON", "--log-bin-trust-function-creators=1", "--max-allowed-packet=256M"),
    *("--character-set-server=latin1", "--explicit-defaults-for-timestamp=OFF", "--max-binlog-size=16M"),
)
_PAST_SECONDS = 2.1
"""For which nothing happens before the end: an archive tells of whole seconds, and the last one is not over."""
_ZONES = {Flavour.MARIADB: "mariadb-tzinfo-to-sql", Flavour.MYSQL: "mysql_tzinfo_to_sql"}


@dataclass(frozen=True)
class Watched:
    """A server that has been written to, its archive, and what is known of its past."""

    archive: Archive
    moments: tuple[Moment, ...]
    directory: Path

    def routes(self, moment: Moment) -> tuple[Route, ...]:
        """Which lead there: both, but behind an XA transaction on MariaDB."""
        is_behind = moment.number >= len(self.moments) // 2
        is_mariadb = self.archive.server.flavour is Flavour.MARIADB
        return (Route.REPLICATION,) if is_behind and is_mariadb else tuple(Route)

    def differences(self, moment: Moment, route: Route) -> list[str]:
        """Recover to a moment by what the archive has, and tell what is not as it was."""
        with ExitStack() as stack:
            ready = stack.enter_context(
                point_in_time(
                    self.archive.backups.repository,
                    NAME,
                    moment.target,
                    backup="latest",
                    keyring=self.archive.keyring,
                    report=unreported,
                    threads=1,
                )
            )
            recoverer = ready.recoverer(route, accounts=True, report=unreported)
            server, _ = stack.enter_context(recovered_server(ready, recoverer))
            with Session(server.endpoint) as session:
                return moment.differences(holds(session))


@contextmanager
def watched(
    flavour: Flavour, directory: Path, seed: int, moments: int, method: Method = Method.LOGICAL
) -> Iterator[Watched]:
    """Have writers work, take a backup meanwhile, note moments at random distances, and archive."""
    chance = random.Random(seed)
    with private_server(flavour, (*_OPTIONS, *copying_options(flavour))) as server:
        _load_zones(server)
        create(server)
        if method is Method.PHYSICAL and flavour is Flavour.MYSQL:
            with server.connect() as session:
                session.execute("ALTER TABLE orc.old ENGINE = InnoDB")  # CLONE copies no other rows
        archive = Archive(server, Backups(directory))
        workload, oracle = Workload(server, seed), Oracle(server)
        with workload.running(FIRST):
            time.sleep(0.3)  # so that the backup is taken while they write
            _take(archive.backups, server, method)
        noted = []
        with workload.running(THEN), ExitStack() as stack:
            for number in range(moments):
                if number == moments // 2:
                    stack.enter_context(workload.running(AT_LAST))
                time.sleep(chance.uniform(0.05, 0.6))  # moments are at random
                workload.check()
                noted.append(_noted(oracle, workload, number))
                if number == moments // 2:
                    archive.archive(close=False)
        time.sleep(_PAST_SECONDS)  # a log is sure up to a second before its end
        archive.archive()
        yield Watched(archive, tuple(noted), directory)


def _take(backups: Backups, server: PrivateServer, method: Method) -> None:
    """A full backup; a physical one of MariaDB is followed by two of what was changed since."""
    if method is Method.LOGICAL:
        backups.take(server)
        return
    server.outlast_its_start()
    kinds = [Kind.INCREMENTAL] * 2 if server.flavour is Flavour.MARIADB else []
    for kind in (Kind.FULL, *kinds):
        take_files(backups, server, kind=kind)


def _noted(oracle: Oracle, workload: Workload, number: int) -> Moment:
    if KINDS[number % len(KINDS)] != "time" or oracle.server.flavour is Flavour.MYSQL:
        return oracle.note(number)
    with workload.gate.closed(), oracle.server.connect() as session:
        session.execute("SET GLOBAL event_scheduler = OFF")
        time.sleep(0.05)  # an event that has begun is no session of ours, whose end could be waited for
        try:
            return oracle.note(number)
        finally:
            session.execute("SET GLOBAL event_scheduler = ON")


def _load_zones(server: PrivateServer) -> None:
    """As an administrator does who lets sessions have named time zones."""
    client = client_program(server.flavour).path
    beside = client.parent / _ZONES[server.flavour]
    loader = str(beside if beside.exists() else _ZONES[server.flavour])
    for zone in ("Europe/Berlin", "America/New_York", "UTC"):
        made = subprocess.run([loader, f"/usr/share/zoneinfo/{zone}", zone], check=True, capture_output=True).stdout
        command = [str(client), "--no-defaults", "-uroot", f"--socket={server.root.socket}", "mysql"]
        subprocess.run(command, check=True, input=b"SET SESSION sql_log_bin = 0;\n" + made)
