"""Folders of SQL files: their names and order, what is recorded, and what is wrong with that."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from chom_pipelines.errors import ConfigurationError, MigrationCheckError
from chom_pipelines.migrations.checking import Mode
from chom_pipelines.migrations.sql_files import SqlFiles, flyway_checksum
from chom_pipelines.server.connection import Session
from chom_pipelines_tests.migrations.checked import check_of, checked, configured, make_database, written
from chom_pipelines_tests.servers import PrivateServer

DATABASE = "sql_files"
FLYWAY = (
    "CREATE TABLE flyway_schema_history (installed_rank INT PRIMARY KEY, version VARCHAR(50), description VARCHAR(200),"
    " type VARCHAR(20), script VARCHAR(1000), checksum INT, success TINYINT(1))"
)
FIRST = "CREATE TABLE a (id INT PRIMARY KEY);\r\n-- é\n"


@pytest.fixture
def flyway(mariadb: PrivateServer) -> Iterator[Session]:
    make_database(mariadb.root, DATABASE, (FLYWAY, "CREATE TABLE a (id INT PRIMARY KEY)"))
    with Session(mariadb.root) as session:
        session.execute(f"USE {DATABASE}")
        yield session
        session.execute(f"DROP DATABASE {DATABASE}")


def record(session: Session, version: str, script: str, checksum: int | None, *, success: int = 1) -> None:
    session.execute(
        "INSERT INTO flyway_schema_history SELECT COALESCE(MAX(installed_rank), 0) + 1, %s, 'x', 'SQL', %s, %s, %s"
        " FROM flyway_schema_history",
        (version, script, checksum, success),
    )


def codes(mariadb: PrivateServer, place: Path) -> dict[str, str]:
    return {each.code: each.what for each in checked(mariadb.root, DATABASE, place, Mode.VALIDATE).findings}


@pytest.mark.parametrize("text", [b"one\ntwo\n", b"one\r\ntwo", b"\xef\xbb\xbfone\ntwo\n"])
def test_a_checksum_is_of_the_lines_whatever_ends_them(text: bytes) -> None:
    assert flyway_checksum(text) % (1 << 32) == zlib.crc32(b"onetwo")
    assert flyway_checksum(b"a") == zlib.crc32(b"a") - (1 << 32)  # an INT of Java's has a sign


def test_what_flyway_has_recorded_is_not_run_again(mariadb: PrivateServer, flyway: Session, tmp_path: Path) -> None:
    place = written(tmp_path, {"V1__a": FIRST, "V1.1__b": "CREATE TABLE b (id INT PRIMARY KEY)"})
    record(flyway, "1", "V1__a.sql", flyway_checksum(FIRST.encode()))
    found = checked(mariadb.root, DATABASE, place)
    assert found.pending == ["V1.1__b.sql"]
    assert {each.code for each in found.findings} <= {"TX01"}


def test_a_file_that_was_changed_after_it_was_run_is_found(
    mariadb: PrivateServer, flyway: Session, tmp_path: Path
) -> None:
    place = written(tmp_path, {"V1__a": FIRST + "-- more\n"})
    record(flyway, "1", "V1__a.sql", flyway_checksum(FIRST.encode()))
    assert codes(mariadb, place)["HS05"] == "V1__a.sql was changed after it was run"


def test_a_failed_one_is_found(mariadb: PrivateServer, flyway: Session, tmp_path: Path) -> None:
    place = written(tmp_path, {"V1__a": FIRST})
    record(flyway, "1", "V1__a.sql", None, success=0)
    assert codes(mariadb, place)["HS07"] == "V1__a.sql is recorded as failed"


def test_two_files_of_one_version_and_a_name_that_is_none_are_found(
    mariadb: PrivateServer, flyway: Session, tmp_path: Path
) -> None:
    place = written(tmp_path, {"V1__a": FIRST, "V01__b": "SELECT 1", "notes": "SELECT 1"})
    record(flyway, "1", "V1__a.sql", None)
    found = [
        each.what for each in checked(mariadb.root, DATABASE, place, Mode.VALIDATE).findings if each.code == "HS06"
    ]
    assert sorted(found) == ["2 files have the version 1", "notes.sql is no name of a migration, and is not run"]


def test_versions_are_numbers_and_not_text(tmp_path: Path) -> None:
    written(tmp_path, dict.fromkeys(("V10__a", "V9__b", "V9.1__c"), "SELECT 1"))
    assert [each.name for each in SqlFiles(tmp_path).files()] == ["V9__b.sql", "V9.1__c.sql", "V10__a.sql"]


def test_files_of_undoing_are_not_run(mariadb: PrivateServer, flyway: Session, tmp_path: Path) -> None:
    assert flyway.rows("SELECT 1") == [(1,)]
    place = written(
        tmp_path, {"V2__b": "CREATE TABLE b (id INT PRIMARY KEY)", "U2__b": "DROP TABLE b", "3_c.down": "DROP TABLE a"}
    )
    assert checked(mariadb.root, DATABASE, place, Mode.VALIDATE).pending == ["V2__b.sql"]


def test_procedures_with_delimiters_are_run_as_the_client_runs_them(
    mariadb: PrivateServer, flyway: Session, tmp_path: Path
) -> None:
    assert flyway.rows("SELECT 1") == [(1,)]
    text = "DELIMITER $$\nCREATE PROCEDURE p() BEGIN SELECT 1; SELECT 2; END$$\nDELIMITER ;\nCREATE TABLE b (id INT PRIMARY KEY);"
    found = checked(mariadb.root, DATABASE, written(tmp_path, {"V2__p": text}))
    assert [each.step.statement.verb for each in found.plan] == ["CREATE", "CREATE"]
    assert not [each for each in found.plan if each.step.failure]


def test_a_file_that_hangs_ends_with_the_time_for_all(mariadb: PrivateServer, flyway: Session, tmp_path: Path) -> None:
    assert flyway.rows("SELECT 1") == [(1,)]
    place = written(tmp_path, {"V2__slow": "DO SLEEP(60);"})
    with pytest.raises(MigrationCheckError, match=r"V2__slow\.sql was not through"):
        check_of(configured(mariadb.root, DATABASE, {"sql": str(place)}), timeout=1)


def test_a_directory_that_is_not_there_or_has_none_is_named(
    mariadb: PrivateServer, flyway: Session, tmp_path: Path
) -> None:
    assert flyway.rows("SELECT 1") == [(1,)]
    with pytest.raises(ConfigurationError, match="nowhere cannot be read"):
        checked(mariadb.root, DATABASE, tmp_path / "nowhere")
    with pytest.raises(ConfigurationError, match="has no migrations"):
        checked(mariadb.root, DATABASE, tmp_path)
