"""Sessions that hold and want the same things, and what the monitor says of them, as lines of a screen."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import StringIO

from rich.console import Console, RenderableType

from chom_pipelines.errors import ServerError
from chom_pipelines.monitoring.console.screen_locks import locks
from chom_pipelines.monitoring.console.screens import Header, screen
from chom_pipelines.monitoring.locks.locks import LockPicture, read_locks
from chom_pipelines.monitoring.readers.reading import Lack, Reading
from chom_pipelines.monitoring.readers.session import monitoring_session
from chom_pipelines.server.connection import Endpoint, Session
from chom_pipelines.server.facts import Flavour
from chom_pipelines_tests.binlogs.test_server_options import mariadb_plugins
from chom_pipelines_tests.servers import PrivateServer, private_server

PATIENCE = 10.0
NEWS_SECONDS = 0.15
"""What InnoDB tells of transactions is as it was at the last question, where that is not a tenth of a second ago."""
TABLE = "CREATE TABLE {}.orders (id INT PRIMARY KEY, note VARCHAR(50))"


@contextmanager
def telling(server: PrivateServer) -> Iterator[PrivateServer]:
    """A server of that family that tells all that it can: of MariaDB with the plugin and performance_schema."""
    if server.flavour is Flavour.MYSQL:
        yield server
        return
    options = [f"--plugin-dir={mariadb_plugins()}", "--plugin-load-add=metadata_lock_info", "--performance-schema=ON"]
    with private_server(Flavour.MARIADB, options) as private:
        yield private


@dataclass
class People:
    """Sessions of root's that are ended with the test, with whatever they wait for."""

    server: PrivateServer
    stack: ExitStack = field(default_factory=ExitStack)
    sessions: list[Session] = field(default_factory=list)
    threads: list[threading.Thread] = field(default_factory=list)

    def one(self, *statements: str, autocommit: bool = False) -> Session:
        """A new session that has executed these."""
        session = self.stack.enter_context(Session(self.server.root, autocommit=autocommit))
        self.sessions.append(session)
        for statement in statements:
            session.rows(statement)
        return session

    def waits(self, session: Session, statement: str) -> None:
        """Have it execute that, and not wait for the end."""

        def run() -> None:
            with suppress(ServerError):
                session.rows(statement)

        thread = threading.Thread(target=run)
        thread.start()
        self.threads.append(thread)

    def end(self) -> None:
        with self.server.connect() as admin:
            for session in self.sessions:
                with suppress(ServerError):
                    admin.execute(f"KILL {session.id}")
        for thread in self.threads:
            thread.join(PATIENCE)
        self.stack.close()


@contextmanager
def people(server: PrivateServer) -> Iterator[People]:
    found = People(server)
    try:
        yield found
    finally:
        found.end()


def told(endpoint: Endpoint, expected: int, account: str = "chom_backup") -> Reading[LockPicture]:
    """What is read as soon as so many sessions wait."""
    session, facts = monitoring_session(endpoint)
    with session:
        return until(lambda: read_locks(session, facts, account), lambda found: _waiting(found) == expected)


def _waiting(reading: Reading[LockPicture]) -> int:
    assert reading.value is not None, reading
    return len(reading.value.waiting)


def until(
    look: Callable[[], Reading[LockPicture]], enough: Callable[[Reading[LockPicture]], bool]
) -> Reading[LockPicture]:
    end = time.monotonic() + PATIENCE
    while True:
        time.sleep(NEWS_SECONDS)  # what InnoDB tells is new only where nobody has read it for so long
        reading = look()
        if enough(reading):
            return reading
        assert time.monotonic() < end, reading


def lines_of(body: Sequence[RenderableType], lacks: Sequence[Lack] = (), *, width: int = 80) -> list[str]:
    """The screen as a terminal of that width shows it."""
    console = Console(record=True, width=width, file=StringIO(), highlight=False)
    console.print(screen(Header("shop", "locks", datetime.now(UTC), "a server", 3600.0), lacks, *body))
    return [line.rstrip() for line in console.export_text().splitlines()]


def drawn(reading: Reading[LockPicture], *, literals: bool = False, width: int = 80) -> list[str]:
    return lines_of(locks(reading, literals=literals), reading.lacks, width=width)
