"""A scrape ends in time, and tells all that it can, whatever hangs, breaks or is not there."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from chom_pipelines.inventory.loading import load_inventory
from chom_pipelines.monitoring.exporting import collecting, exporter
from chom_pipelines.monitoring.exporting.backup_state import BackupState, BackupWatch
from chom_pipelines.monitoring.exporting.exporter import Exporter
from chom_pipelines.monitoring.exporting.scraping import Scraper
from chom_pipelines.monitoring.readers.processes import Processes, read_processes
from chom_pipelines.monitoring.readers.reading import Reading
from chom_pipelines.monitoring.readers.tables import TableSize, read_tables
from chom_pipelines.server.connection import Session
from chom_pipelines.server.facts import Flavour, ServerFacts
from chom_pipelines_tests.binlogs.streams import Relay
from chom_pipelines_tests.monitoring.monitored import (
    DATABASE,
    NAME,
    Monitored,
    Series,
    answered,
    exported,
    fetched,
    monitored,
    names,
    of,
    series,
)
from chom_pipelines_tests.servers import PrivateServer

SECONDS = "2"
"""Of Prometheus' patience; without a limit of our own, five of a statement and more."""


@pytest.fixture(scope="module", params=list(Flavour), ids=lambda flavour: flavour.value)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Monitored]:
    with monitored(request.param, tmp_path_factory.mktemp("monitored")) as found, found.session() as session:
        session.execute(f"CREATE TABLE {DATABASE}.t (id INT AUTO_INCREMENT PRIMARY KEY, a INT, KEY t_a (a))")
        session.execute(f"INSERT INTO {DATABASE}.t (a) VALUES (1), (2)")
        yield found


@pytest.fixture
def relay(server: Monitored) -> Iterator[Relay]:
    with closing(Relay(server.port)) as found:
        yield found


def behind(server: Monitored, relay: Relay, directory: Path) -> Monitored:
    """The same, asked through the relay."""
    config = directory / "chom.yaml"
    text = server.config.read_text().replace(f"port: {server.port}", f"port: {relay.port}")
    config.write_text(text.replace("file: password", f"file: {server.config.with_name('password')}"))
    (directory / "repository").mkdir()
    return replace(server, config=config)


def in_time(address: str) -> Series:
    """What is told to a Prometheus that has two seconds; it is waited for longer, as machines may be busy."""
    connection = HTTPConnection(urlsplit(address).netloc, timeout=4.5)
    with closing(connection):
        connection.request("GET", "/metrics", headers={"X-Prometheus-Scrape-Timeout-Seconds": SECONDS})
        return series(connection.getresponse().read().decode())


def test_a_server_that_says_nothing_is_down_in_time(server: Monitored, relay: Relay, tmp_path: Path) -> None:
    relay.silence()
    with exported(behind(server, relay, tmp_path).inventory) as address:
        found = in_time(address)
    assert of(found, "chom_up") == 0
    assert of(found, "chom_backups", type="full") == 0
    assert not {name for name in names(found) if name.startswith("chom_database")}


