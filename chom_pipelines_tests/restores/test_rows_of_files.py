"""Rows of a physical backup into a running server, by a private server on its files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from chom_pipelines.errors import ConfigurationError, RestoreRefusedError
from chom_pipelines.progress import unreported
from chom_pipelines.repository.entry import BackupEntry
from chom_pipelines.repository.manifest import Manifest
from chom_pipelines.repository.payloads import Method
from chom_pipelines.restores import rows_of_files
from chom_pipelines.restores.rows_of_files import databases_of, restore_files_into_server
from chom_pipelines.restores.selection import RestoreRequest
from chom_pipelines_tests.logical.taking import Backups
from chom_pipelines_tests.physical.files_data import take_files
from chom_pipelines_tests.servers import PrivateServer


@dataclass(frozen=True)
class Taken:
    server: PrivateServer
    database: str
    entry: BackupEntry

    def restore(self, request: Callable[[Manifest], RestoreRequest]) -> tuple[tuple[str, ...], int, int]:
        """What a restore into the server has restored: databases, tables, rows."""
        root = self.server.root
        done = restore_files_into_server(self.entry, None, root, request, unreported, databases=("not_asked",))
        return done.databases, done.tables, done.rows


@pytest.fixture(scope="module")
def taken(mariadb_server: PrivateServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Taken]:
    with mariadb_server.scope() as server:
        database = server.fresh_database()
        with server.connect() as session:
            for name in ("wanted", "other"):
                session.execute(f"CREATE TABLE {database}.{name} (id INT PRIMARY KEY)")
                session.execute(f"INSERT INTO {database}.{name} VALUES (1), (2)")
        yield Taken(server, database, take_files(Backups(tmp_path_factory.mktemp("taken")), server))


def test_chosen_tables_come_under_another_name_and_no_other_database_is_dumped(taken: Taken) -> None:
    copy = taken.server.fresh_database()
    seen: list[Manifest] = []

    def request(manifest: Manifest) -> RestoreRequest:
        seen.append(manifest)
        rename = {} if manifest.method is Method.PHYSICAL else {taken.database: copy}
        return RestoreRequest(rename=rename, tables=(f"{taken.database}.wanted",), threads=1)

    assert taken.restore(request) == ((copy,), 1, 2)
    assert seen[-1].logical.databases == (taken.database,)
    with taken.server.connect() as session:
        assert session.rows(f"SHOW TABLES FROM {copy}") == [("wanted",)]


def test_a_database_that_is_not_in_the_files_is_refused_in_words(taken: Taken) -> None:
    with pytest.raises(RestoreRefusedError, match=f"{taken.entry.id} has no database nosuch"):
        taken.restore(lambda _: RestoreRequest(tables=("nosuch.t",), threads=1))


def test_tables_of_the_servers_own_are_refused_before_a_server_runs_on_the_files(
    taken: Taken, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows_of_files, "start_of", lambda *_: pytest.fail("the files were opened"))
    with pytest.raises(ConfigurationError, match="mysql is the server's own"):
        taken.restore(lambda _: RestoreRequest(tables=("mysql.user",), threads=1))


@pytest.mark.parametrize(
    ("tables", "databases"),
    [
        (None, None),
        (("shop.orders", "shop.users", "other.t"), ("shop", "other")),
        (("shop.orders", "a.b.c"), None),
    ],
)
def test_the_databases_of_tables_are_told_by_names_with_one_dot(
    tables: tuple[str, ...] | None, databases: tuple[str, ...] | None
) -> None:
    assert databases_of(tables) == databases
