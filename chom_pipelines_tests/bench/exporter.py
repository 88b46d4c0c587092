"""`make bench-exporter`: what a scrape costs a server and the exporter, and whether the exporter's memory stays flat.

`--tables 50000` is a server of many applications. The first scrape reads what grows with the number of tables, which
the others take from before for a minute or longer; their figures are of both. The repository is read as for a scrape,
once without anything known of it, then when nothing has changed, and when a backup came.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from chom_pipelines.server.connection import Session
from chom_pipelines.server.facts import Flavour
from chom_pipelines_tests.monitoring.kept import Kept
from chom_pipelines_tests.monitoring.monitored import DATABASE, Monitored, Series, monitored, of, series

_PATIENCE = "60"
_AT_ONCE = 200
_WARM = 20


@dataclass(frozen=True)
class Cost:
    """Of one scrape: seconds of the clock, CPU seconds of the exporter and of the server, bytes of the page."""

    wall: float
    exporter: float
    server: float
    page: int

    @property
    def cells(self) -> str:
        """Of the table."""
        return f"{1000 * self.wall:9.1f} {1000 * self.exporter:9.1f} {1000 * self.server:9.1f} {self.page / 1000:9.1f}"


class Scraped:
    """An exporter of its own process, and its server."""

    def __init__(self, server: Monitored) -> None:
        command = [sys.executable, "-m", "chom_pipelines.cli.main", "exporter", "--config", str(server.config)]
        self.running = subprocess.Popen(
            [*command, "--port", "0", "--json"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert self.running.stdout is not None
        text = ""
        while not text.endswith("}\n") or text.count("{") > text.count("}"):
            text += self.running.stdout.readline()
        self.address = urlsplit(json.loads(text)["url"])
        self.process = psutil.Process(self.running.pid)
        with server.session() as session:
            self.server = psutil.Process(int(Path(str(session.value("SELECT @@pid_file"))).read_text()))

    def scrape(self) -> tuple[Cost, str]:
        """One, as Prometheus does it but for compression."""
        before = _cpu(self.process), _cpu(self.server)
        begun = time.monotonic()
        connection = HTTPConnection(self.address.netloc, timeout=90)
        connection.request("GET", "/metrics", headers={"X-Prometheus-Scrape-Timeout-Seconds": _PATIENCE})
        text = connection.getresponse().read().decode()
        connection.close()
        wall = time.monotonic() - begun
        used = _cpu(self.process) - before[0], _cpu(self.server) - before[1]
        return Cost(wall, *used, len(text)), text

    @property
    def megabytes(self) -> float:
        """That are its own."""
        return float(self.process.memory_full_info().uss) / 1e6

    def end(self) -> None:
        """In order."""
        self.running.terminate()
        self.running.wait(30)


def make_tables(server: Monitored, count: int) -> None:
    """So many, of an AUTO_INCREMENT, two further indexes and a row."""
    with Session(server.root) as session:
        session.execute(f"USE {DATABASE}")
        for first in range(0, count, _AT_ONCE):
            for number in range(first, min(first + _AT_ONCE, count)):
                columns = "id INT AUTO_INCREMENT PRIMARY KEY, a INT, b VARCHAR(50), KEY (a), KEY (b)"
                session.execute(f"CREATE TABLE t{number} ({columns})")
                session.execute(f"INSERT INTO t{number} (a) VALUES (1)")


def of_server(flavour: Flavour, tables: int, scrapes: int) -> None:
    """Print what scrapes of a server of that family cost."""
    with tempfile.TemporaryDirectory() as directory, monitored(flavour, Path(directory)) as server:
        make_tables(server, tables)
        scraped = Scraped(server)
        try:
            first, text = scraped.scrape()
            found = series(text)
            seconds = {
                dict(labels)["collector"]: value for (name, labels), value in found.items() if "_collector_dur" in name
            }
            rest: list[Cost] = []
            last = text
            memory: list[float] = []
            for number in range(scrapes):
                cost, last = scraped.scrape()
                rest.append(cost)
                if number in {_WARM, scrapes // 2, scrapes - 1}:
                    memory.append(scraped.megabytes)
        finally:
            scraped.end()
        with server.session() as session:
            most = int(str(session.rows("SHOW GLOBAL STATUS LIKE 'Max_used_connections'")[0][1])) - 1  # and root's
        titles = " ".join(f"{title:>9s}" for title in ("wall ms", "CPU ms", "server ms", "kB"))
        print(f"\n{server.facts.label}, {tables} tables\n{'':24s} {titles}")
        print(f"{'first scrape':24s} {first.cells}")
        print(f"{f'median of {scrapes}':24s} {_middle(rest).cells}")
        print(f"{f'mean of {scrapes}':24s} {_mean(rest).cells}")
        slow = ", ".join(f"{name} {1000 * each:.0f}" for name, each in sorted(seconds.items(), key=lambda it: -it[1]))
        print(f"collectors of the first, in ms: {slow}")
        failed = [_failed(series(each)) for each in (text, last)]
        print(f"failed in the first: {failed[0]}, in the last: {failed[1]}; connections at most: {most}")
        print(f"up {of(found, 'chom_up'):g}, memory in MB after {_WARM}, half and all: "
              + ", ".join(f"{each:.1f}" for each in memory), flush=True)  # fmt: skip


def of_repository(backups: int, tables: int) -> None:
    """Print what it takes to read one of so many backups, of so many tables each, and as many segments of the log."""
    with tempfile.TemporaryDirectory() as directory:
        kept = Kept.at(Path(directory))
        for hour in range(backups):
            kept.back_up(hour, tables=tables)
            kept.archive(hour)
        kept.grow_old()
        watch = kept.watch()
        print(f"\na repository of {backups} backups of {tables} tables, and {backups} segments of the log")
        for what in ("at first", "nothing has changed", "a backup more", "a segment more"):
            if what == "a backup more":
                kept.back_up(backups, tables=tables)
            elif what == "a segment more":
                kept.archive(backups)
            begun = time.monotonic()
            watch.state()
            print(f"{what:24s} {1000 * (time.monotonic() - begun):9.1f} ms", flush=True)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tables", type=int, default=500)
    parser.add_argument("--scrapes", type=int, default=1000)
    parser.add_argument("--backups", type=int, default=1000)
    parser.add_argument("--flavour", choices=[each.value for each in Flavour], action="append")
    chosen = parser.parse_args(arguments)
    for flavour in map(Flavour, chosen.flavour or list(Flavour)):
        of_server(flavour, chosen.tables, chosen.scrapes)
    if chosen.backups:
        of_repository(chosen.backups, 200)


def _failed(found: Series) -> str:
    names = [
        dict(labels)["collector"]
        for (name, labels), value in found.items()
        if name == "chom_collector_success" and not value
    ]
    return ", ".join(sorted(names)) or "none"


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _middle(costs: Sequence[Cost]) -> Cost:
    return Cost(
        statistics.median(each.wall for each in costs),
        statistics.median(each.exporter for each in costs),
        statistics.median(each.server for each in costs),
        round(statistics.median(each.page for each in costs)),
    )


def _mean(costs: Sequence[Cost]) -> Cost:
    return Cost(
        statistics.fmean(each.wall for each in costs),
        statistics.fmean(each.exporter for each in costs),
        statistics.fmean(each.server for each in costs),
        round(statistics.fmean(each.page for each in costs)),
    )


if __name__ == "__main__":
    main()
