"""Binary logs of real servers, and what the servers themselves say is in them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from chom_pipelines.binlogs.format.scanning import Scanner
from chom_pipelines.binlogs.format.transactions import Summary, Transaction
from chom_pipelines_tests.servers import PrivateServer


@dataclass(frozen=True)
class Shown:
    """An event as SHOW BINLOG EVENTS lists it."""

    kind: str
    start: int
    end: int
    info: str

    @property
    def gtid(self) -> str | None:
        """The GTID that it announces."""
        found = re.search(r"GTID_NEXT= '(\S+)'|GTID (\S+)$", self.info)
        return (found[1] or found[2]) if found and self.kind.lower().startswith("gtid") else None


@dataclass(frozen=True)
class Log:
    """A binary log: its bytes, and the server's own list of its events."""

    name: str
    data: bytes
    shown: tuple[Shown, ...]


def logs_since(server: PrivateServer, first: str) -> list[Log]:
    """All logs from the one of that name on, as they are now."""
    with server.connect() as session:
        folder = Path(str(session.value("SELECT @@log_bin_basename"))).parent
        names = [str(row["Log_name"]) for row in session.dicts("SHOW BINARY LOGS")]
        logs = []
        for name in names[names.index(first) :]:
            rows = session.dicts(f"SHOW BINLOG EVENTS IN '{name}'")
            shown = tuple(Shown(row["Event_type"], row["Pos"], row["End_log_pos"], str(row["Info"])) for row in rows)
            logs.append(Log(name, (folder / name).read_bytes(), shown))
    return logs


def new_log(server: PrivateServer) -> str:
    """Begin a new log, and return its name."""
    with server.connect() as session:
        session.execute("FLUSH BINARY LOGS")
        return str(session.dicts("SHOW BINARY LOGS")[-1]["Log_name"])


def scanned(data: bytes, *, chunk: int = 1 << 20) -> tuple[list[Transaction], Summary]:
    """Scan a whole log."""
    scanner = Scanner("log")
    found = [each for at in range(0, len(data), chunk) for each in scanner.feed(data[at : at + chunk])]
    return found, scanner.finish()
