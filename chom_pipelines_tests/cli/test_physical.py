"""The command line on physical backups."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from chom_pipelines.cli.restore_options import PASSWORD as RESTORE_PASSWORD
from chom_pipelines.server.connection import Session
from chom_pipelines_tests.cli.accidents import emptying
from chom_pipelines_tests.cli.setting import ROWS, Setting
from chom_pipelines_tests.physical.files_data import running


@pytest.fixture
def taken(on_mariadb: Setting, capsys: pytest.CaptureFixture[str]) -> Setting:
    assert on_mariadb.chom("backup", "--method", "physical", "--verification", "none") == 0
    capsys.readouterr()
    return on_mariadb


def test_a_physical_backup_is_taken_proved_listed_and_restored(
    on_mariadb: Setting, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    on_mariadb.write(backup={"method": "physical", "verification": "basic"})
    assert on_mariadb.chom("check") in {0, 3}
    found = capsys.readouterr().out
    assert "physical: " in found
    assert "schedules.benchmark" not in found
    assert on_mariadb.chom("backup") == 0
    said = capsys.readouterr()
    assert "passed (basic)" in said.out
    assert f"a physical backup holds the whole server, not only {on_mariadb.database}" in said.err
    code, body = on_mariadb.document(capsys, "verify", "--level", "full")
    assert (code, body["outcome"]) == (0, "passed")
    assert on_mariadb.chom("backups") == 0
    listed = capsys.readouterr().out
    assert "physical" in listed
    assert "full passed" in listed
    code, body = on_mariadb.document(capsys, "restore", "--into-directory", str(tmp_path / "data"))
    assert code == 0
    assert on_mariadb.database in body["databases"]
    with running(tmp_path / "data") as copy:
        assert copy.value(f"SELECT COUNT(*) FROM {on_mariadb.database}.orders") == ROWS


def test_a_check_tells_that_a_scheduled_benchmark_would_have_no_backup_of_rows(
    on_mariadb: Setting, capsys: pytest.CaptureFixture[str]
) -> None:
    on_mariadb.write(backup={"method": "physical"}, schedules={"benchmark": "0 3 * * 1"})
    assert on_mariadb.chom("check") in {0, 3}
    said = capsys.readouterr().out
    assert "warning" in said
    assert "schedules.benchmark" in said
    assert "--method logical" in said


def test_a_full_verification_says_what_it_has_compared(taken: Setting, capsys: pytest.CaptureFixture[str]) -> None:
    assert taken.chom("verify", "--level", "full") == 0
    said = capsys.readouterr().out
    assert "pages by their checksums" in said
    assert "by the server's check" in said
    assert "equal" not in said


@pytest.mark.parametrize(
    "arguments",
    [
        ("--into-directory", "DIR", "--as-database", "copy"),
        ("--into-directory", "DIR", "--tables", "shop.orders"),
        ("--into-directory", "DIR", "--accounts"),
        ("--into-directory", "DIR", "--accept-losses"),
        ("--into-directory", "DIR", "--compare"),
    ],
    ids=lambda arguments: str(arguments[2]),
)
def test_what_it_cannot_be_restored_as_is_refused_by_name(
    taken: Setting, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    given = [str(tmp_path / "data") if each == "DIR" else each for each in arguments]
    assert taken.chom("restore", *given) == 2
    said = capsys.readouterr().err
    named = next(each for each in arguments if each.startswith("--") and each != "--into-directory")
    assert f"{named} is for a server: {taken.latest.id} is a physical backup" in said
    assert "with --into-server or --as-database" in said
    assert not (tmp_path / "data").exists()


def test_a_dry_run_lists_what_would_be_done_and_does_nothing(
    taken: Setting, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "data"
    assert taken.chom("restore", "--into-directory", str(target), "--dry-run") == 0
    assert f"create directory {target}: " in capsys.readouterr().out
    code, body = taken.document(capsys, "restore", "--into-directory", str(target), "--dry-run")
    assert (code, [each["action"] for each in body["operations"]]) == (0, ["create"])
    assert not target.exists()


def test_what_was_changed_since_is_taken_after_it_and_restored_with_it(
    taken: Setting, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    full = taken.latest.id
    with taken.server.connect() as session:
        session.execute(f"DELETE FROM {taken.database}.orders LIMIT 1")
    code, body = taken.document(capsys, "backup", "--type", "incremental", "--method", "physical")
    assert (code, body["backup"]["kind"], body["backup"]["parent"]) == (0, "incremental", full)
    assert taken.chom("backups") == 3  # the full one was never proved by itself
    listed = capsys.readouterr().out
    assert body["backup"]["id"] in listed
    assert f"the changes since {full}, without which it cannot be restored" in listed
    code, body = taken.document(capsys, "verify", "--level", "full")
    assert (code, body["outcome"]) == (0, "passed")
    code, body = taken.document(capsys, "restore", "--into-directory", str(tmp_path / "data"))
    assert code == 0
    with running(tmp_path / "data") as copy:
        assert copy.value(f"SELECT COUNT(*) FROM {taken.database}.orders") == ROWS - 1


def test_a_method_that_there_is_not_is_refused_with_those_that_there_are(
    on_mariadb: Setting, capsys: pytest.CaptureFixture[str]
) -> None:
    assert on_mariadb.chom("backup", "--method", "quick") == 2
    assert "--method: must be 'logical' or 'physical'" in capsys.readouterr().err


def test_an_incremental_backup_is_of_the_log_where_its_method_is_not_named(
    taken: Setting, capsys: pytest.CaptureFixture[str]
) -> None:
    taken.write(backup={"method": "physical"})
    assert taken.chom("backup", "--type", "incremental") == 0
    assert "binary log" in capsys.readouterr().out
    assert taken.latest.id.startswith("full_")


def test_without_a_physical_backup_there_is_no_incremental_one(
    on_mariadb: Setting, capsys: pytest.CaptureFixture[str]
) -> None:
    assert on_mariadb.chom("backup", "--type", "incremental", "--method", "physical") == 1
    said = capsys.readouterr().err
    assert "has no physical backup, after which an incremental one could be taken" in said
    assert "chom backup --method physical" in said


@pytest.fixture
def boss(taken: Setting, monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    """An account that may do everything, whose password is known; a session of root's."""
    monkeypatch.setenv(RESTORE_PASSWORD, "boss password")
    with taken.server.connect() as root:
        root.execute("CREATE USER chom_test_boss@'%' IDENTIFIED BY 'boss password'")
        root.execute("GRANT ALL ON *.* TO chom_test_boss@'%' WITH GRANT OPTION")
        yield root
        root.execute("DROP USER chom_test_boss@'%'")


