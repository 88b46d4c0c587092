"""How many migrations are pending is what the files have more than the database records, and is not guessed."""

from __future__ import annotations

from pathlib import Path

import pytest

from chom_pipelines.inventory.models import Server
from chom_pipelines.monitoring.readers.pending import read_pending
from chom_pipelines.monitoring.readers.reading import Reading
from chom_pipelines.monitoring.readers.status import read_status
from chom_pipelines.server.connection import Session
from chom_pipelines_tests.monitoring.limited import limited
from chom_pipelines_tests.servers import PrivateServer


@pytest.fixture
def laravel(tmp_path: Path) -> Path:
    """An application with three migrations."""
    folder = tmp_path / "database" / "migrations"
    folder.mkdir(parents=True)
    for name in ("2024_01_01_000000_users", "2024_01_02_000000_orders", "2024_01_03_000000_lines"):
        (folder / f"{name}.php").write_text("<?php")
    (folder / "README.md").write_text("how to")
    return tmp_path


def asked(server: PrivateServer, database: str, session: Session, **migrations: Path) -> Reading[int]:
    named = Server.model_validate(
        {"name": "shop", "socket": "/s", "user": "u", "databases": [database], "migrations": migrations}
    )
    return read_pending(session, server.facts, named)


def test_of_laravel_those_that_its_table_does_not_record_are_pending(server: PrivateServer, laravel: Path) -> None:
    database = server.fresh_database()
    with server.connect() as session:
        session.execute(
            f"CREATE TABLE {database}.migrations (id INT AUTO_INCREMENT PRIMARY KEY, migration VARCHAR(255), batch INT)"
        )
        assert asked(server, database, session, laravel=laravel).value == 3
        session.execute(f"INSERT INTO {database}.migrations VALUES (1, '2024_01_01_000000_users', 1)")
        session.execute(f"INSERT INTO {database}.migrations VALUES (2, '2020_01_01_000000_of_a_package', 1)")
        assert asked(server, database, session, laravel=laravel).value == 2


def test_of_flyway_one_that_failed_is_pending(server: PrivateServer, tmp_path: Path) -> None:
    database = server.fresh_database()
    for name in ("V1__a.sql", "V2_1__b.sql", "V10__c.sql"):
        (tmp_path / name).write_text("SELECT 1")
    with server.connect() as session:
        session.execute(
            f"CREATE TABLE {database}.flyway_schema_history (installed_rank INT PRIMARY KEY, version VARCHAR(50),"
            " script VARCHAR(1000), success BOOL)"
        )
        session.execute(
            f"INSERT INTO {database}.flyway_schema_history"
            " VALUES (1, '1', 'V1__a.sql', 1), (2, '2.1', 'V2_1__b.sql', 0)"
        )
        assert asked(server, database, session, sql=tmp_path).value == 2


def test_without_a_history_none_is_said_to_be_pending(server: PrivateServer, laravel: Path) -> None:
    database = server.fresh_database()
    with server.connect() as session:
        found = asked(server, database, session, laravel=laravel)
    assert found.value is None
    assert [lack.why for lack in found.lacks] == [
        "there is no table called migrations, in which migrations are recorded"
    ]
    with limited(server) as endpoint, Session(endpoint) as session:
        found = asked(server, database, session, laravel=laravel)
    assert found.value is None
    assert [lack.remedy.partition(" TO ")[0] for lack in found.lacks] == [f"GRANT SELECT ON `{database}`.`migrations`"]


def test_an_application_that_is_not_there_is_no_zero(server: PrivateServer, tmp_path: Path) -> None:
    with server.connect() as session:
        found = asked(server, server.fresh_database(), session, laravel=tmp_path / "gone")
    assert found.value is None
    assert "cannot be read" in (found.failure or "")


def test_deadlocks_that_are_not_counted_are_no_zero(mysql: PrivateServer) -> None:
    with mysql.connect() as session:
        session.execute("SET GLOBAL innodb_monitor_disable = 'lock_deadlocks'")
        try:
            found = read_status(session, mysql.facts)
            assert found.value
            assert found.value.deadlocks is None
            (lack,) = found.lacks
            session.execute(lack.remedy.partition(";")[0])
            assert read_status(session, mysql.facts).succeeded
        finally:
            session.execute("SET GLOBAL innodb_monitor_enable = 'lock_deadlocks'")


def test_what_another_database_has_recorded_hides_nothing(server: PrivateServer, laravel: Path) -> None:
    ours, staging = server.fresh_database(), server.fresh_database()
    with server.connect() as session:
        for database in (ours, staging):
            columns = "id INT AUTO_INCREMENT PRIMARY KEY, migration VARCHAR(255), batch INT"
            session.execute(f"CREATE TABLE {database}.migrations ({columns})")
        session.execute(f"INSERT INTO {staging}.migrations VALUES (1, '2024_01_01_000000_users', 1)")
        named = Server.model_validate(
            {
                "name": "shop",
                "socket": "/s",
                "user": "u",
                "databases": [ours, staging],
                "migrations": {"laravel": laravel},
            }
        )
        found = read_pending(session, server.facts, named)
    assert found.value is None
    assert [lack.why.startswith("migrations are recorded in several tables: ") for lack in found.lacks] == [True]
