"""A server as one that is monitored is set up, an account with no more than that takes, and the exporter over HTTP."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

from prometheus_client.parser import text_string_to_metric_families

from chom_pipelines.inventory.loading import load_inventory
from chom_pipelines.inventory.models import Inventory
from chom_pipelines.monitoring.exporting.exporter import Exporter
from chom_pipelines.monitoring.exporting.scraping import Scraper
from chom_pipelines.monitoring.readers.privileges import monitor_account
from chom_pipelines.server.connection import Session
from chom_pipelines.server.endpoint import Endpoint
from chom_pipelines.server.facts import Flavour, ServerFacts, read_facts
from chom_pipelines.server.scratch import free_port, listening_on, scratch_server, with_binary_log
from chom_pipelines_tests.binlogs.test_server_options import mariadb_plugins

USER, PASSWORD = "monitor", "a secret of the monitor"
NAME = "shop"
DATABASE = "app"
Series = dict[tuple[str, frozenset[tuple[str, str]]], float]


@dataclass(frozen=True)
class Monitored:
    """A running server: `root` by socket, the monitor's account by TCP, and the chom.yaml that names it."""

    root: Endpoint
    port: int
    facts: ServerFacts
    config: Path

    @property
    def inventory(self) -> Inventory:
        """As it is configured."""
        return load_inventory(self.config)

    def session(self) -> Session:
        """A new one of root's."""
        return Session(self.root)


@contextmanager
def monitored(flavour: Flavour, directory: Path, more: str = "", options: Sequence[str] = ()) -> Iterator[Monitored]:
    """Start one with all that is asked for in README; `more` are lines of its entry in chom.yaml."""
    port = free_port()
    own = (
        ("--performance-schema=ON", f"--plugin-dir={mariadb_plugins()}")
        if flavour is Flavour.MARIADB
        else ("--performance-schema=ON",)
    )
    every = (*listening_on(port), *with_binary_log(flavour, 1), *own, *options)
    with scratch_server(flavour, options=every) as server, Session(server.endpoint) as session:
        if flavour is Flavour.MARIADB:
            for statement in (
                "INSTALL SONAME 'query_response_time'",
                "SET GLOBAL query_response_time_range_base = 2",
                "SET GLOBAL query_response_time_stats = ON",
                "FLUSH QUERY_RESPONSE_TIME",
            ):
                session.execute(statement)
        session.execute(f"CREATE DATABASE {DATABASE}")
        session.execute(f"CREATE TABLE {DATABASE}.schema_migrations (version VARCHAR(20) PRIMARY KEY)")
        facts = read_facts(session)
        for statement in monitor_account(facts, [DATABASE], user=USER, host="%", password=PASSWORD):
            session.execute(statement)
        (directory / "password").write_text(PASSWORD)
        (directory / "repository").mkdir(exist_ok=True)
        config = directory / "chom.yaml"
        config.write_text(
            "repository: {path: repository}\nservers:\n"
            f"  - name: {NAME}\n    host: 127.0.0.1\n    port: {port}\n    user: {USER}\n"
            f"    password: {{file: password}}\n    databases: [{DATABASE}]\n{more}"
        )
        yield Monitored(server.endpoint, port, facts, config)


@contextmanager
def exported(inventory: Inventory) -> Iterator[str]:
    """The exporter's address, until the end of the block."""
    with Exporter(Scraper(inventory), "127.0.0.1", 0) as serving:
        thread = threading.Thread(target=serving.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{serving.server_port}"
        finally:
            serving.shutdown()
            thread.join()


def fetched(url: str) -> str:
    """The page there."""
    return answered(url)[1]


def answered(url: str, **headers: str) -> tuple[int, str]:
    """The status and the page."""
    address = urlsplit(url)
    connection = HTTPConnection(address.netloc, timeout=30)
    try:
        connection.request("GET", f"{address.path}?{address.query}", headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def series(text: str) -> Series:
    """Every sample, by name and labels without `server`."""
    return {
        (
            sample.name,
            frozenset((name, value) for name, value in sample.labels.items() if name != "server"),
        ): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def of(found: Series, metric: str, /, **labels: str) -> float | None:
    """The value of one; None where there is none."""
    return found.get((metric, frozenset(labels.items())))


def names(found: Series) -> set[str]:
    """Of all that have a sample."""
    return {name for name, _ in found}
