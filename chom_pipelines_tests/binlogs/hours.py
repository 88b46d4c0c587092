"""A server that has written its binary log for hours, in moments: times in a log are what the session says they are."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from chom_pipelines.binlogs.archive.coverage import Span
from chom_pipelines_tests.servers import PrivateServer

HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Hours:
    """The hours before the current one: `hour(-1)` is the last one that is over."""

    server: PrivateServer
    now: datetime

    @classmethod
    def of(cls, server: PrivateServer, begins: float) -> Hours:
        """The server's binary log begins anew, so many hours before this one began, as below."""
        found = cls(server, datetime.now(UTC).replace(minute=0, second=0, microsecond=0))
        reset = "RESET MASTER" if server.facts.is_mariadb else "RESET BINARY LOGS AND GTIDS"
        found.at(begins, reset)
        return found

    def moment(self, hours: float) -> datetime:
        """So many hours after the current hour began, which is before it where it is negative."""
        return self.now + hours * HOUR

    def hour(self, number: int) -> Span:
        """The one that begins then."""
        return Span(self.moment(number), self.moment(number + 1))

    def partition(self, number: int) -> str:
        """Of that hour."""
        return f"{self.moment(number):%Y-%m-%d-%H:%M}"

    def at(self, hours: float, *statements: str) -> None:
        """Have the server execute these as if it were that moment."""
        with self.server.connect() as session:
            session.execute(f"SET timestamp = {int(self.moment(hours).timestamp())}")
            for statement in statements:
                session.execute(statement)

    def work(self, hours: float) -> None:
        """A row is inserted then."""
        self.at(hours, "INSERT INTO shop.t (s) VALUES (UUID())")

    def close(self, hours: float) -> None:
        """The server begins another file then."""
        self.at(hours, "FLUSH BINARY LOGS")

    def purge(self) -> str:
        """The server deletes all that it has closed, and writes the file of this name."""
        with self.server.connect() as session:
            while len(files := session.rows("SHOW BINARY LOGS")) > 1:  # MariaDB keeps what a checkpoint still needs
                session.execute(f"PURGE BINARY LOGS TO '{files[-1][0]}'")
            return str(files[-1][0])
