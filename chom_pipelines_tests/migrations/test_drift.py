"""Production is what its migrations make of an empty database, or what differs is named."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from chom_pipelines.migrations.checking import Mode
from chom_pipelines.migrations.findings import Severity
from chom_pipelines.migrations.sql_files import SqlFiles
from chom_pipelines.outcome import Outcome
from chom_pipelines.server.connection import Session
from chom_pipelines_tests.migrations.checked import HISTORY, checked, make_database, written
from chom_pipelines_tests.servers import PrivateServer

DATABASE = "drifted"
USERS = "CREATE TABLE users (id INT PRIMARY KEY, email VARCHAR(100), n INT, KEY users_n (n))"
RECORDED = (HISTORY, "INSERT INTO schema_migrations VALUES ('1')")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return written(
        tmp_path / "m",
        {
            "001_users": f"{USERS};\nINSERT INTO users VALUES (1, 'a', 1);",
            "002_more": "ALTER TABLE users ADD COLUMN m INT",
        },
    )


@pytest.fixture(autouse=True)
def _gone(server: PrivateServer) -> Iterator[None]:
    yield
    with Session(server.root) as session:
        session.execute(f"DROP DATABASE IF EXISTS {DATABASE}")


def said(server: PrivateServer, place: Path, *schema: str, asked: bool = True) -> list[str]:
    make_database(server.root, DATABASE, (*RECORDED, *schema))
    check = checked(server.root, DATABASE, place, Mode.VALIDATE, drift=asked)
    assert check.outcome is Outcome.PASSED  # it is a warning, and stops no deploy
    found = [each for each in check.findings if each.code == "HS10"]
    assert {each.severity for each in found} <= {Severity.WARNING}
    return [each.what for each in found]


def test_what_migrations_have_made_is_no_drift_wherever_columns_stand(server: PrivateServer, place: Path) -> None:
    assert said(server, place, USERS) == []
    moved = "CREATE TABLE users (id INT PRIMARY KEY, n INT, email VARCHAR(100), KEY other_name (n))"
    assert said(server, place, moved) == []


def test_each_table_that_differs_is_named_with_what_differs(server: PrivateServer, place: Path) -> None:
    changed = "CREATE TABLE users (id INT PRIMARY KEY, email VARCHAR(50), n INT NOT NULL, extra INT)"
    by_hand, users = said(server, place, changed, "CREATE TABLE by_hand (id INT PRIMARY KEY)")
    assert by_hand == f"{DATABASE}.by_hand is in production, and no migration makes it"
    begin, email, extra, number, index = re.split(": column |; ", users)
    assert begin == f"{DATABASE}.users is not as the migrations make it"
    assert re.fullmatch(r"email is varchar\(50\) NULL \w+, not varchar\(100\) NULL \w+", email)
    assert extra == "column extra is only in production"
    assert re.fullmatch(r"column n is int\S* NOT NULL, not int\S* NULL", number)
    assert index == "index on n is missing in production"


def test_keys_checks_and_engines_are_compared(server: PrivateServer, tmp_path: Path) -> None:
    place = written(
        tmp_path / "k",
        {
            "001_all": "CREATE TABLE p (id INT PRIMARY KEY);\nCREATE TABLE c (id INT PRIMARY KEY, p INT, t VARCHAR(20),"
            " CONSTRAINT c_p FOREIGN KEY (p) REFERENCES p (id), CONSTRAINT positive CHECK (id > 0), FULLTEXT c_t (t));",
            "002_more": "CREATE TABLE more (id INT PRIMARY KEY)",
        },
    )
    other = "CREATE TABLE c (id INT PRIMARY KEY, p INT, t VARCHAR(20), KEY c_p (p), KEY c_t (t)) ENGINE = MyISAM"
    [users] = said(server, place, "CREATE TABLE p (id INT PRIMARY KEY)", other)
    told = users.split(": ", 1)[1].split("; ")
    assert "index on t is only in production" in told
    assert "index on fulltext t is missing in production" in told
    assert f"foreign key on p to {DATABASE}.p is missing in production" in told
    assert any(each.startswith("check ") and each.endswith("is missing in production") for each in told)
    assert "engine MyISAM, not InnoDB" in told


def test_migrations_that_fail_on_an_empty_database_leave_it_open(server: PrivateServer, place: Path) -> None:
    written(place, {"001_users": "ALTER TABLE users ADD COLUMN lost INT"})
    [what] = said(server, place, USERS)
    assert "on an empty database they fail: 001_users.sql" in what


def test_what_was_run_long_ago_is_run_again_only_where_that_is_asked(server: PrivateServer, place: Path) -> None:
    """It may do something outside of the database."""
    assert said(server, place, "CREATE TABLE by_hand (id INT PRIMARY KEY)", USERS, asked=False) == []


def test_where_nothing_is_recorded_or_the_first_ones_were_squashed_there_is_nothing_to_compare(
    server: PrivateServer, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SqlFiles, "is_squashed", property(lambda _: True))
    make_database(server.root, DATABASE, (*RECORDED, USERS, "CREATE TABLE by_hand (id INT PRIMARY KEY)"))
    found = checked(server.root, DATABASE, place, Mode.VALIDATE, drift=True).findings
    assert [(each.what, each.severity) for each in found if each.code == "HS10"] == [
        ("the first migrations were squashed into a dump, so that drift is not looked for", Severity.INFO)
    ]
    monkeypatch.undo()
    make_database(server.root, DATABASE, ("CREATE TABLE by_hand (id INT PRIMARY KEY)",))
    found = checked(server.root, DATABASE, place, Mode.VALIDATE, drift=True).findings
    assert not [each for each in found if each.code == "HS10"]
