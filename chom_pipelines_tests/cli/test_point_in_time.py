"""From "the users table was emptied around lunch" to a restore: the commands, as a person runs them."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from pathlib import Path
from unittest.mock import Mock

import pytest

from chom_pipelines.binlogs.recovery.targets import parse_time
from chom_pipelines.cli.main import main
from chom_pipelines.server.connection import Session
from chom_pipelines.server.scratch import scratch_server
from chom_pipelines_tests.cli.accidents import BOSS, counts, place_of
from chom_pipelines_tests.cli.setting import ROWS, Setting
from chom_pipelines_tests.servers import PrivateServer


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


def test_it_takes_as_many_connections_as_are_configured(
    emptied: Setting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loader = Mock(side_effect=RecoveringError)
    monkeypatch.setattr("chom_pipelines.restores.execution.Loader", loader)
    with pytest.raises(RecoveringError):
        restored(emptied, "--at", "latest", "--into-directory", str(tmp_path / "restored"))
    assert loader.call_args.args[3] == 1


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
    assert "how long it takes is not known" in planned
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
    assert body["replaced"] is None
    code, body = emptied.document(capsys, "restore", "--at", latest, "--into-directory", str(target))
    assert code == 0
    assert target.is_dir()
    assert body["replayed"] == body["transactions"]
    arguments = ["--at", latest, "--into-directory", str(target), "--replace", "--dry-run"]
    assert emptied.chom("restore", *arguments) == 0
    assert f"lost by it: the directory {target}, " in capsys.readouterr().out


def test_a_transaction_is_restored_through(
    emptied: Setting, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, body = emptied.document(capsys, "events", "--table", f"{emptied.database}.users", "--rows", "1")
    gtid = body["events"][-4]["gtid"]  # the third of the five
    target = tmp_path / "restored"
    assert emptied.chom("restore", "--gtid", gtid, "--into-directory", str(target)) == 0
    with scratch_server(emptied.server.flavour, data_directory=target) as server, Session(server.endpoint) as session:
        assert counts(session, emptied.database) == (ROWS, 5)


class RecoveringError(Exception):
    """What no test gets to that must not recover anything."""


@pytest.fixture
def without_recovery(monkeypatch: pytest.MonkeyPatch) -> None:
    def recovered(*_: object) -> None:
        raise RecoveringError

    monkeypatch.setattr("chom_pipelines.binlogs.recovery.point_in_time.recovered_backup", recovered)


@pytest.mark.usefixtures("without_recovery", "boss")
def test_a_dry_run_recovers_nothing_where_the_log_changes_rows_alone(
    emptied: Setting, capsys: pytest.CaptureFixture[str]
) -> None:
    name = emptied.database
    emptied.chom("events", "--table", name, "--kind", "delete")
    place = place_of(capsys.readouterr().out)
    arguments = ["--before", place, "--as-database", "chom_planned", "--user", BOSS]
    assert emptied.chom("restore", *arguments, "--dry-run") == 0
    assert "only changes rows" in capsys.readouterr().out
    code, body = emptied.document(capsys, "restore", *arguments, "--dry-run")
    assert code == 0
    file, _, position = place.partition(":")
    assert (body["end"]["file"], body["moment"], body["transactions"]) == (file, place, 5)
    assert body["end"]["position"] <= int(position)
    assert body["history"] == str(emptied.server.facts.server_id)
    assert (body["operations_by"], body["backup"]) == ("backup", emptied.latest.id)
    tables = [each["name"] for each in body["operations"] if each["kind"] == "table" and each["database"]]
    assert {"orders", "users"} <= set(tables)
    with pytest.raises(RecoveringError):
        restored(emptied, *arguments)


def restored(setting: Setting, *arguments: str) -> None:
    """As `chom restore`, and what it raises that is no error of ours."""
    main(["restore", "--config", str(setting.config), *arguments])


@pytest.mark.usefixtures("boss")
def test_a_dry_run_that_has_to_recover_says_so_first_and_lists_what_was_made_meanwhile(
    emptied_anew: Setting, capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest
) -> None:
    name = emptied_anew.database
    emptied_anew.archive(f"CREATE TABLE {name}.made_later (id INT PRIMARY KEY)", f"DROP TABLE {name}.users")
    emptied_anew.chom("events", "--table", f"{name}.users", "--kind", "drop")
    place = place_of(capsys.readouterr().out)
    arguments = ["--before", place, "--as-database", "chom_planned", "--user", BOSS, "--dry-run"]
    code, body = emptied_anew.document(capsys, "restore", *arguments)
    assert code == 0
    assert body["operations_by"] == "recovery"
    assert "made_later" in [each["name"] for each in body["operations"]]
    request.getfixturevalue("without_recovery")
    with pytest.raises(RecoveringError):
        restored(emptied_anew, *arguments)
    assert "which is done now" in capsys.readouterr().err


@pytest.mark.usefixtures("without_recovery", "boss")
def test_what_the_target_refuses_is_refused_before_anything_is_recovered(
    emptied: Setting, capsys: pytest.CaptureFixture[str]
) -> None:
    place = f"{emptied.document(capsys, 'events', '--kind', 'delete')[1]['events'][-1]['before']}"
    arguments = ["--before", place, "--into-server", "chom"]
    assert emptied.chom("restore", *arguments, "--user", BOSS) == 1
    told = capsys.readouterr().err
    assert f"chom as of {place} was not restored" in told
    assert "--replace" in told
    assert emptied.chom("restore", *arguments, "--user", BOSS, "--dry-run") == 1
    assert f"chom as of {place} was not restored" in capsys.readouterr().err
    assert emptied.chom("restore", *arguments, "--replace") == 1  # which the account of backups may not
    assert "--user" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--allow-unencrypted", "--despite-failed-proof"])
def test_what_is_of_a_backup_by_itself_is_refused_of_a_point_in_time(
    emptied: Setting, capsys: pytest.CaptureFixture[str], option: str
) -> None:
    arguments = [emptied.latest.id, option, "--at", "2026-01-02 03:04:05Z", "--into-directory", "restored"]
    assert emptied.chom("restore", *arguments) == 2
    assert f"{option} is for a backup by itself" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["--at", "2026-01-02 03:04:05"], 2, "has no time zone"),
        (["--at", "lunch"], 2, "is no time"),
        (["--at", "2020-01-02 03:04:05Z"], 1, "before the oldest full backup"),
        (["--at", "2126-01-02 03:04:05+01:00"], 1, "does not go beyond"),
        (["--before", "mysql-bin"], 2, "is no place"),
        (["--before", ":12351"], 2, "names no file of a binary log\n  → write it as mysql-bin.000123:4567"),
        (["--before", "12351"], 2, "names no file"),
        (["--before", "mysql-bin.000001"], 2, "no position follows its file"),
        (["--before", "mysql-bin.000001:"], 2, "no position follows its file"),
        (["--before", "mysql-bin.000001:999999999"], 1, "mysql-bin.000001 is archived up to"),
        (["--before", "mysql-bin.999999:4"], 1, "mysql-bin.999999 is not in the archive, which has mysql-bin.0"),
        (["--before", "77/mysql-bin.000001:4"], 1, "there is no history 77 in the archive, which has"),
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


def test_every_moment_that_windows_prints_is_taken_by_restore(
    emptied_anew: Setting, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    time.sleep(2.1)  # so that a whole second is within: the log cuts its times off, and the last second is not over
    assert emptied_anew.chom("backup", "--type", "incremental") == 0
    assert emptied_anew.chom("backup", "--verification", "none") == 0  # which is a moment by itself as yet
    capsys.readouterr()
    assert emptied_anew.chom("windows") == 0
    out = capsys.readouterr().out
    lines = [line for line in out.splitlines() if " full_" in line and not line.startswith("    ")]
    assert max(map(len, lines)) <= 80
    printed = re.findall(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?Z", "\n".join(lines))
    _, body = emptied_anew.document(capsys, "windows")
    told = [each[bound] for each in body["servers"][0]["intervals"] for bound in ("earliest", "latest")]
    assert len(set(printed)) == len(set(told)) >= 2  # of a full backup alone both are the same
    for moment in (*printed, *told):
        arguments = ["--at", moment, "--into-directory", str(tmp_path / "restored"), "--dry-run"]
        assert emptied_anew.chom("restore", *arguments) == 0, moment


def test_latest_is_all_that_is_archived_and_the_plan_says_which_place_that_is(
    emptied: Setting, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, body = emptied.document(capsys, "windows")
    until = body["servers"][0]["intervals"][-1]["until"]
    target = tmp_path / "restored"
    arguments = ["--at", "latest", "--into-directory", str(target)]
    assert emptied.chom("restore", *arguments, "--dry-run") == 0
    place = f"{until['file']}:{until['position']}"
    assert f"chom as of {place}, which is all that is archived, would be restored into" in capsys.readouterr().out
    assert emptied.chom("restore", *arguments) == 0
    with scratch_server(emptied.server.flavour, data_directory=target) as server, Session(server.endpoint) as session:
        assert counts(session, emptied.database) == (0, 8)


def test_latest_is_drilled_as_it_is_restored(emptied_anew: Setting, capsys: pytest.CaptureFixture[str]) -> None:
    _, body = emptied_anew.document(capsys, "windows")
    until = body["servers"][0]["intervals"][-1]["until"]
    code, body = emptied_anew.document(capsys, "drill", "--at", "latest")
    assert (code, body["transactions"] > 0, body["end"]["file"]) == (3, True, until["file"])
    assert "a single way leads there" in body["reason"]
    assert emptied_anew.chom("drill", "--at", "lunch") == 2
    assert "is no time" in capsys.readouterr().err


def test_who_restores_a_backup_alone_is_told_that_the_archive_goes_further(
    emptied: Setting, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, body = emptied.document(capsys, "windows")
    until = body["servers"][0]["intervals"][-1]["until"]
    arguments = ["--into-directory", str(tmp_path / "restored"), "--dry-run"]
    assert emptied.chom("restore", *arguments) == 0
    told = capsys.readouterr().out
    assert f"the archive goes further than this backup, up to {until['file']}:{until['position']}, " in told
    assert ": --at latest restores that as well" in told
    assert emptied.chom("restore", *arguments, "--json") == 0
    assert capsys.readouterr().out.startswith("{")


def test_a_moment_beyond_the_archive_is_told_how_to_be_had(
    emptied: Setting, capsys: pytest.CaptureFixture[str]
) -> None:
    now = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S}Z"
    assert emptied.chom("restore", "--at", now, "--into-directory", "restored") == 1
    told = capsys.readouterr().err
    assert "does not go beyond" in told
    assert "`chom backup --type incremental` archives what the server has written since" in told


@pytest.mark.usefixtures("without_recovery")
def test_a_table_that_never_was_is_refused_before_anything_is_recovered(
    emptied_anew: Setting, boss: str, capsys: pytest.CaptureFixture[str]
) -> None:
    name = emptied_anew.database
    renamed = f"RENAME TABLE {name}.users TO {name}.called_so"
    emptied_anew.archive(f"CREATE TABLE {name}.made_later (id INT PRIMARY KEY)", renamed)
    arguments = ["--at", "latest", "--as-database", f"{name}_copy", "--user", boss]
    for more in ([], ["--dry-run"]):
        capsys.readouterr()
        assert emptied_anew.chom("restore", *arguments, *more, "--tables", f"{name}.userz") == 1
        told = capsys.readouterr().err
        assert f"{name}.userz: {emptied_anew.latest.id} has no such table, and nothing in the log makes it" in told
    for made in ("made_later", "called_so"):
        with pytest.raises(RecoveringError):
            restored(emptied_anew, *arguments, "--tables", f"{name}.{made}")


@pytest.mark.usefixtures("without_recovery")
def test_an_account_that_may_not_write_is_refused_before_anything_is_recovered(
    emptied: Setting, capsys: pytest.CaptureFixture[str]
) -> None:
    assert emptied.chom("restore", "--at", "latest", "--as-database", f"{emptied.database}_copy") == 1
    told = capsys.readouterr().err
    assert "would stop midway; nothing was done" in told
    assert "--user" in told
    assert "something lost" not in told


def test_a_plan_that_had_to_be_recovered_names_the_real_backup_and_what_it_is_of(
    emptied_anew: Setting, boss: str, capsys: pytest.CaptureFixture[str]
) -> None:
    name = emptied_anew.database
    assert emptied_anew.chom("verify", "latest", "--level", "basic") == 0
    emptied_anew.archive(f"CREATE TABLE {name}.made_later (id INT PRIMARY KEY)")
    arguments = ["--at", "latest", "--as-database", f"{name}_copy", "--user", boss, "--dry-run"]
    capsys.readouterr()
    assert emptied_anew.chom("restore", *arguments) == 0
    told = capsys.readouterr().out
    assert re.search(r"^chom as of mysql-bin\.\d+:\d+ into .* would, in this order,$", told, re.MULTILINE)
    assert set(re.findall(r"full_\d+_\d+", told)) == {emptied_anew.latest.id}
    assert "never proved" not in told
    _, body = emptied_anew.document(capsys, "restore", *arguments)
    assert (body["backup"], body["proved"].startswith("basic passed")) == (emptied_anew.latest.id, True)


def test_a_route_without_a_point_in_time_is_refused(emptied: Setting, capsys: pytest.CaptureFixture[str]) -> None:
    assert emptied.chom("restore", "--route", "client", "--into-directory", "restored") == 2
    assert "--route is for a point in time" in capsys.readouterr().err


@pytest.mark.parametrize("part", [["--tables", "{}.users"], ["--as-database", "copy"]])
def test_a_part_of_a_point_in_time_is_not_put_into_a_directory(
    emptied: Setting, part: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    options = [each.format(emptied.database) for each in part]
    assert emptied.chom("restore", "--at", "latest", "--into-directory", "restored", *options) == 2
    assert f"{part[0]} is for a server" in capsys.readouterr().err


def test_a_day_alone_is_its_midnight() -> None:
    for text in ("2026-11-26Z", "2026-11-26 UTC", "2026-11-26T00:00Z", "2026-11-26 01:00+01:00"):
        assert parse_time(text) == datetime(2026, 11, 26, tzinfo=UTC)
    assert parse_time("2026-11-26+01:00") == datetime(2026, 11, 25, 23, tzinfo=UTC)


def test_what_a_log_lacks_of_some_databases_alone_is_refused_until_it_is_accepted(
    on_mariadb: Setting, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name, other = on_mariadb.database, on_mariadb.server.fresh_database()
    with on_mariadb.server.connect() as session:
        session.execute(f"CREATE TABLE {other}.o (id INT)")
        session.execute(f"CREATE TRIGGER {other}.g AFTER INSERT ON {other}.o FOR EACH ROW DELETE FROM {name}.users")
        assert on_mariadb.chom("backup", "--verification", "none") == 0
        session.execute("SET SESSION binlog_format = 'STATEMENT'")
        session.execute(f"INSERT INTO {other}.o VALUES (1)")
        (file, position, *_) = session.rows("SHOW MASTER STATUS")[0]
    assert on_mariadb.chom("backup", "--type", "incremental") == 0
    capsys.readouterr()
    target = tmp_path / "restored"
    arguments = ["--before", f"{file}:{position}", "--into-directory", str(target)]
    for more in ([], ["--dry-run"]):
        assert on_mariadb.chom("restore", *arguments, *more) == 1
        said = capsys.readouterr().err
        assert f"changes of {other} were logged as text" in said
        assert "--accept-losses" in said
        assert not target.exists()
    assert on_mariadb.chom("restore", *arguments, "--accept-losses") == 0
    assert f"warning: changes of {other} were logged as text" in capsys.readouterr().err
    with (
        scratch_server(on_mariadb.server.flavour, data_directory=target) as server,
        Session(server.endpoint) as session,
    ):
        assert counts(session, name) == (ROWS, 2)


@pytest.mark.usefixtures("boss")
def test_what_depends_on_another_database_is_said_beforehand_and_the_rest_comes_back(
    on_both: Setting, tmp_path: Path, capsys: pytest.CaptureFixture[str], server: PrivateServer
) -> None:
    name, other, copy = on_both.database, server.fresh_database(), server.fresh_database()
    led_out = f"{name}.kids has a foreign key to {other}.parents, which is not backed up"
    with server.connect() as root:
        root.execute(f"DROP DATABASE {copy}")
        root.execute(f"CREATE TABLE {other}.parents (id INT PRIMARY KEY)")
        root.execute(f"INSERT INTO {other}.parents VALUES (1), (2)")
        key = f"FOREIGN KEY (p) REFERENCES {other}.parents (id) ON DELETE CASCADE"
        root.execute(f"CREATE TABLE {name}.kids (id INT PRIMARY KEY, p INT, {key})")
    on_both.chom("check")
    assert led_out in capsys.readouterr().out
    assert on_both.chom("backup", "--verification", "none") == 0
    assert f"{led_out}: back up {other} too" in capsys.readouterr().err
    on_both.archive(
        f"INSERT INTO {name}.kids VALUES (1, 1)",
        f"INSERT INTO {name}.users VALUES (100, 'after the backup')",
        f"DELETE FROM {other}.parents WHERE id = 1",
    )
    capsys.readouterr()
    assert on_both.chom("windows") == 3
    assert led_out in capsys.readouterr().out
    arguments = ["--at", "latest", "--as-database", copy, "--user", BOSS]
    if server.facts.is_mariadb:
        assert on_both.chom("restore", *arguments, "--dry-run") == 1
        assert f"leads to {other}.parents, which the backup does not have" in capsys.readouterr().err
    assert on_both.chom("restore", *arguments, "--tables", f"{name}.users", "--dry-run") == 0
    assert on_both.chom("restore", *arguments, "--tables", f"{name}.users") == 0
    with server.connect() as root:
        assert root.value(f"SELECT COUNT(*) FROM {copy}.users") == 3
        root.execute(f"DROP DATABASE {copy}")
    rescue = ["--table", f"{name}.users", "--into", copy, "--at", "latest", "--user", BOSS]
    assert on_both.chom("rescue", *rescue, "--output", str(tmp_path / "users.sql")) == 0
