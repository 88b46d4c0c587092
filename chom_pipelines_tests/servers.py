"""Private servers for tests, set up as a production server is: binary log, GTIDs, a port, a least-privilege user."""

from __future__ import annotations

import itertools
import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from chom_pipelines.server.connection import Endpoint, Session
from chom_pipelines.server.facts import Flavour, ServerFacts
from chom_pipelines.server.identifiers import account, literal, quote
from chom_pipelines.server.privileges import grants_for_backup
from chom_pipelines.server.scratch import free_port, listening_on, scratch_server

_LIKE_PRODUCTION = {
    Flavour.MARIADB: ("--log-bin=mysql-bin", "--binlog-format=ROW", "--gtid-strict-mode=ON", "--server-id=11"),
    Flavour.MYSQL: (
        *("--log-bin=mysql-bin", "--gtid-mode=ON", "--enforce-gtid-consistency=ON", "--server-id=12"),
        "--performance-schema=ON",  # its default; who holds a metadata lock is told nowhere else
    ),
}
_numbers = itertools.count(1)
_MUCH_LOGGED, _MANY_LOGS = 4 * 1024**2, 2  # bytes, and files: to archive a server's log takes seconds with more
_DOUBTFUL_S = 3  # an uptime of fewer seconds may be of a start that is told as now


@dataclass(frozen=True)
class PrivateServer:
    """A running server: `root` by socket, `backup` by TCP with no more than the privileges a backup needs."""

    flavour: Flavour
    root: Endpoint
    backup: Endpoint
    facts: ServerFacts
    _created: list[str] = field(default_factory=list)
    _scopes: list[object] = field(default_factory=list)  # those that are open, of all that share the server

    def connect(self) -> Session:
        """A new session of root's."""
        return Session(self.root, local_infile=True)

    def outlast_its_start(self) -> None:
        """Wait until a backup that is taken now is surely later than the start, which the server tells in seconds."""
        with self.connect() as session:
            while int(str(session.rows("SHOW GLOBAL STATUS LIKE 'Uptime'")[0][1])) < _DOUBTFUL_S:
                time.sleep(0.1)  # it is told in whole seconds

    def fresh_database(self, options: str = "", *, name: str = "") -> str:
        """Create an empty database of a new name, or of this one; it is dropped when the test, or the `scope`, ends."""
        name = name or f"chom_test_{next(_numbers)}"
        with self.connect() as session:
            session.execute(f"CREATE DATABASE {quote(name)} {options}")
        self._created.append(name)
        return name

    @contextmanager
    def scope(self) -> Iterator[PrivateServer]:
        """The same server; databases created through it live for the length of the block.

        Where no other is open, earlier tests' binary logs are purged first: hundreds of tests share a server.
        """
        if not self._scopes:
            self._purge_old_logs()
        scoped = replace(self, _created=[])
        open_scope = object()
        self._scopes.append(open_scope)
        try:
            yield scoped
        finally:
            self._scopes.remove(open_scope)
            with self.connect() as session:
                session.execute("SET SESSION foreign_key_checks = 0")
                for name in scoped._created:
                    session.execute(f"DROP DATABASE IF EXISTS {quote(name)}")

    def _purge_old_logs(self) -> None:
        with self.connect() as session:
            sizes = [int(size) for _, size, *_ in session.rows("SHOW BINARY LOGS")]
            if sum(sizes) > _MUCH_LOGGED or len(sizes) > _MANY_LOGS:
                session.execute("FLUSH BINARY LOGS")
                newest = session.rows("SHOW BINARY LOGS")[-1][0]
                session.execute(f"PURGE BINARY LOGS TO {literal(newest)}")


@contextmanager
def private_server(
    flavour: Flavour, options: Sequence[str] = (), data_directory: Path | None = None
) -> Iterator[PrivateServer]:
    """Start a server with the harness's options, then `options`; of an existing `data_directory`, which stays."""
    port = free_port()
    like_production = (*listening_on(port), *_LIKE_PRODUCTION[flavour], *options)
    with scratch_server(flavour, options=like_production, data_directory=data_directory) as scratch:
        backup = Endpoint(
            f"test {flavour.value}", "chom_backup", secrets.token_urlsafe(16), host="127.0.0.1", port=port
        )
        with Session(scratch.endpoint) as session:
            user = account(backup.user, "%")
            session.execute(f"DROP USER IF EXISTS {user}")
            session.execute(f"CREATE USER {user} IDENTIFIED BY {literal(backup.password)}")
            for grant in grants_for_backup(scratch.facts, backup.user, "%"):
                session.execute(grant)
        yield PrivateServer(flavour, scratch.endpoint, backup, scratch.facts)