def test_one_that_falls_silent_has_told_what_it_had_told(
    server: Monitored, relay: Relay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent(session: Session, facts: ServerFacts) -> Reading[Processes]:
        relay.silence()
        return read_processes(session, facts)

    monkeypatch.setattr(collecting, "read_processes", silent)
    with exported(behind(server, relay, tmp_path).inventory) as address:
        found = in_time(address)
        told = {dict(labels)["collector"]: value for (name, labels), value in found.items() if "_success" in name}
        assert of(found, "chom_up") == 1
        assert {name for name, value in told.items() if value} == {"status", "backups"}
        assert of(found, "chom_database_uptime_seconds") is not None
        assert not names(found) & {"chom_database_connections", "chom_database_size_bytes", "chom_migrations_pending"}
        relay.mend()
        monkeypatch.undo()
        assert of(in_time(address), "chom_database_size_bytes", database=DATABASE, type="total")


def test_a_lost_connection_ends_those_that_come_after_it_and_each_says_so(
    server: Monitored, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def lost(session: Session, facts: ServerFacts) -> Reading[Processes]:
        with server.session() as root:
            root.execute(f"KILL {session.id}")
        return read_processes(session, facts)

    monkeypatch.setattr(collecting, "read_processes", lost)
    with exported(server.inventory) as address:
        found = series(fetched(f"{address}/metrics"))
    told = {dict(labels)["collector"]: value for (name, labels), value in found.items() if "_success" in name}
    failed = {name for name, value in told.items() if not value}
    assert failed == {"processlist", "query_histogram", "replication"}  # tables have a connection of their own
    assert {name for name in failed if f"{NAME}: {name}: " in caplog.text} == failed
    assert not {name for name in names(found) if "connections" in name and "max" not in name}


def test_tables_that_take_longer_than_a_scrape_are_told_when_they_are_there(
    server: Monitored, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 50,000 tables; and the server is not asked again by each scrape meanwhile."""
    may_end, asked = threading.Event(), []

    def long(session: Session, facts: ServerFacts, databases: tuple[str, ...] | None) -> Reading[tuple[TableSize, ...]]:
        asked.append(session.id)
        assert may_end.wait(30)
        return read_tables(session, facts, databases)

    monkeypatch.setattr(collecting, "read_tables", long)
    with exported(server.inventory) as address:
        for _ in range(2):
            found = in_time(address)
            assert of(found, "chom_collector_success", collector="table_sizes") == 0
            assert of(found, "chom_database_connections", state="active") is not None
            assert not {name for name in names(found) if "size_bytes" in name and "repository" not in name}
        may_end.set()
        found = series(fetched(f"{address}/metrics"))
        assert of(found, "chom_database_size_bytes", database=DATABASE, type="total")
        assert of(found, "chom_collector_success", collector="table_sizes") == 1
        assert of(series(fetched(f"{address}/metrics")), "chom_database_size_bytes", database=DATABASE, type="total")
    assert len(asked) == 1


def test_a_password_that_is_wrong_is_told_nowhere(
    server: Monitored, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "password").write_text("a wrong one, and secret")
    (tmp_path / "chom.yaml").write_text(server.config.read_text())
    with caplog.at_level("DEBUG"), exported(load_inventory(tmp_path / "chom.yaml")) as address:
        text = fetched(f"{address}/metrics") + fetched(f"{address}/") + fetched(f"{address}/probe?target={NAME}")
    assert of(series(text.partition("<!DOCTYPE")[0]), "chom_up") == 0
    assert "Access denied" in caplog.text
    assert "a wrong one" not in text + caplog.text


def test_a_repository_that_hangs_keeps_no_server_from_being_told(
    server: Monitored, monkeypatch: pytest.MonkeyPatch
) -> None:
    hangs = threading.Event()

    def state(self: BackupWatch) -> BackupState:
        del self
        hangs.wait(30)
        return BackupState()

    monkeypatch.setattr(BackupWatch, "state", state)
    with exported(server.inventory) as address:
        found = in_time(address)
        assert of(found, "chom_up") == 1
        assert of(found, "chom_database_uptime_seconds") is not None
        assert of(found, "chom_collector_success", collector="backups") == 0
        assert "chom_backups" not in names(found)
        assert of(found, "chom_backup_configured") == 1
        hangs.set()
        assert of(series(fetched(f"{address}/metrics")), "chom_collector_success", collector="backups") == 1


@pytest.mark.parametrize("patience", ["nan", "inf", "-1", "0", "1e9", "soon", ""])
def test_a_patience_that_is_none_is_prometheus_own(
    server: Monitored, patience: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[float] = []
    scrape = Scraper.scrape

    def noted(self: Scraper, wanted: list[str], seconds: float) -> object:
        given.append(seconds)
        return scrape(self, wanted, seconds)

    monkeypatch.setattr(Scraper, "scrape", noted)
    with exported(server.inventory) as address:
        status, _ = answered(f"{address}/metrics", **{"X-Prometheus-Scrape-Timeout-Seconds": patience})
    assert (status, given) == (200, [9.5])


def test_a_defect_is_an_error_of_the_exporter_and_no_empty_page(
    server: Monitored, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_: object) -> bytes:
        raise KeyError("a name that nobody knows")

    monkeypatch.setattr(exporter, "as_text", broken)
    with exported(server.inventory) as address:
        assert answered(f"{address}/metrics") == (500, "a defect, which is in the log\n")
        assert answered(f"{address}/-/healthy")[0] == 200
    assert "a name that nobody knows" in caplog.text


def test_a_fulltext_index_whose_reads_nobody_counts_hides_no_other(server: Monitored) -> None:
    with server.session() as session:
        session.execute(f"CREATE TABLE {DATABASE}.texts (a VARCHAR(100), FULLTEXT (a))")
        try:
            with exported(server.inventory) as address:
                found = series(fetched(f"{address}/metrics"))
        finally:
            session.execute(f"DROP TABLE {DATABASE}.texts")
    assert of(found, "chom_database_index_unused_count") == 1
    assert of(found, "chom_monitor_capability", name="index_reads") == 1


def test_where_one_of_two_databases_is_not_seen_no_part_is_told_for_the_whole(
    server: Monitored, tmp_path: Path
) -> None:
    text = server.config.read_text().replace(f"[{DATABASE}]", f"[{DATABASE}, hidden]")
    (tmp_path / "password").write_text(server.config.with_name("password").read_text())
    (tmp_path / "chom.yaml").write_text(text)
    with server.session() as session:
        session.execute("CREATE DATABASE hidden")
        session.execute("CREATE TABLE hidden.t (id INT PRIMARY KEY)")
        try:
            with exported(load_inventory(tmp_path / "chom.yaml")) as address:
                found = series(fetched(f"{address}/metrics"))
        finally:
            session.execute("DROP DATABASE hidden")
    databases = {dict(labels)["database"] for name, labels in found if name == "chom_database_size_bytes"}
    assert databases == {DATABASE}
    assert not {name for name in names(found) if "_index" in name}
    assert of(found, "chom_monitor_capability", name="indexes") == 0


def test_a_server_as_it_is_installed_lacks_what_it_lacks_and_has_no_zeros(
    mariadb: PrivateServer, tmp_path: Path
) -> None:
    """MariaDB comes without the plugin, and with performance_schema and userstat off."""
    database = mariadb.fresh_database()
    with mariadb.connect() as session:
        session.execute(f"CREATE TABLE {database}.t (id INT PRIMARY KEY, a INT, KEY (a))")
    (tmp_path / "chom.yaml").write_text(
        "repository: {path: repository}\nservers:\n"
        f"  - {{name: shop, socket: {mariadb.root.socket}, user: {mariadb.root.user}, databases: [{database}]}}\n"
    )
    with exported(load_inventory(tmp_path / "chom.yaml")) as address:
        found = series(fetched(f"{address}/metrics"))
    lacking = {
        dict(labels)["name"]
        for (name, labels), value in found.items()
        if name == "chom_monitor_capability" and not value
    }
    assert lacking == {"query_histogram", "index_reads"}
    assert not {name for name in names(found) if "duration_seconds" in name and "collector" not in name}
    assert not {name for name in names(found) if "_index" in name}
    assert of(found, "chom_database_size_bytes", database=database, type="total")


def test_it_listens_on_ipv6_as_well(server: Monitored) -> None:
    with Exporter(Scraper(server.inventory), "::1", 0) as serving:
        thread = threading.Thread(target=serving.handle_request)
        thread.start()
        with closing(socket.create_connection(("::1", serving.server_port), timeout=10)) as client:
            client.sendall(b"GET /-/healthy HTTP/1.0\r\n\r\n")
            assert b"200 OK" in client.recv(1000)
        thread.join()
