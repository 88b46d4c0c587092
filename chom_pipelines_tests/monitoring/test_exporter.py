"""What Prometheus gets from the exporter is what the server itself says, of both families."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from chom_pipelines.cli.main import main
from chom_pipelines.monitoring.exporting.metrics import METRICS
from chom_pipelines.monitoring.readers.auto_increment import read_counters
from chom_pipelines.server.facts import Flavour
from chom_pipelines_tests.deploy.rules import program
from chom_pipelines_tests.monitoring.monitored import (
    DATABASE,
    PASSWORD,
    Monitored,
    Series,
    exported,
    fetched,
    monitored,
    names,
    of,
    series,
)
from chom_pipelines_tests.servers import PrivateServer

MIGRATIONS = "    migrations: {sql: m}\n    backup: {threads: 1}\n"


@dataclass(frozen=True)
class Scraped:
    """A server, what the exporter said of it, and what the server said of itself right before and after."""

    server: Monitored
    text: str
    found: Series
    before: dict[str, str]
    after: dict[str, str]


@pytest.fixture(scope="module", params=list(Flavour), ids=lambda flavour: flavour.value)
def scraped(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scraped]:
    """One with rows, a backup, and a migration that is pending."""
    directory = tmp_path_factory.mktemp("monitored")
    (directory / "m").mkdir()
    (directory / "m" / "001_first.sql").write_text("SELECT 1")
    (directory / "m" / "002_second.sql").write_text("SELECT 1")
    with monitored(request.param, directory, MIGRATIONS) as server, server.session() as session:
        session.execute(f"USE {DATABASE}")
        session.execute("INSERT INTO schema_migrations VALUES ('1')")
        session.execute(
            "CREATE TABLE customers (id TINYINT UNSIGNED AUTO_INCREMENT PRIMARY KEY, email VARCHAR(100), age INT,"
            " UNIQUE (email), KEY read_one (age), KEY never_read (age, email))"
        )
        for number in range(50):
            session.execute("INSERT INTO customers (email, age) VALUES (%s, %s)", (f"{number}@x", number))
        session.execute("ANALYZE TABLE customers")
        session.rows("SELECT COUNT(*) FROM customers FORCE INDEX (read_one) WHERE age > 10")
        root = server.config.with_name("root.yaml")
        root.write_text(
            f"repository: {{path: repository}}\nservers:\n  - name: shop\n    socket: {server.root.socket}\n"
            f"    user: {server.root.user}\n    databases: [{DATABASE}]\n"
        )
        with pytest.raises(SystemExit) as ended:
            main(["backup", "--config", str(root), "--verification", "full"])
        assert not ended.value.code
        before: dict[str, str] = dict(session.rows("SHOW GLOBAL STATUS"))
        with exported(server.inventory) as address:
            text = fetched(f"{address}/metrics")
        yield Scraped(server, text, series(text), before, dict(session.rows("SHOW GLOBAL STATUS")))


COUNTERS = {
    "chom_database_queries_total": "Queries",
    "chom_database_slow_queries_total": "Slow_queries",
    "chom_database_innodb_buffer_pool_reads": "Innodb_buffer_pool_reads",
    "chom_database_innodb_buffer_pool_read_requests": "Innodb_buffer_pool_read_requests",
    "chom_database_innodb_buffer_pool_reads_total": "Innodb_buffer_pool_reads",
    "chom_database_innodb_buffer_pool_read_requests_total": "Innodb_buffer_pool_read_requests",
    "chom_database_row_lock_waits_total": "Innodb_row_lock_waits",
    "chom_database_table_locks_waited_total": "Table_locks_waited",
    "chom_database_uptime_seconds": "Uptime",
}
ELSEWHERE = {
    "chom_database_replication_lag_seconds",  # of a replica
    "chom_database_replication_running",
    "chom_backup_last_verified_timestamp_seconds",  # below
    "chom_offsite_configured",  # of a second copy
    "chom_offsite_last_backup_timestamp_seconds",
    "chom_pitr_drill_last_success_timestamp_seconds",  # of a drill
    "chom_binlog_archive_last_timestamp_seconds",  # of an archive
}
"""Families that another test has a server for."""


def test_every_metric_is_there(scraped: Scraped) -> None:
    families = {name.removesuffix("_bucket").removesuffix("_sum") for name in names(scraped.found)}
    assert set(METRICS) - families - ELSEWHERE == set()


@pytest.mark.parametrize(("metric", "status"), COUNTERS.items())
def test_counters_are_the_servers_own(scraped: Scraped, metric: str, status: str) -> None:
    value = of(scraped.found, metric)
    assert value is not None
    assert int(scraped.before[status]) <= value <= int(scraped.after[status])


def test_row_operations_are_told_apart(scraped: Scraped) -> None:
    told = {
        each: of(scraped.found, "chom_database_row_operations_total", operation=each) for each in ("insert", "delete")
    }
    assert told["insert"] is not None
    assert told["insert"] >= 50
    assert told["delete"] is not None


def test_sizes_are_those_of_the_servers_statistics(scraped: Scraped) -> None:
    with scraped.server.session() as session:
        if not scraped.server.facts.is_mariadb:
            session.execute("SET SESSION information_schema_stats_expiry = 0")
        data, index, count = session.rows(
            "SELECT SUM(data_length), SUM(index_length), COUNT(*) FROM information_schema.tables"
            " WHERE table_schema = %s",
            (DATABASE,),
        )[0]
        one = session.value(
            "SELECT data_length + index_length FROM information_schema.tables WHERE table_name = 'customers'"
        )
    size = "chom_database_size_bytes"
    assert of(scraped.found, size, database=DATABASE, type="data") == int(data)
    assert of(scraped.found, size, database=DATABASE, type="index") == int(index)
    assert of(scraped.found, size, database=DATABASE, type="total") == int(data + index)
    assert of(scraped.found, "chom_database_tables", database=DATABASE) == count
    assert of(scraped.found, "chom_database_table_size_bytes", database=DATABASE, table="customers") == int(one)


def test_indexes_are_read_unread_or_needed(scraped: Scraped) -> None:
    state = {each: of(scraped.found, "chom_database_indexes", state=each) for each in ("used", "unused", "needed")}
    assert state == {"used": 1, "unused": 1, "needed": 3}  # two primary keys, and what is unique
    assert of(scraped.found, "chom_database_index_unused_count") == 1
    assert of(scraped.found, "chom_database_index_used_count") == 4


def test_tables_whose_names_differ_by_case_alone_have_their_own_counters(mariadb: PrivateServer) -> None:
    database = mariadb.fresh_database()
    with mariadb.connect() as session:
        session.execute(f"USE {database}")
        session.execute("CREATE TABLE users (id BIGINT AUTO_INCREMENT PRIMARY KEY) AUTO_INCREMENT = 5000000000")
        session.execute("CREATE TABLE Users (id TINYINT AUTO_INCREMENT PRIMARY KEY)")
        found = read_counters(session, mariadb.facts, [database]).value
    assert found is not None
    assert {each.table: each.used for each in found} == {"users": pytest.approx(5e9 / 2**63), "Users": 0}
    assert len(found) == 2


def test_a_counting_column_tells_how_full_it_is(scraped: Scraped) -> None:
    place = {"database": DATABASE, "table": "customers", "column": "id"}
    assert of(scraped.found, "chom_database_auto_increment_used_ratio", **place) == pytest.approx(50 / 255)


def test_sessions_are_counted_without_the_exporters_own(scraped: Scraped) -> None:
    told = {each: of(scraped.found, "chom_database_connections", state=each) for each in ("active", "idle", "total")}
    assert told == {"active": 0, "idle": 2, "total": 2}  # of this fixture


def test_one_of_two_migrations_is_pending(scraped: Scraped) -> None:
    assert of(scraped.found, "chom_migrations_pending") == 1


def test_the_backup_is_told_by_moments_in_unix_seconds(scraped: Scraped) -> None:
    now = datetime.now(UTC).timestamp()
    for name, labels in (
        ("chom_backup_last_success_timestamp_seconds", {"type": "full"}),
        ("chom_backup_last_success_timestamp", {"type": "full"}),
        ("chom_backup_last_verified_timestamp_seconds", {"level": "full"}),
        ("chom_recoverable_window_end_timestamp_seconds", {}),
    ):
        value = of(scraped.found, name, **labels)
        assert value is not None, name
        assert now - 300 < value <= now, name
    assert of(scraped.found, "chom_backups", type="full") == 1
    assert (of(scraped.found, "chom_backup_size_bytes", type="full") or 0) > 1000
    assert 0 < (of(scraped.found, "chom_recovery_exposure_seconds") or 0) < 300
    assert of(scraped.found, "chom_threshold_backup_age_seconds") == 30 * 3600  # as in Dagster: a backup takes its time
    assert of(scraped.found, "chom_threshold_buffer_pool_hit_ratio") == 0.95


def test_every_collector_succeeded_and_every_capability_is_there(scraped: Scraped) -> None:
    told = {
        key: value
        for key, value in scraped.found.items()
        if key[0] in {"chom_collector_success", "chom_monitor_capability"}
    }
    assert len(told) > 15
    assert set(told.values()) == {1}


def test_no_secret_is_told(scraped: Scraped) -> None:
    assert PASSWORD not in scraped.text
    assert "secret" not in scraped.text


def test_promtool_has_nothing_against_any_name(scraped: Scraped) -> None:
    """Those that the contract settled against the convention are untyped, which it lets be."""
    command = [program("promtool"), "check", "metrics"]
    done = subprocess.run(command, input=scraped.text, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    spoiled = scraped.text.replace("chom_database_queries_total", "chom_database_queries")
    done = subprocess.run(command, input=spoiled, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (
        3,
        "",
    ) or "chom_database_queries counter metrics should have" in done.stderr
