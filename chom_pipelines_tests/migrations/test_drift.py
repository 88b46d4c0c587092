"""Production is what its migrations make of an empty database, or what differs is named."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from chom_pipelines.migrations.checking import Mode
from chom_pipelines.migrations.findings import Severity
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
    assert said(server, place, changed, "CREATE TABLE by_hand (id INT PRIMARY KEY)") == [
        f"{DATABASE}.by_hand is in production, and no migration makes it",
        f"{DATABASE}.users is not as the migrations make it: column email is varchar(50), not varchar(100);"
        " column extra is only in production; column n is NOT NULL, not NULL; index on n is missing in production",
    ]


def test_migrations_that_fail_on_an_empty_database_leave_it_open(server: PrivateServer, place: Path) -> None:
    written(place, {"001_users": "ALTER TABLE users ADD COLUMN lost INT"})
    [what] = said(server, place, USERS)
    assert "on an empty database they fail: 001_users.sql" in what


def test_what_was_run_long_ago_is_run_again_only_where_that_is_asked(server: PrivateServer, place: Path) -> None:
    """It may do something outside of the database."""
    assert said(server, place, "CREATE TABLE by_hand (id INT PRIMARY KEY)", USERS, asked=False) == []
