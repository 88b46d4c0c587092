"""Where something is missing or down, the exporter says that, and tells no wrong number and no zero in its place."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from chom_pipelines.errors import ConfigurationError
from chom_pipelines.monitoring.exporting import collecting
from chom_pipelines.monitoring.exporting.exporter import Exporter
from chom_pipelines.monitoring.exporting.scraping import Scraper
from chom_pipelines.monitoring.readers.privileges import monitor_needs
from chom_pipelines.monitoring.readers.reading import Reading
from chom_pipelines.monitoring.readers.status import Status
from chom_pipelines.server.connection import Session
from chom_pipelines.server.facts import Flavour, ServerFacts
from chom_pipelines.server.identifiers import account
from chom_pipelines_tests.monitoring.monitored import (
    DATABASE,
    NAME,
    PASSWORD,
    USER,
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

ON_TABLES = {
    *("chom_database_size_bytes", "chom_database_table_size_bytes", "chom_database_tables", "chom_database_indexes"),
    *("chom_database_index_used_count", "chom_database_index_unused_count", "chom_database_auto_increment_used_ratio"),
}
WITHOUT = {
    "PROCESS": (
        {"processlist", "deadlocks"},
        {
            *("chom_database_connections", "chom_database_lock_waiting_sessions", "chom_database_deadlocks_total"),
            "chom_database_lock_wait_longest_seconds",
        },
    ),
    "SLAVE MONITOR": ({"replication"}, set()),
    "REPLICATION CLIENT": ({"replication"}, set()),
    "SELECT ON performance": (
        {"query_histogram", "index_reads"},
        {
            *(
                "chom_query_duration_seconds_bucket",
                "chom_query_duration_seconds_count",
                "chom_query_duration_seconds_sum",
            ),
            *("chom_database_index_used_count", "chom_database_index_unused_count", "chom_database_indexes"),
        },
    ),
    "REFERENCES": ({"table_sizes", "indexes", "auto_increment"}, ON_TABLES),
    "SELECT ON mysql": ({"index_sizes"}, set()),
}
"""What is not told without a privilege: capabilities, and the metrics that are missing then."""


@pytest.fixture(scope="module", params=list(Flavour), ids=lambda flavour: flavour.value)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Monitored]:
    directory = tmp_path_factory.mktemp("monitored")
    (directory / "m").mkdir()
    (directory / "m" / "001_first.sql").write_text("SELECT 1")
    with monitored(request.param, directory, "    migrations: {sql: m}\n") as found, found.session() as session:
        session.execute(f"CREATE TABLE {DATABASE}.t (id INT AUTO_INCREMENT PRIMARY KEY, a INT, KEY t_a (a))")
        session.execute(f"INSERT INTO {DATABASE}.t (a) VALUES (1), (2)")
        yield found


def scraped(server: Monitored, seconds: float = 10) -> Series:
    with exported(server.inventory) as address:
        return series(answered(f"{address}/metrics", **{"X-Prometheus-Scrape-Timeout-Seconds": str(seconds)})[1])


def lacking(found: Series) -> set[str]:
    return {
        dict(labels)["name"]
        for (name, labels), value in found.items()
        if name == "chom_monitor_capability" and not value
    }


def test_each_privilege_that_is_missing_is_a_capability_and_no_number(
    server: Monitored, caplog: pytest.LogCaptureFixture
) -> None:
    everything = scraped(server)
    assert lacking(everything) == set()
    with server.session() as session:
        for need in monitor_needs(server.facts, [DATABASE]):
            grant = need.grant(USER, "%").rstrip(";")
            session.execute(grant.replace("GRANT", "REVOKE", 1).replace(" TO ", " FROM "))
            caplog.clear()
            capabilities, metrics = next(
                wanted
                for begin, wanted in WITHOUT.items()
                if f"{need.privilege} ON {need.scope}".replace("`", "").startswith(begin)
            )
            if server.facts.is_mariadb and need.privilege in {"PROCESS", "SELECT"}:
                # it needs none for its counts, and has its histogram and userstat beside performance_schema
                capabilities = capabilities - {"deadlocks", "query_histogram"}
                metrics = {each for each in metrics if "deadlocks" not in each and "duration" not in each}
            found = scraped(server)
            assert lacking(found) == capabilities, grant
            assert names(everything) - names(found) == metrics, grant
            assert grant in caplog.text.replace("`monitor`@`%`", account(USER, "%")), caplog.text
            session.execute(grant)


def test_a_history_of_migrations_that_may_not_be_read_is_not_taken_for_an_empty_one(server: Monitored) -> None:
    assert of(scraped(server), "chom_migrations_pending") == 1
    with server.session() as session:
        who = account(USER, "%")
        session.execute(f"REVOKE SELECT ON {DATABASE}.schema_migrations FROM {who}")
        found = scraped(server)
        session.execute(f"GRANT SELECT ON {DATABASE}.schema_migrations TO {who}")
    assert "chom_migrations_pending" not in names(found)
    assert lacking(found) == {"migrations"}


def test_one_target_is_probed_by_its_name_and_no_other(server: Monitored) -> None:
    with exported(server.inventory) as address:
        assert of(series(fetched(f"{address}/probe?target={NAME}")), "chom_up") == 1
        status, said = answered(f"{address}/probe?target=root:pass@elsewhere")
        assert (status, said) == (404, f"name one server, as in /probe?target={NAME}; chom.yaml has: {NAME}\n")
        assert answered(f"{address}/probe")[0] == 400
        assert answered(f"{address}/nowhere")[0] == 404
        assert answered(f"{address}/-/healthy") == (200, "ok\n")
        assert f"/probe?target={NAME}" in fetched(f"{address}/")


def test_a_collector_that_takes_too_long_keeps_no_other_from_telling(
    server: Monitored, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(session: Session, _facts: ServerFacts) -> Reading[Status]:
        session.value("SELECT SLEEP(30) FROM information_schema.tables LIMIT 1")
        raise AssertionError("the server lets it sleep")

    monkeypatch.setattr(collecting, "read_processes", slow)
    monkeypatch.setattr(collecting, "STATEMENT_SECONDS", 0.3)
    found = scraped(server)
    assert of(found, "chom_up") == 1
    assert of(found, "chom_collector_success", collector="processlist") == 0
    assert of(found, "chom_collector_success", collector="status") == 1
    assert (of(found, "chom_database_size_bytes", database=DATABASE, type="total") or 0) > 0
    assert "chom_database_connections" not in names(found)


def test_a_defect_of_one_collector_is_told_and_keeps_no_other_from_telling(
    server: Monitored, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> Reading[Status]:
        raise KeyError("a name that nobody knows")

    monkeypatch.setattr(collecting, "read_status", broken)
    found = scraped(server)
    assert of(found, "chom_collector_success", collector="status") == 0
    assert of(found, "chom_database_connections", state="idle") is not None
    assert "a name that nobody knows" in caplog.text


def test_a_server_that_is_down_has_its_backups_told_all_the_same(
    server: Monitored, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    text = server.config.read_text().replace(f"port: {server.port}", "port: 1").replace("path: ", f"path: {tmp_path}/")
    (tmp_path / "repository").mkdir()
    (tmp_path / "password").write_text(PASSWORD)
    (tmp_path / "chom.yaml").write_text(text)
    found = scraped(Monitored(server.root, 1, server.facts, tmp_path / "chom.yaml"))
    assert of(found, "chom_up") == 0
    assert of(found, "chom_backups", type="full") == 0  # that none is there is known
    assert of(found, "chom_collector_success", collector="backups") == 1
    assert not {name for name in names(found) if name.startswith("chom_database")}
    assert PASSWORD not in caplog.text


def test_a_repository_that_is_gone_is_told_and_has_no_backups_of_zero(server: Monitored, tmp_path: Path) -> None:
    (tmp_path / "password").write_text(PASSWORD)
    (tmp_path / "chom.yaml").write_text(server.config.read_text().replace("migrations: {sql: m}", ""))
    found = scraped(Monitored(server.root, server.port, server.facts, tmp_path / "chom.yaml"))
    assert of(found, "chom_up") == 1
    assert of(found, "chom_collector_success", collector="backups") == 0
    told = {name for name in names(found) if name.startswith(("chom_backup", "chom_reco", "chom_repository"))}
    assert told == {"chom_backup_configured"}


def test_scrapes_at_one_time_share_one_connection(server: Monitored, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = []
    look = collecting.ServerMonitor._anew

    def counted(self: collecting.ServerMonitor, deadline: float) -> object:
        looks.append(time.monotonic())
        time.sleep(0.2)  # the others ask meanwhile
        return look(self, deadline)

    monkeypatch.setattr(collecting.ServerMonitor, "_anew", counted)
    with exported(server.inventory) as address:
        processes = [
            subprocess.Popen([sys.executable, "-c", FETCH, address], stdout=subprocess.PIPE, text=True)
            for _ in range(4)
        ]
        told = [process.communicate(timeout=30)[0].strip() for process in processes]
    assert told == ["200"] * 4
    assert 1 <= len(looks) <= 3


FETCH = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1] + '/metrics').status)"


def test_a_port_that_is_taken_is_an_error_that_names_it(server: Monitored) -> None:
    scraper = Scraper(server.inventory)
    with (
        Exporter(scraper, "127.0.0.1", 0) as first,
        pytest.raises(ConfigurationError, match="cannot listen on 127"),
    ):
        Exporter(scraper, "127.0.0.1", first.server_port)


def exporter(server: Monitored, *more: str, **environment: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "chom_pipelines.cli.main", "exporter", "--config", str(server.config), *more]
    return subprocess.Popen(
        command, env={**os.environ, **environment}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_it_ends_in_order_when_it_is_told_to(server: Monitored) -> None:
    with exporter(server, "--port", "0", "--json") as process:
        assert process.stdout is not None
        try:
            while '"url"' not in process.stdout.readline():
                assert process.poll() is None
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0
        finally:
            process.kill()


def test_metrics_that_are_switched_off_are_not_served(server: Monitored) -> None:
    with exporter(server, ENABLE_METRICS="false") as process:
        assert process.communicate(timeout=20)[0] == "$ENABLE_METRICS is false: there are no metrics\n"
        assert process.returncode == 0
    with exporter(server, ENABLE_METRICS="perhaps") as process:
        assert "use true or false" in process.communicate(timeout=20)[1]
        assert process.returncode == 2


def test_they_are_printed_once_where_that_is_asked(server: Monitored) -> None:
    with exporter(server, "--once") as process:
        assert of(series(process.communicate(timeout=20)[0]), "chom_up") == 1
