from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from chom_pipelines.cli.restore_options import PASSWORD as RESTORE_PASSWORD
from chom_pipelines.server.connection import Session
from chom_pipelines.server.facts import Flavour
from chom_pipelines.server.scratch import scratch_server
from chom_pipelines_tests.cli import setting
from chom_pipelines_tests.cli.setting import ROWS, Setting
from chom_pipelines_tests.servers import PrivateServer

BOSS = "chom_test_boss"


@pytest.fixture
def taken(on_mariadb: Setting, capsys: pytest.CaptureFixture[str]) -> Setting:
    assert on_mariadb.chom("backup", "--verification", "none") == 0
    capsys.readouterr()
    return on_mariadb


@pytest.fixture
def boss(on_mariadb: Setting, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An account that may write, and its password where the command looks for it."""
    with on_mariadb.server.connect() as root:
        root.execute(f"CREATE USER {BOSS}@'%' IDENTIFIED BY 'boss password'")
        root.execute(f"GRANT ALL ON *.* TO {BOSS}@'%' WITH GRANT OPTION")
        monkeypatch.setenv(RESTORE_PASSWORD, "boss password")
        yield BOSS
        root.execute(f"DROP USER {BOSS}@'%'")


@pytest.fixture
def copy(mariadb: PrivateServer) -> str:
    """The name of a database that is not there, and is dropped if it comes to be."""
    name = mariadb.fresh_database()
    with mariadb.connect() as root:
        root.execute(f"DROP DATABASE {name}")
    return name


def rows(server: PrivateServer, database: str, table: str = "orders") -> str:
    """A digest of a table's rows."""
    with server.connect() as session:
        found = session.rows(f"SELECT * FROM {database}.{table} ORDER BY id")
    return hashlib.sha256(repr(found).encode()).hexdigest()


def databases(server: PrivateServer) -> set[str]:
    with server.connect() as session:
        return {str(name) for (name,) in session.rows("SHOW DATABASES")}


def test_beside_the_original_every_row_is_there(
    taken: Setting,
    boss: str,
    copy: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert taken.chom("restore", "--as-database", copy, "--user", boss) == 0
    out = capsys.readouterr().out
    assert f"{taken.latest.id} is restored into chom" in out
    assert "2 tables, 302 rows" in out
    assert rows(taken.server, copy) == rows(taken.server, taken.database)


def test_the_document_says_what_was_restored_where(
    taken: Setting,
    boss: str,
    copy: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, body = taken.document(capsys, "restore", "--as-database", copy, "--user", boss)
    assert code == 0
    assert (body["backup"], body["databases"], body["rows"]) == (taken.latest.id, [copy], ROWS + 2)


def test_the_account_that_takes_backups_cannot_restore_and_is_told_who_can(
    taken: Setting,
    copy: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert taken.chom("restore", "--as-database", copy) == 1
    captured = capsys.readouterr()
    assert "--user" in captured.err
    assert captured.out == ""
    assert copy not in databases(taken.server)


def test_nothing_is_overwritten_unless_it_is_asked_for(
    taken: Setting,
    boss: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with taken.server.connect() as root:
        root.execute(f"UPDATE {taken.database}.orders SET price = 0")
    changed = rows(taken.server, taken.database)
    assert taken.chom("restore", "--into-server", "chom", "--user", boss) == 1
    assert "--replace" in capsys.readouterr().err
    assert rows(taken.server, taken.database) == changed
    assert taken.chom("restore", "--into-server", "chom", "--user", boss, "--replace") == 0
    assert rows(taken.server, taken.database) != changed


def test_single_tables_can_be_restored(taken: Setting, boss: str, copy: str) -> None:
    table = f"{taken.database}.users"
    assert taken.chom("restore", "latest", "--as-database", copy, "--tables", table, "--user", boss) == 0
    with taken.server.connect() as root:
        assert root.rows(f"SHOW TABLES IN {copy}") == [("users",)]
    assert rows(taken.server, copy, "users") == rows(taken.server, taken.database, "users")


def test_a_dry_run_says_what_it_would_do_and_does_nothing(
    taken: Setting,
    boss: str,
    copy: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = ("--as-database", copy, "--user", boss, "--dry-run")
    assert taken.chom("restore", *arguments) == 0
    out = capsys.readouterr().out
    assert copy in out
    assert "how long it takes is not known" in out
    assert copy not in databases(taken.server)
    assert taken.chom("verify", "--level", "full") == 0
    code, body = taken.document(capsys, "restore", *arguments)
    assert code == 0
    assert body["predicted"]["seconds"] is None  # into this server nothing was restored yet
    assert taken.chom("restore", "--as-database", copy, "--user", boss) == 0
    capsys.readouterr()
    code, body = taken.document(capsys, "restore", "--as-database", f"{copy}_2", "--user", boss, "--dry-run")
    (part,) = body["predicted"]["parts"]
    assert part["seconds"] == body["predicted"]["seconds"] > 0
    assert part["source"].startswith("its own restore of ")


def test_a_dry_run_that_would_be_refused_says_what_would_go_and_fails(
    taken: Setting,
    boss: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = ("--into-server", "chom", "--user", boss, "--dry-run")
    assert taken.chom("restore", *arguments) == 1
    captured = capsys.readouterr()
    assert f"drop table {taken.database}.orders" in captured.out
    assert "--replace" in captured.err
    code, body = taken.document(capsys, "restore", *arguments)
    assert code == 1
    assert [each["name"] for each in body["operations"] if each["loses"]] == ["orders", "users"]
    assert "--replace" in body["refused"]["remedy"]
    code, body = taken.document(capsys, "restore", *arguments, "--replace")
    assert (code, body["refused"]) == (0, None)


def test_into_a_directory_a_server_can_be_started_on_it(taken: Setting, tmp_path: Path) -> None:
    taken.write(password={"env": "CHOM_TEST_NEVER_SET"})  # no server has to be there, or its password
    target = tmp_path / "data"
    assert taken.chom("restore", "--into-directory", str(target)) == 0
    with scratch_server(Flavour.MARIADB, data_directory=target) as server, Session(server.endpoint) as session:
        assert session.value(f"SELECT COUNT(*) FROM {taken.database}.orders") == ROWS


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ([], "--into-server"),
        (["--into-server", "chom", "--into-directory", "there"], "two targets"),
        (["--into-server", "nowhere"], "nowhere"),
        (["--into-directory", "there", "--user", "root"], "--user"),
        (["--as-database", "copy", "--tables", " , "], "--tables"),
        (["--as-database", "copy", "--as-database", "other"], "OLD=NEW"),
        (["--as-database", "nosuch=copy"], "the backup has no database nosuch"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    taken: Setting,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    named: str,
) -> None:
    assert taken.chom("restore", *arguments) == 2
    assert named in capsys.readouterr().err


def test_a_table_that_is_not_in_the_backup_is_named(taken: Setting, capsys: pytest.CaptureFixture[str]) -> None:
    assert taken.chom("restore", "--as-database", "copy", "--tables", f"{taken.database}.nothing") == 1
    assert f"no table {taken.database}.nothing" in capsys.readouterr().err


def test_a_password_is_asked_for_only_in_a_terminal(taken: Setting, capsys: pytest.CaptureFixture[str]) -> None:
    assert taken.chom("restore", "--as-database", "copy", "--user", "root") == 2
    assert RESTORE_PASSWORD in capsys.readouterr().err


def test_of_several_databases_each_gets_another_name(
    tmp_path: Path,
    on_mariadb: Setting,
    boss: str,
    copy: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "two").mkdir()
    both = setting.setting(tmp_path / "two", on_mariadb.server, databases=2)
    one, other = both.databases
    both.chom("backup", "--verification", "none")
    for names in ([copy], [f"{one}={copy}"]):
        arguments = [argument for name in names for argument in ("--as-database", name)]
        assert both.chom("restore", *arguments, "--user", boss) == 2
        assert "OLD=NEW" in capsys.readouterr().err
    second = on_mariadb.server.fresh_database()
    arguments = ["--as-database", f"{one}={copy}", "--as-database", f"{other}={second}"]
    assert both.chom("restore", *arguments, "--user", boss) == 0
    assert rows(both.server, copy) == rows(both.server, one)
    assert rows(both.server, second, "users") == rows(both.server, other, "users")


def test_a_damaged_backup_is_not_restored(
    taken: Setting, boss: str, copy: str, capsys: pytest.CaptureFixture[str]
) -> None:
    damaged = taken.data_object()
    taken.flip_a_byte(damaged)
    assert taken.chom("restore", "--as-database", copy, "--user", boss) == 1
    assert str(damaged) in capsys.readouterr().err


def test_losses_end_the_restore_unless_they_are_accepted(
    taken: Setting,
    boss: str,
    copy: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with taken.server.connect() as root:
        root.execute(f"USE {taken.database}")
        root.execute("CREATE TABLE lossy (id INT, c CHAR(20), n DATE AS (c) STORED, UNIQUE KEY (n)) ENGINE=MyISAM")
        root.execute("SET SESSION sql_mode = ''")
        root.execute("INSERT INTO lossy (id, c) VALUES (1, '2024-02-31')")  # which is 0000-00-00 then
        root.execute("SET SESSION sql_mode = 'ALLOW_INVALID_DATES'")
        root.execute("INSERT INTO lossy (id, c) VALUES (2, '2024-02-31')")
    assert taken.chom("backup", "--verification", "none") == 0
    capsys.readouterr()
    assert taken.chom("restore", "--as-database", copy, "--user", boss) == 1
    failed = capsys.readouterr()
    assert "1 row missing (id 2, c 2024-02-31)" in failed.err
    assert "--accept-losses" in failed.err
    assert taken.chom("restore", "--as-database", copy, "--user", boss, "--replace", "--accept-losses") == 0
    warned = capsys.readouterr()
    assert "warning: " in warned.err
    assert "1 row missing (id 2, c 2024-02-31)" in warned.err
    assert rows(taken.server, copy) == rows(taken.server, taken.database)
