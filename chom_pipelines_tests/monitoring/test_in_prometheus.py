"""Every expression of the dashboard and of the rules, in a Prometheus that scrapes the exporter of a busy server."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from chom_pipelines.cli.main import main
from chom_pipelines.errors import ServerError
from chom_pipelines.server.connection import Session
from chom_pipelines.server.facts import Flavour
from chom_pipelines_tests.deploy.expressions import (
    Expression,
    Prometheus,
    answers,
    panel_expressions,
    prometheus,
    rule_expressions,
    rule_selectors,
)
from chom_pipelines_tests.monitoring.monitored import DATABASE, Monitored, exported, monitored

OF_OTHERS = (
    "chom_database_replication",  # of a replica
    "chom_offsite",  # of a second copy
    "chom_pitr_drill",  # of a drill
    "chom_restore_predicted",  # of a restore that was measured
    "chom_binlog_archive",  # of an archive
    "deriv(",  # of days
    "predict_linear(",
)
"""What these read is of servers with more than this one has, or takes longer than a test."""


@contextmanager
def busy(server: Monitored) -> Iterator[None]:
    """Rows come, are read, changed and waited for, until the end of the block."""
    ended = threading.Event()

    def work(number: int) -> None:
        with Session(server.root, autocommit=False) as session:
            session.execute("SET SESSION innodb_lock_wait_timeout = 1")
            while not ended.is_set():
                with suppress(ServerError):  # two that wait for each other, or too long
                    session.execute(f"INSERT INTO {DATABASE}.orders (amount) VALUES (%s)", (number,))
                    session.execute(f"UPDATE {DATABASE}.orders SET amount = amount + 1 WHERE id = 1")
                    session.rows("SELECT SLEEP(0.05)")  # so that the others wait for the row
                    session.execute(f"DELETE FROM {DATABASE}.orders WHERE id > 1 LIMIT 1")
                session.execute("COMMIT")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        for thread in threads:
            thread.join()


def scraping(target: str, folder: Path) -> AbstractContextManager[Prometheus]:
    """By both jobs that the shipped configuration has: all servers at once, and one by itself."""
    probe = {
        "job_name": "chom-exporter-probe",
        "metrics_path": "/probe",
        "params": {"target": ["shop"]},
        "static_configs": [{"targets": [target]}],
    }
    return prometheus(target, folder, [probe])


def empty(found: Mapping[Expression, list[Any]]) -> list[Expression]:
    return [each for each, series in found.items() if not series and not any(other in each.text for other in OF_OTHERS)]


@pytest.mark.parametrize("flavour", Flavour)
def test_every_panel_has_data_and_every_rule_reads_what_is_there(flavour: Flavour, tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "001_first.sql").write_text("SELECT 1")
    options = ("--long-query-time=0.01",)
    with (
        monitored(flavour, tmp_path, "    migrations: {sql: m}\n", options) as server,
        server.session() as session,
    ):
        session.execute(
            f"CREATE TABLE {DATABASE}.orders (id INT AUTO_INCREMENT PRIMARY KEY, amount INT, KEY a (amount))"
        )
        session.execute(f"INSERT INTO {DATABASE}.orders (amount) VALUES (1)")
        root = tmp_path / "root.yaml"
        root.write_text(
            f"repository: {{path: repository}}\nservers:\n  - name: shop\n    socket: {server.root.socket}\n"
            f"    user: {server.root.user}\n    databases: [{DATABASE}]\n"
        )
        with pytest.raises(SystemExit) as ended:
            main(["backup", "--config", str(root), "--verification", "full"])
        assert not ended.value.code
        with (
            busy(server),
            exported(server.inventory) as address,
            scraping(urlsplit(address).netloc, tmp_path) as running,
        ):
            running.wait_for_scrapes(6)
            asked = answers(running, [*panel_expressions(), *rule_selectors()])
            assert empty(asked) == []
            assert sum(any(series) for series in asked.values()) > 60
            # what an alert asks is right; that nothing is wrong here is right, too
            firing = {each.where for each, series in answers(running, rule_expressions()).items() if series}
            assert not firing & {
                "BackupTooOld",
                "BackupNeverSucceeded",
                "DatabaseDown",
                "ExporterDown",
                "MonitoringAbsent",
            }
            assert all(rule["health"] == "ok" for rule in running.rules())
            scraped = float(running.ask('chom_database_size_bytes{type="total"}')[0]["value"][1])
            if not server.facts.is_mariadb:
                session.execute("SET SESSION information_schema_stats_expiry = 0")
            own = session.value(
                "SELECT SUM(data_length + index_length) FROM information_schema.tables WHERE table_schema = %s",
                (DATABASE,),
            )
            assert scraped == pytest.approx(float(own), rel=0.5)  # it grows meanwhile
            rate = float(running.ask("sum(rate(chom_database_queries_total[4s]))")[0]["value"][1])
            assert 5 < rate < 5000
