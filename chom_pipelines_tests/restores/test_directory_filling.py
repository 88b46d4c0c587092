"""Directories are filled by servers that are fast meanwhile, and handed over as any server has them."""

from __future__ import annotations

from pathlib import Path

import pytest

from chom_pipelines.restores.directory_filling import new_server
from chom_pipelines.restores.redo_log import has_switch, redo_log_off
from chom_pipelines.server.connection import Session
from chom_pipelines.server.endpoint import Endpoint
from chom_pipelines.server.facts import Flavour
from chom_pipelines.server.scratch import scratch_server
from chom_pipelines_tests.logical.taking import Backups
from chom_pipelines_tests.servers import PrivateServer


def redo_log(endpoint: Endpoint) -> object:
    with Session(endpoint) as session:
        ((_, value),) = session.rows("SHOW GLOBAL STATUS LIKE 'Innodb_redo_log_enabled'")
    return value


def test_a_directory_is_handed_over_with_the_redo_log_that_it_was_filled_without(
    mysql: PrivateServer, backups: Backups, tmp_path: Path
) -> None:
    manifest = backups.manifest(backups.take(mysql, mysql.fresh_database()))
    data = tmp_path / "data"
    with new_server(manifest, data) as server:
        assert redo_log(server.endpoint) == "OFF"
        with Session(server.endpoint) as session:
            session.execute("CREATE DATABASE made")
            session.execute("CREATE TABLE made.t (id INT PRIMARY KEY)")
            session.execute("INSERT INTO made.t VALUES (7)")
    with scratch_server(Flavour.MYSQL, data_directory=data) as server:
        assert redo_log(server.endpoint) == "ON"
        with Session(server.endpoint) as session:
            assert session.value("SELECT id FROM made.t") == 7


def test_where_filling_fails_nothing_is_waited_for() -> None:
    with scratch_server(Flavour.MYSQL) as server:
        with pytest.raises(ZeroDivisionError), redo_log_off(server):
            raise ZeroDivisionError
        assert redo_log(server.endpoint) == "OFF"


def test_mariadb_has_no_such_switch(mariadb: PrivateServer) -> None:
    assert not has_switch(mariadb.facts)


@pytest.mark.long_on_mysql
def test_what_fills_a_directory_has_a_pool_for_all_of_it_and_the_directory_is_served_with_any(
    server: PrivateServer, backups: Backups, tmp_path: Path
) -> None:
    database = server.fresh_database()
    with server.connect() as session:
        session.execute(f"CREATE TABLE {database}.t (id INT PRIMARY KEY)")
        session.execute(f"INSERT INTO {database}.t VALUES (1)")
        session.execute("COMMIT")
    manifest = backups.manifest(backups.take(server, database))
    (table,) = manifest.logical.tables
    (part,) = table.parts
    table = table.model_copy(update={"parts": (part.model_copy(update={"bytes": 200 << 20}),)})
    large = manifest.logical.model_copy(update={"tables": (table,)})
    data = tmp_path / "data"
    with (
        new_server(manifest.model_copy(update={"payload": large}), data) as filling,
        Session(filling.endpoint) as session,
    ):
        assert int(str(session.value("SELECT @@innodb_buffer_pool_size"))) >= 200 << 20
        session.execute("CREATE DATABASE made")
        session.execute("CREATE TABLE made.t (id INT PRIMARY KEY)")
        session.execute("INSERT INTO made.t VALUES (7)")
    with scratch_server(server.flavour, data_directory=data) as served, Session(served.endpoint) as session:
        assert int(str(session.value("SELECT @@innodb_buffer_pool_size"))) == 128 << 20
        assert session.value("SELECT id FROM made.t") == 7
