"""From "the users table was emptied around lunch" to a restore: the commands, as a person runs them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from chom_pipelines.cli.restore_options import PASSWORD as RESTORE_PASSWORD
from chom_pipelines.server.connection import Session
from chom_pipelines.server.scratch import scratch_server
from chom_pipelines_tests.cli.setting import ROWS, Setting
from chom_pipelines_tests.servers import PrivateServer

BOSS = "chom_test_boss"


@pytest.fixture
def emptied(on_both: Setting, capsys: pytest.CaptureFixture[str]) -> Setting:
    """A full backup, more rows, then an accident, and an archive of all of it."""
    assert on_both.chom("backup", "--verification", "none") == 0
    name = on_both.database
    with on_both.server.connect() as session:
        for number in range(5):
            session.execute(f"INSERT INTO {name}.users VALUES ({100 + number}, 'after the backup')")
        session.execute(f"DELETE FROM {name}.orders")
        session.execute(f"INSERT INTO {name}.users VALUES (200, 'after the accident')")
    assert on_both.chom("backup", "--type", "incremental") == 0
    capsys.readouterr()
    return on_both


@pytest.fixture
def boss(emptied: Setting, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with emptied.server.connect() as root:
        root.execute(f"CREATE USER {BOSS}@'%' IDENTIFIED BY 'boss password'")
        root.execute(f"GRANT ALL ON *.* TO {BOSS}@'%' WITH GRANT OPTION")
        monkeypatch.setenv(RESTORE_PASSWORD, "boss password")
        yield BOSS
        root.execute(f"DROP USER {BOSS}@'%'")


def counts(session: Session, database: str) -> tuple[int, int]:
    """Rows of orders and of users."""
    return tuple(session.value(f"SELECT COUNT(*) FROM {database}.{table}") for table in ("orders", "users"))


def place_of(output: str) -> str:
    found = re.search(r"chom restore --before (\S+)", output)
    assert found
    return found[1]


def test_the_accident_is_found_and_all_that_was_before_it_comes_back_in_a_directory(
    emptied: Setting, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = emptied.database
    assert emptied.chom("events", "--table", f"{name}.orders", "--kind", "delete") == 0
    told = capsys.readouterr().out
    assert f"{name}.orders: {ROWS} rows deleted" in told
    target = tmp_path / "restored"
    assert emptied.chom("restore", "--before", place_of(told), "--into-directory", str(target)) == 0
    said = capsys.readouterr().out
    assert "then 5 transactions" in said
    assert "5 transactions replayed by replication" in said
    with scratch_server(emptied.server.flavour, data_directory=target) as server, Session(server.endpoint) as session:
        assert counts(session, name) == (ROWS, 7)


@pytest.mark.usefixtures("boss")
def test_one_table_comes_back_beside_the_original(
    emptied: Setting, capsys: pytest.CaptureFixture[str], server: PrivateServer
) -> None:
    name, copy = emptied.database, server.fresh_database()
    with server.connect() as root:
        root.execute(f"DROP DATABASE {copy}")
    emptied.chom("events", "--table", name, "--kind", "delete")
    place = place_of(capsys.readouterr().out)
    arguments = ["--before", place, "--as-database", copy, "--user", BOSS]
    assert emptied.chom("restore", *arguments, "--dry-run") == 0
    planned = capsys.readouterr().out
    assert "would be restored" in planned
    assert "how long it takes: not known" in planned
    assert f"create table {copy}.orders: {ROWS} rows" in planned
    with server.connect() as root:
        assert not root.rows(f"SHOW DATABASES LIKE '{copy}'")
    assert emptied.chom("restore", *arguments, "--tables", f"{name}.orders") == 0
    with server.connect() as root:
        assert root.value(f"SELECT COUNT(*) FROM {copy}.orders") == ROWS
        assert root.value(f"SELECT COUNT(*) FROM {name}.orders") == 0
        assert root.value(f"SELECT COUNT(*) FROM {name}.users") == 8


def test_a_moment_is_resolved_to_a_place_that_is_printed(
    emptied: Setting, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, body = emptied.document(capsys, "windows")
    assert code == 0
    (one,) = body["servers"]
    latest = one["intervals"][-1]["latest"]
    target = tmp_path / "restored"
    code, body = emptied.document(capsys, "restore", "--at", latest, "--into-directory", str(target), "--dry-run")
    assert code == 0
    assert not target.exists()
    assert body["end"]["file"].startswith("mysql-bin.")
    code, body = emptied.document(capsys, "restore", "--at", latest, "--into-directory", str(target))
    assert code == 0
    assert target.is_dir()
    assert body["replayed"] == body["transactions"]


def test_a_transaction_is_restored_through(
    emptied: Setting, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, body = emptied.document(capsys, "events", "--table", f"{emptied.database}.users", "--rows", "1")
    gtid = body["events"][-4]["gtid"]  # the third of the five
    target = tmp_path / "restored"
    assert emptied.chom("restore", "--gtid", gtid, "--into-directory", str(target)) == 0
    with scratch_server(emptied.server.flavour, data_directory=target) as server, Session(server.endpoint) as session:
        assert counts(session, emptied.database) == (ROWS, 5)


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["--at", "2026-01-02 03:04:05"], 2, "has no time zone"),
        (["--at", "lunch"], 2, "is no time"),
        (["--at", "2020-01-02 03:04:05Z"], 1, "before the oldest full backup"),
        (["--at", "2126-01-02 03:04:05+01:00"], 1, "does not go beyond"),
        (["--before", "mysql-bin"], 2, "is no place"),
        (["--before", "mysql-bin.999999:4"], 1, "cannot be restored"),
        (["--before", "mysql-bin.000001:4", "--at", "2026-01-02 03:04:05Z"], 2, "use one of them"),
        (["--gtid", "nonsense"], 2, "is no"),
    ],
)
def test_what_cannot_be_restored_to_is_refused_by_name(
    emptied: Setting, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, told: str
) -> None:
    target = emptied.folder / "restored"
    assert emptied.chom("restore", *arguments, "--into-directory", str(target)) == code
    assert told in capsys.readouterr().err
    assert not target.exists()


def test_windows_tell_what_is_at_stake(emptied: Setting, capsys: pytest.CaptureFixture[str]) -> None:
    assert emptied.chom("windows") == 0
    told = capsys.readouterr().out
    assert "at stake now" in told
    assert "passed: no gap" in told
    assert f"{datetime.now(UTC):%Y-%m-%d}" in told


def test_the_archive_alone_is_no_window(on_mariadb: Setting, capsys: pytest.CaptureFixture[str]) -> None:
    assert on_mariadb.chom("backup", "--type", "incremental") == 0
    assert on_mariadb.chom("windows") == 1
    assert "there is no full backup" in capsys.readouterr().out


def test_what_is_closed_is_archived_without_closing_anything(
    on_mariadb: Setting, capsys: pytest.CaptureFixture[str]
) -> None:
    assert on_mariadb.chom("backup", "--type", "incremental") == 0
    code, body = on_mariadb.document(capsys, "backup", "--type", "binlog")
    assert code == 0
    assert body["archive"]["segments"] == []


def test_nothing_found_is_said_and_is_exit_code_1(emptied: Setting, capsys: pytest.CaptureFixture[str]) -> None:
    assert emptied.chom("events", "--table", "nobody.knows") == 1
    assert "nothing is found" in capsys.readouterr().out
    assert emptied.chom("events", "--kind", "explosion") == 2
