"""A migration that stopped half-way in production: what is done, and SQL that leads to where it was to lead, or back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from chom_pipelines.migrations.checking import MigrationCheck
from chom_pipelines.migrations.findings import MigrationFinding
from chom_pipelines.server.connection import Session
from chom_pipelines_tests.migrations.checked import check_of, checked, configured, make_database, written
from chom_pipelines_tests.migrations.laravel_app import LaravelApp, laravel_app
from chom_pipelines_tests.migrations.test_laravel import artisan
from chom_pipelines_tests.servers import PrivateServer

DATABASE = "half_done"
NAME = "2024_02_01_000000_grow"
UP = """
Schema::create('posts', function (Blueprint $t) { $t->id(); $t->string('title'); });
Schema::table('users', function (Blueprint $t) { $t->integer('age')->nullable(); $t->index('age'); });
Schema::table('posts', function (Blueprint $t) {
    $t->unsignedBigInteger('user_id')->nullable(); $t->foreign('user_id')->references('id')->on('users'); });
Schema::table('users', function (Blueprint $t) { $t->string('nickname', 50)->nullable(); $t->unique('nickname'); });
"""


@pytest.fixture
def app(server: PrivateServer, tmp_path: Path) -> Iterator[LaravelApp]:
    make_database(server.root, DATABASE, ())
    made = laravel_app(tmp_path / "app", socket=server.root.socket or "", database=DATABASE)
    made.migration("2024_01_01_000000_users", "Schema::create('users', function (Blueprint $t) { $t->id(); });")
    artisan(made, "migrate", "--force")
    made.migration(NAME, UP)
    yield made
    with Session(server.root) as session:
        session.execute(f"DROP DATABASE IF EXISTS {DATABASE}")


def check(server: PrivateServer, app: LaravelApp) -> MigrationCheck:
    return check_of(configured(server.root, DATABASE, {"laravel": str(app.place)}))


def schema(server: PrivateServer) -> dict[str, list[str]]:
    """The definitions of all tables, by the server's own words, whatever order their lines are in."""
    with Session(server.root) as session:
        names = [str(name) for (name,) in session.rows(f"SHOW TABLES FROM {DATABASE}") if name != "migrations"]
        shown = {name: str(session.rows(f"SHOW CREATE TABLE {DATABASE}.{name}")[0][1]) for name in names}
    return {name: sorted(line.strip(" ,") for line in text.splitlines()) for name, text in shown.items()}


def run(server: PrivateServer, statements: list[str]) -> None:
    with Session(server.root) as session:
        session.execute(f"USE {DATABASE}")
        for statement in statements:
            session.execute(statement.rstrip(";"))


def diagnosis(found: MigrationCheck) -> MigrationFinding:
    [one] = [each for each in found.findings if each.code == "HS08"]
    return one


def statements_of(server: PrivateServer, app: LaravelApp) -> list[str]:
    return [each.step.statement.bare for each in check(server, app).plan]


@pytest.mark.parametrize("done", [1, 3, 6])
def test_the_finishing_sql_leads_to_the_intended_schema_and_the_undoing_back(
    server: PrivateServer, app: LaravelApp, done: int
) -> None:
    planned = statements_of(server, app)
    assert len(planned) == 7
    before = schema(server)
    run(server, planned[:done])  # as a deploy that was killed after so many
    found = diagnosis(check(server, app))
    assert found.migration == NAME
    assert f"7 statements, of which {done} are done" in found.what
    run(server, found.evidence["undo"])
    assert schema(server) == before
    run(server, planned)
    intended = schema(server)
    whole = diagnosis(check(server, app))
    assert "all that" in whole.what
    assert whole.evidence["undo"] == []  # it is done: there is nothing to take back
    run(server, ["DROP TABLE posts", "ALTER TABLE users DROP COLUMN age, DROP COLUMN nickname"])
    assert schema(server) == before
    run(server, planned[:done])
    run(server, found.evidence["finish"])
    assert schema(server) == intended
    assert check(server, app).pending == []


def test_something_else_of_that_name_is_no_half_done_migration(server: PrivateServer, app: LaravelApp) -> None:
    run(server, ["CREATE TABLE posts (id INT PRIMARY KEY)"])
    found = check(server, app)
    assert "HS08" not in {each.code for each in found.findings}
    assert "NM01" in {each.code for each in found.findings}


def test_sql_files_are_diagnosed_as_well(server: PrivateServer, tmp_path: Path) -> None:
    make_database(server.root, DATABASE, ("CREATE TABLE users (id INT PRIMARY KEY)",))
    place = written(
        tmp_path / "m",
        {"V1__grow": "ALTER TABLE users ADD COLUMN age INT;\nALTER TABLE users ADD INDEX users_age (age);"},
    )
    run(server, ["ALTER TABLE users ADD COLUMN age INT"])
    found = diagnosis(checked(server.root, DATABASE, place))
    assert found.evidence["finish"] == ["ALTER TABLE users ADD INDEX users_age (age);"]
    assert found.evidence["undo"] == [f"ALTER TABLE `{DATABASE}`.`users` DROP COLUMN `age`;"]
    with Session(server.root) as session:
        session.execute(f"DROP DATABASE {DATABASE}")


def test_there_is_no_way_back_where_rows_would_be_lost(server: PrivateServer, app: LaravelApp) -> None:
    run(server, [*statements_of(server, app)[:1], "INSERT INTO posts (title) VALUES ('kept')"])
    found = diagnosis(check(server, app))
    assert found.evidence["undo"] == []
    assert f"there is no way back by SQL: {DATABASE}.posts has rows" in found.remedy
    assert "DROP TABLE" not in found.remedy


def test_where_nothing_is_recorded_at_all_it_is_no_matter_of_one_migration(
    server: PrivateServer, app: LaravelApp
) -> None:
    run(server, ["DROP TABLE migrations"])
    codes = {each.code for each in check(server, app).findings}
    assert "HS01" in codes
    assert "HS08" not in codes


@pytest.mark.parametrize("done", [1, 2, 3])
def test_a_change_of_rows_is_never_given_to_be_run_twice(server: PrivateServer, app: LaravelApp, done: int) -> None:
    change = "UPDATE users SET balance = balance * 100"
    sql = [
        "ALTER TABLE users ADD COLUMN balance INT NOT NULL DEFAULT 1",
        change,
        "ALTER TABLE users ADD INDEX b (balance)",
    ]
    app.sql(NAME, *sql, "ALTER TABLE users ADD COLUMN last_one INT")
    run(server, sql[:done])
    finishing = diagnosis(check(server, app)).evidence["finish"]
    assert f"{change};" not in finishing
    unsure = f"-- not known whether this was run, look first: {change};"
    assert (unsure in finishing) == (done < 3)


def test_a_key_that_does_not_fit_is_no_half_done_migration(server: PrivateServer, app: LaravelApp) -> None:
    app.sql(
        NAME,
        "CREATE TABLE cars (id INT PRIMARY KEY, user_id INT)",
        "ALTER TABLE cars ADD CONSTRAINT cars_user FOREIGN KEY (user_id) REFERENCES users (id)",
    )
    codes = {each.code for each in check(server, app).findings}
    assert codes & {"FK02"}
    assert "HS08" not in codes