def test_single_tables_come_from_it_into_a_running_server_and_nothing_else_is_touched(
    taken: Setting, boss: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    name = taken.database
    asked = ("restore", "--into-server", "chom", "--tables", f"{name}.orders", "--user", "chom_test_boss")
    boss.execute(f"UPDATE {name}.users SET name = 'changed since'")
    assert taken.chom(*asked) == 1
    assert f"{name} holds 1 object: orders; {taken.latest.id} was not restored" in capsys.readouterr().err
    boss.execute(f"DROP TABLE {name}.orders")
    code, body = taken.document(capsys, *asked, "--dry-run")
    assert (code, body["backup"], body["refused"]) == (0, taken.latest.id, None)
    tables = {each["name"] for each in body["operations"] if each["kind"] == "table"}
    assert tables == {"orders", "_chom_restore_in_progress"}
    assert not any(each["loses"] for each in body["operations"])
    assert not boss.rows(f"SHOW TABLES FROM {name} LIKE 'orders'")
    code, body = taken.document(capsys, *asked)
    assert (code, body["backup"], body["tables"], body["rows"]) == (0, taken.latest.id, 1, ROWS)
    assert boss.value(f"SELECT COUNT(*) FROM {name}.orders") == ROWS
    assert boss.value(f"SELECT COUNT(*) FROM {name}.users WHERE name <> 'changed since'") == 0


def test_a_database_comes_from_it_beside_the_live_one_and_no_account_of_ours_does(
    taken: Setting, boss: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    name, copy = taken.database, f"{taken.database}_copy"
    boss.execute(f"CREATE DEFINER=nobody_any_more@'%' VIEW {name}.orphan AS SELECT 1 AS one")
    assert taken.chom("backup", "--method", "physical", "--verification", "none") == 0
    accounts = "SELECT User, Host FROM mysql.user ORDER BY 1, 2"
    before = boss.rows(accounts)
    capsys.readouterr()
    try:
        code, body = taken.document(
            capsys, "restore", "--as-database", copy, "--user", "chom_test_boss", "--accounts", "--compare"
        )
        assert (code, body["databases"], body["equal"]) == (0, [copy], True)
        assert boss.value(f"SELECT COUNT(*) FROM {copy}.orders") == ROWS
        assert boss.rows(accounts) == before
    finally:
        boss.execute(f"DROP DATABASE IF EXISTS {copy}")


@pytest.fixture
def followed(taken: Setting, capsys: pytest.CaptureFixture[str]) -> Setting:
    """A physical backup, and an archive of what came after it: five rows, and a deletion of all others."""
    taken.archive(*emptying(taken.database))
    capsys.readouterr()
    return taken


def before_the_deletion(followed: Setting, capsys: pytest.CaptureFixture[str]) -> str:
    _, body = followed.document(capsys, "events", "--table", f"{followed.database}.orders", "--kind", "delete")
    return str(body["events"][-1]["before"])


def test_a_log_is_replayed_onto_it(followed: Setting, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name, target = followed.database, tmp_path / "data"
    code, body = followed.document(capsys, "windows")
    assert (code, len(body["servers"][0]["intervals"])) == (0, 1)
    place = before_the_deletion(followed, capsys)
    code, body = followed.document(capsys, "restore", "--before", place, "--into-directory", str(target))
    assert (code, body["replayed"], body["backup"]) == (0, 5, followed.latest.id)
    assert "its accounts and passwords are those of chom" in body["warnings"]
    with running(target) as copy:
        assert copy.value(f"SELECT COUNT(*) FROM {name}.orders") == ROWS
        assert copy.value(f"SELECT COUNT(*) FROM {name}.users") == 7


def test_what_is_configured_comes_from_it_into_a_running_server(
    followed: Setting, boss: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    name, copy = followed.database, f"{followed.database}_as_of_then"
    arguments = ["--before", before_the_deletion(followed, capsys), "--as-database", copy, "--user", "chom_test_boss"]
    try:
        code, body = followed.document(capsys, "restore", *arguments, "--dry-run")
        assert (code, body["operations_by"]) == (0, "recovery")
        assert {each["database"] for each in body["operations"]} == {copy}
        assert not boss.rows(f"SHOW DATABASES LIKE '{copy}'")
        code, body = followed.document(capsys, "restore", *arguments)
        assert (code, body["databases"], body["rows"]) == (0, [copy], ROWS + 7)
        assert boss.value(f"SELECT COUNT(*) FROM {copy}.orders") == ROWS
        assert boss.value(f"SELECT COUNT(*) FROM {name}.orders") == 0
    finally:
        boss.execute(f"DROP DATABASE IF EXISTS {copy}")


def test_a_damaged_one_is_refused_once_that_is_known(
    taken: Setting, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    taken.flip_a_byte(taken.data_object())
    assert taken.chom("verify") == 1
    capsys.readouterr()
    for target in (("--into-directory", str(tmp_path / "data")), ("--as-database", "copy")):
        assert taken.chom("restore", *target) == 1
        assert "failed its basic verification" in capsys.readouterr().err
    assert not (tmp_path / "data").exists()


def test_mysql_without_its_plugin_is_refused_by_name(on_mysql: Setting, capsys: pytest.CaptureFixture[str]) -> None:
    assert on_mysql.chom("backup", "--method", "physical") == 1
    said = capsys.readouterr().err
    assert "its CLONE plugin is not there" in said
    assert "INSTALL PLUGIN clone SONAME 'mysql_clone.so'" in said
    on_mysql.write(backup={"method": "physical"})
    assert on_mysql.chom("check") == 1
    assert "INSTALL PLUGIN clone" in capsys.readouterr().out
