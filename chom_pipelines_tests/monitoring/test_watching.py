"""Looking again and again: connections that are lost, counters that begin anew, thresholds, and what is not known."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path

import pytest
import yaml
from rich.console import Console, Group

from chom_pipelines.inventory.loading import parse_inventory
from chom_pipelines.inventory.models import Inventory
from chom_pipelines.monitoring.console.looking import Looker, Screen
from chom_pipelines.monitoring.console.watching import Watching
from chom_pipelines.monitoring.readers.session import monitoring_session
from chom_pipelines.outcome import Outcome
from chom_pipelines_tests.servers import PrivateServer

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.fixture
def inventory(server: PrivateServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Inventory:
    return made(server, tmp_path, monkeypatch)


def made(server: PrivateServer, folder: Path, monkeypatch: pytest.MonkeyPatch, **thresholds: float) -> Inventory:
    monkeypatch.setenv("MONITOR_TEST_PASSWORD", server.backup.password)
    one = {
        "name": "shop",
        "host": server.backup.host,
        "port": server.backup.port,
        "user": server.backup.user,
        "password": {"env": "MONITOR_TEST_PASSWORD"},
        "thresholds": thresholds,
    }
    body = {"repository": {"path": str(folder / "repository")}, "servers": [one]}
    return parse_inventory(yaml.safe_dump(body), folder / "chom.yaml")


def lines(drawn: Group) -> list[str]:
    console = Console(record=True, width=80, file=StringIO(), highlight=False)
    console.print(drawn)
    return [line.rstrip() for line in console.export_text().splitlines()]


def test_a_connection_that_is_lost_is_said_to_be_and_made_again(server: PrivateServer, inventory: Inventory) -> None:
    watching = Watching(Looker(inventory, inventory.servers[0], Screen.LOCKS, is_watching=True))
    assert any("Nobody waits" in line for line in lines(watching.next(NOW)))
    with server.connect() as root:
        root.execute(f"KILL {watching._session.id if watching._session else 0}")
    lost = lines(watching.next(NOW))
    assert any("The connection is lost" in line for line in lost)
    assert not any("Nobody waits" in line for line in lost)
    again = lines(watching.next(NOW + timedelta(seconds=7)))
    assert "Connected again at 03:04:12Z, after 7.0 s without." in again
    assert any("Nobody waits" in line for line in again)
    watching.close()


def test_a_server_that_is_not_there_is_asked_again_and_again(inventory: Inventory) -> None:
    away = inventory.servers[0].model_copy(update={"port": 1})
    watching = Watching(Looker(inventory, away, Screen.OVERVIEW, is_watching=True))
    for seconds in (0, 5):
        found = lines(watching.next(NOW + timedelta(seconds=seconds)))
        assert f"The connection is lost, for {seconds}.0 s now. It is tried again." in found
        assert any(line.startswith("not known") for line in found)
    watching.close()


def test_the_overview_tells_rates_of_what_happened_in_between(server: PrivateServer, inventory: Inventory) -> None:
    looker = Looker(inventory, inventory.servers[0], Screen.OVERVIEW, is_watching=True)
    session, facts = monitoring_session(server.backup)
    with session, server.connect() as work:
        looker.look(session, facts)
        for _ in range(60):
            work.rows("SELECT SLEEP(0.002)")
        document = looker.look(session, facts).document
    rate = document["rates"]["queries"]
    assert rate["reason"] is None
    assert rate["value"] > 60 / 10
    assert document["sessions"]["value"]["idle"] >= 1


def test_counters_that_were_set_to_zero_give_no_rate_and_a_reason(server: PrivateServer, inventory: Inventory) -> None:
    looker = Looker(inventory, inventory.servers[0], Screen.OVERVIEW, is_watching=True)
    server.outlast_its_start()
    session, facts = monitoring_session(server.backup)
    with session, server.connect() as root:
        looker.look(session, facts)
        root.execute("FLUSH STATUS")
        look = looker.look(session, facts)
    assert look.document["rates"]["queries"]["value"] is None
    assert "counts anew" in look.document["rates"]["queries"]["reason"]
    drawn = lines(Group(*look.body))
    assert drawn[0].startswith("rates     not known: the server counts anew since the last look")
    assert not any("0/s" in line for line in drawn)


def test_slow_queries_beyond_the_threshold_are_an_outcome_of_their_own(
    server: PrivateServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inventory = made(server, tmp_path, monkeypatch, slow_queries_per_second=0)
    looker = Looker(inventory, inventory.servers[0], Screen.OVERVIEW, is_watching=True)
    session, facts = monitoring_session(server.backup)
    with session, server.connect() as work:
        looker.look(session, facts)
        work.execute("SET SESSION long_query_time = 0, min_examined_row_limit = 0")
        for _ in range(20):
            work.rows("SELECT SLEEP(0.01)")
        look = looker.look(session, facts)
    assert look.outcome is Outcome.FAILED
    assert "slow_queries_per_second" in look.document["beyond_thresholds"][0]


def test_a_repository_that_is_not_there_leaves_backups_unknown_with_the_reason(inventory: Inventory) -> None:
    look = Looker(inventory, inventory.servers[0], Screen.BACKUPS).look(None, None)
    assert look.outcome is Outcome.NOT_VERIFIED
    assert look.document["backups"]["value"] is None
    assert "there is no repository" in look.document["backups"]["reason"]
    assert lines(Group(*look.body))[0].startswith("what could be restored: not known: there is no repository")


def test_a_mariadb_without_the_plugin_where_nobody_waits_leaves_nothing_unknown(
    mariadb: PrivateServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inventory = made(mariadb, tmp_path, monkeypatch)
    session, facts = monitoring_session(mariadb.backup)
    with session:
        look = Looker(inventory, inventory.servers[0], Screen.LOCKS).look(session, facts)
    assert look.outcome is Outcome.PASSED
    assert [lack.remedy for lack in look.lacks] == ["INSTALL SONAME 'metadata_lock_info';"]


def test_replication_that_stopped_is_in_the_overview(
    mysql: PrivateServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inventory = made(mysql, tmp_path, monkeypatch)
    session, facts = monitoring_session(mysql.backup)
    looker = Looker(inventory, inventory.servers[0], Screen.OVERVIEW, is_watching=True)
    with session, mysql.connect() as root:
        assert not any(line.startswith("replication") for line in lines(Group(*looker.look(session, facts).body)))
        root.execute("CHANGE REPLICATION SOURCE TO SOURCE_HOST = '127.0.0.1', SOURCE_PORT = 1, SOURCE_USER = 'nobody'")
        try:
            look = looker.look(session, facts)
        finally:
            root.execute("RESET REPLICA ALL")
    assert "replication  stopped reading and applying" in lines(Group(*look.body))
    assert look.document["replication"]["value"][0]["reads"] is False
