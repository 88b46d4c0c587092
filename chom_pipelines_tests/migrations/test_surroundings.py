"""What a deploy needs beside its statements, and who is in its way; on real servers."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from chom_pipelines.migrations.checking import Mode
from chom_pipelines.migrations.findings import Severity
from chom_pipelines.migrations.live_locks import check_live_locks
from chom_pipelines.migrations.prediction import Prediction, peak_bytes
from chom_pipelines.outcome import Outcome
from chom_pipelines.server.connection import Session
from chom_pipelines.server.endpoint import Endpoint
from chom_pipelines.server.facts import Flavour, read_facts
from chom_pipelines.server.scratch import scratch_server
from chom_pipelines_tests.binlogs.test_server_options import mariadb_plugins
from chom_pipelines_tests.migrations.checked import checked, make_database, written
from chom_pipelines_tests.servers import PrivateServer

DATABASE = "surrounded"
USERS = "CREATE TABLE users (id INT PRIMARY KEY, email VARCHAR(100), n INT)"
ALTER = {"0001_alter": "ALTER TABLE users MODIFY n BIGINT"}


@pytest.fixture
def place(server: PrivateServer, tmp_path: Path) -> Iterator[Path]:
    make_database(server.root, DATABASE, (USERS, "INSERT INTO users VALUES (1, 'a', 1), (2, 'b', 2)"))
    yield written(tmp_path / "m", ALTER)
    with Session(server.root) as session:
        session.execute(f"DROP DATABASE {DATABASE}")


def test_without_a_proved_backup_a_deploy_is_refused(server: PrivateServer, place: Path) -> None:
    found = checked(server.root, DATABASE, place, accept=[])
    [missing] = [each for each in found.findings if each.code == "RB02"]
    assert missing.severity is Severity.ERROR
    assert "there is no repository" in missing.what


def test_what_is_accepted_is_listed_with_its_reason_and_stops_nothing(server: PrivateServer, place: Path) -> None:
    found = checked(server.root, DATABASE, place)
    assert found.outcome is Outcome.PASSED
    assert ("RB02", "a test needs none") in [(each.code, reason) for each, reason in found.accepted]


def test_a_copy_that_does_not_fit_on_the_disk_is_refused(
    server: PrivateServer, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chom_pipelines.migrations.surroundings._free", lambda *_: 1000)
    [full] = [each for each in checked(server.root, DATABASE, place).findings if each.code == "SP01"]
    assert full.severity is Severity.ERROR


def test_room_is_needed_for_the_largest_copy_beside_all_indexes_that_were_made_before() -> None:
    index, copied = Prediction(0, 1, disk_bytes=20, lasting_bytes=10), Prediction(0, 1, disk_bytes=100)
    assert peak_bytes([]) == 0
    assert peak_bytes([copied, index]) == 100
    assert peak_bytes([index, index, copied]) == 120


def test_some_room_has_to_be_left_beside_what_is_needed(
    server: PrivateServer, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def told(free: int) -> list[str]:
        monkeypatch.setattr("chom_pipelines.migrations.surroundings._free", lambda *_: free)
        return [each.code for each in checked(server.root, DATABASE, place).findings if each.code == "SP01"]

    written(place, {"0002_fails": "ALTER TABLE users MODIFY nobody BIGINT"})  # what fails needs none
    monkeypatch.setattr("chom_pipelines.migrations.surroundings.predicted", lambda *_: Prediction(0, 1, 100_000))
    assert told(119_999) == ["SP01"]
    assert told(120_001) == []


def test_much_room_for_a_time_is_told_where_it_is_there(
    server: PrivateServer, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "SP02" not in {each.code for each in checked(server.root, DATABASE, place).findings}
    monkeypatch.setattr("chom_pipelines.migrations.surroundings._MUCH", 1000)
    monkeypatch.setattr("chom_pipelines.migrations.surroundings._free", lambda *_: 1 << 30)
    told = [each for each in checked(server.root, DATABASE, place).findings if each.code.startswith("SP")]
    assert [(each.code, each.severity) for each in told] == [("SP02", Severity.INFO)]
    assert told[0].what.endswith("are needed for a time, and 1.07 GB are free")


def test_where_nobody_tells_the_room_it_is_not_verified_if_much_is_needed(
    server: PrivateServer, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chom_pipelines.migrations.surroundings._free", lambda *_: None)
    assert not [each for each in checked(server.root, DATABASE, place).findings if each.code == "SP01"]
    monkeypatch.setattr("chom_pipelines.migrations.surroundings._MUCH", 1000)
    found = checked(server.root, DATABASE, place)
    assert [each.severity for each in found.findings if each.code == "SP01"] == [Severity.UNKNOWN]
    assert found.outcome is Outcome.NOT_VERIFIED


def test_a_change_of_rows_in_a_large_table_is_told_and_nothing_of_it_is_run(
    server: PrivateServer, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chom_pipelines.migrations.surroundings._MANY_ROWS", 1)
    with Session(server.root) as session:
        session.execute(f"ANALYZE TABLE {DATABASE}.users")
        session.execute(f"USE {DATABASE}")
        session.execute("CREATE TABLE noted (id INT PRIMARY KEY)")
        session.execute(
            "CREATE FUNCTION next_no() RETURNS INT DETERMINISTIC MODIFIES SQL DATA"
            " BEGIN INSERT INTO noted VALUES (99); RETURN 1; END"
        )
        written(place, {"0002_rows": "UPDATE users SET n = 1 WHERE id = next_no()"})
        found = [each for each in checked(server.root, DATABASE, place).findings if each.code == "LK06"]
        assert [each.migration for each in found] == ["0002_rows.sql"]
        assert session.rows("SELECT * FROM noted") == []


def test_how_long_a_statement_would_wait_is_told_unless_the_migration_says_it(
    server: PrivateServer, place: Path
) -> None:
    assert [each.severity for each in checked(server.root, DATABASE, place).findings if each.code == "TX01"] == [
        Severity.INFO
    ]
    written(place, {"0001_alter": "SET SESSION lock_wait_timeout = 5;\nALTER TABLE users MODIFY n BIGINT;"})
    assert not [each for each in checked(server.root, DATABASE, place).findings if each.code == "TX01"]


def test_rows_that_could_not_be_asked_in_time_are_not_verified(
    server: PrivateServer, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chom_pipelines.migrations.checking._PROBE_SECONDS", dict.fromkeys(Mode, 0.0))
    written(place, {"0002_unique": "ALTER TABLE users ADD UNIQUE (email)"})
    found = checked(server.root, DATABASE, place)
    assert [(each.code, each.severity) for each in found.findings if each.code == "DD01"] == [
        ("DD01", Severity.UNKNOWN)
    ]
    assert found.outcome is Outcome.NOT_VERIFIED


def test_rows_that_a_statement_before_changes_are_not_taken_as_they_are(server: PrivateServer, place: Path) -> None:
    written(
        place,
        {"0002_fill": "UPDATE users SET email = 'x' WHERE id > 0", "0003_u": "ALTER TABLE users ADD UNIQUE u (email)"},
    )
    found = [each for each in checked(server.root, DATABASE, place).findings if each.code == "DD01"]
    assert [(each.severity, each.object) for each in found] == [(Severity.UNKNOWN, f"{DATABASE}.users.u")]
    assert "a statement before changes these rows" in found[0].what


def test_a_column_that_goes_while_another_comes_is_lost_all_the_same(server: PrivateServer, place: Path) -> None:
    written(place, {"0002_swap": "ALTER TABLE users DROP COLUMN email, ADD COLUMN owner VARCHAR(100)"})
    found = [each for each in checked(server.root, DATABASE, place).findings if each.code == "DS03"]
    assert [(each.severity, each.object) for each in found] == [(Severity.ERROR, f"{DATABASE}.users.email")]


def test_a_renamed_column_keeps_its_unique_key_without_a_false_alarm(server: PrivateServer, place: Path) -> None:
    with Session(server.root) as session:
        session.execute(f"ALTER TABLE {DATABASE}.users ADD UNIQUE old_key (email)")
    written(
        place,
        {
            "0002_rename": "ALTER TABLE users RENAME COLUMN email TO mail",
            "0003_change": "ALTER TABLE users CHANGE mail post VARCHAR(100)",
            "0004_key": "ALTER TABLE users ADD UNIQUE new_key (post, n)",
        },
    )
    found = checked(server.root, DATABASE, place).findings
    assert not [each for each in found if each.code == "DD01"]
    assert [each.object for each in found if each.code == "BC02"] == [f"{DATABASE}.users.email"]


@contextmanager
def telling(flavour: Flavour) -> Iterator[Endpoint]:
    """A server that tells who holds locks of tables: of MariaDB with the plugin for it."""
    options = [f"--plugin-dir={mariadb_plugins()}", "--plugin-load-add=metadata_lock_info"]
    with scratch_server(
        flavour, options=options if flavour is Flavour.MARIADB else ["--performance-schema=ON"]
    ) as server:
        make_database(server.endpoint, DATABASE, (USERS, "INSERT INTO users VALUES (1, 'a', 1)"))
        yield server.endpoint


@pytest.mark.parametrize("flavour", Flavour)
def test_who_holds_a_table_is_named_and_who_waits_behind_and_nobody_else(
    flavour: Flavour, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables = {(DATABASE, "users")}
    with telling(flavour) as endpoint, Session(endpoint) as asking:
        facts = read_facts(asking)

        def found() -> dict[str, str]:
            return {each.code: each.what for each in check_live_locks(asking, facts, tables)}

        assert found() == {}
        with Session(endpoint, autocommit=False) as holder, Session(endpoint, autocommit=False) as other:
            holder.rows(f"SELECT * FROM {DATABASE}.users")
            other.rows("SELECT 1")
            told = found()
            assert set(told) == {"TL01"}
            assert told["TL01"].startswith(f"connection {holder.id} of ")
            monkeypatch.setattr("chom_pipelines.migrations.live_locks._IDLE_SECONDS", 0)
            time.sleep(0.3)  # what InnoDB tells of transactions it keeps for a tenth of a second
            assert set(found()) == {"TL01", "TL02"}
            holder.execute("COMMIT")
            monkeypatch.undo()
            time.sleep(0.3)  # as above
            assert found() == {}
        with Session(endpoint) as tool:
            tool.value("SELECT GET_LOCK('app_migrations', 1)")
            tool.value("SELECT GET_LOCK('mails', 1)")
            named = {(each.code, each.severity, each.what) for each in check_live_locks(asking, facts, tables)}
            holds = f"connection {tool.id} of {endpoint.user} holds the lock"
            assert named == {
                ("TL04", Severity.WARNING, f"{holds} 'app_migrations' of GET_LOCK"),
                ("TL04", Severity.INFO, f"{holds} 'mails' of GET_LOCK"),
            }
        asking.execute(f"CREATE TABLE {DATABASE}._users_gho (id INT)")
        assert set(found()) == {"TL03"}


def test_a_mariadb_that_cannot_tell_is_not_taken_for_one_where_nobody_is() -> None:
    with scratch_server(Flavour.MARIADB) as server, Session(server.endpoint) as asking:
        make_database(server.endpoint, DATABASE, (USERS,))
        facts = read_facts(asking)
        assert list(check_live_locks(asking, facts, {(DATABASE, "users")})) == []  # nobody else is connected at all
        with Session(server.endpoint):
            [found] = check_live_locks(asking, facts, {(DATABASE, "users")})
        assert (found.code, found.severity, found.remedy) == (
            "TL01",
            Severity.UNKNOWN,
            "INSTALL SONAME 'metadata_lock_info'",
        )
