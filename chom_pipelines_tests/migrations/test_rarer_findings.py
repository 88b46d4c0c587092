"""Findings that need a server of their own kind, or a table with a past."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from chom_pipelines.errors import UnsupportedServerError
from chom_pipelines.migrations import lock_checks, production
from chom_pipelines.migrations.checking import MigrationCheck, Mode
from chom_pipelines.migrations.findings import Severity
from chom_pipelines.outcome import Outcome
from chom_pipelines.server import facts
from chom_pipelines.server.connection import Session
from chom_pipelines.server.facts import Flavour, ServerFacts, read_facts
from chom_pipelines.server.scratch import scratch_server, with_binary_log
from chom_pipelines_tests.migrations.checked import HISTORY, checked, make_database, written
from chom_pipelines_tests.servers import PrivateServer

DATABASE = "rare"
SCHEMA = (
    HISTORY,
    "CREATE TABLE users (id INT PRIMARY KEY, email VARCHAR(50))",
    "CREATE VIEW v AS SELECT id FROM users",
    "CREATE PROCEDURE nothing() SELECT 1",
    "CREATE TABLE parts (id INT PRIMARY KEY) PARTITION BY RANGE (id)"
    " (PARTITION p0 VALUES LESS THAN (10), PARTITION p1 VALUES LESS THAN MAXVALUE)",
)


@pytest.fixture
def made(server: PrivateServer) -> Iterator[PrivateServer]:
    make_database(server.root, DATABASE, SCHEMA)
    yield server
    with Session(server.root) as session:
        session.execute(f"DROP DATABASE IF EXISTS {DATABASE}")


def judged(server: PrivateServer, place: Path, sql: str, mode: Mode = Mode.DRY_RUN) -> MigrationCheck:
    return checked(server.root, DATABASE, written(place / "m", {"0001_it": sql}), mode)


def told(check: MigrationCheck) -> list[tuple[str, Severity]]:
    return [(each.code, each.severity) for each in check.findings if each.code not in {"HS10", "TX01", "RN06"}]


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("DROP VIEW v", [("DS07", Severity.WARNING)]),
        ("ALTER TABLE parts DROP PARTITION p0", [("DS08", Severity.ERROR)]),
        ("CALL nothing()", [("RN05", Severity.UNKNOWN)]),
        ("CREATE TABLE elsewhere.t (id INT PRIMARY KEY)", [("CN06", Severity.UNKNOWN)]),
        (f"CREATE DATABASE {DATABASE}", [("RN01", Severity.ERROR)]),
        ("CREATE TABLE twice (id INT PRIMARY KEY, a INT, KEY one (a), KEY two (a))", [("NM06", Severity.WARNING)]),
        ("CREATE TABLE once (id INT PRIMARY KEY, a INT, b INT, KEY one (a), KEY two (b, a))", []),
    ],
)
def test_each_is_told_and_nothing_else(
    made: PrivateServer, tmp_path: Path, sql: str, expected: list[tuple[str, Severity]]
) -> None:
    assert told(judged(made, tmp_path, sql)) == expected


def test_what_takes_long_and_does_not_say_how_it_is_to_be_done_is_told_to_say_it(
    made: PrivateServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock_checks, "_LONG_SECONDS", 0.0)
    check = judged(made, tmp_path, "ALTER TABLE users ADD INDEX users_email (email)")
    assert told(check) == [("LK04", Severity.INFO)]
    [demand] = [each.remedy for each in check.findings if each.code == "LK04"]
    assert told(judged(made, tmp_path, f"ALTER TABLE users ADD INDEX u (email), {demand.removeprefix('add ')}")) == []


def test_a_table_that_was_changed_instantly_nearly_as_often_as_it_can_be_is_named(
    mysql: PrivateServer, tmp_path: Path
) -> None:
    make_database(mysql.root, DATABASE, (HISTORY, "CREATE TABLE users (id INT PRIMARY KEY)"))
    sql = "ALTER TABLE users ADD COLUMN n INT"
    assert told(judged(mysql, tmp_path, sql)) == []
    with Session(mysql.root) as session:
        for number in range(102):
            session.execute(f"ALTER TABLE {DATABASE}.users ADD COLUMN c{number} INT, ALGORITHM=INSTANT")
            session.execute(f"ALTER TABLE {DATABASE}.users DROP COLUMN c{number}, ALGORITHM=INSTANT")
        assert told(judged(mysql, tmp_path, sql)) == [("LK07", Severity.WARNING)]
        session.execute(f"DROP DATABASE {DATABASE}")


@pytest.mark.parametrize("flavour", Flavour)
def test_what_a_binary_log_forbids_is_found(flavour: Flavour, tmp_path: Path) -> None:
    place = written(
        tmp_path / "m",
        {
            "0001_f": "CREATE FUNCTION f() RETURNS INT DETERMINISTIC RETURN 1",
            "0002_u": "ALTER TABLE t ADD c CHAR(36) DEFAULT (uuid())",
            "0003_g": "CREATE FUNCTION g() RETURNS INT RETURN 1",
        },
    )
    with scratch_server(flavour, options=with_binary_log(flavour, 1)) as server, Session(server.endpoint) as session:
        make_database(server.endpoint, DATABASE, (HISTORY, "CREATE TABLE t (id INT PRIMARY KEY)"))
        session.execute("SET GLOBAL log_bin_trust_function_creators = OFF")
        found = checked(server.endpoint, DATABASE, place).findings
        assert [each.migration for each in found if each.code == "CN02"] == ["0001_f.sql"]
        refused = [each.migration for each in found if each.code == "RN02"]
        assert refused == (
            ["0003_g.sql"] if flavour is Flavour.MARIADB else ["0002_u.sql", "0003_g.sql"]
        )  # MariaDB logs such a change by rows
        session.execute("SET GLOBAL log_bin_trust_function_creators = ON")
        found = checked(server.endpoint, DATABASE, place).findings
        assert "CN02" not in {each.code for each in found}
        assert "0003_g.sql" not in {each.migration for each in found if each.severity is Severity.ERROR}


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE FUNCTION f() RETURNS INT DETERMINISTIC RETURN 1",
        "CREATE DEFINER = CURRENT_USER FUNCTION f() RETURNS INT NO SQL RETURN 1",
        "CREATE TRIGGER t_i BEFORE INSERT ON users FOR EACH ROW SET NEW.email = 'x'",
        "CREATE DEFINER=`root`@`localhost` TRIGGER t_i BEFORE INSERT ON users FOR EACH ROW SET NEW.email = 'x'",
    ],
)
def test_programs_need_super_only_where_there_is_a_binary_log(made: PrivateServer, tmp_path: Path, sql: str) -> None:
    with Session(made.root) as session:
        before = session.value("SELECT @@GLOBAL.log_bin_trust_function_creators")
        session.execute("SET GLOBAL log_bin_trust_function_creators = OFF")
        try:
            assert "CN02" in {each.code for each in judged(made, tmp_path, sql).findings}
        finally:
            session.execute(f"SET GLOBAL log_bin_trust_function_creators = {before}")
    with scratch_server(made.flavour) as unlogged:
        make_database(unlogged.endpoint, DATABASE, SCHEMA)
        found = checked(unlogged.endpoint, DATABASE, written(tmp_path / "m", {"0001_it": sql}))
        assert "CN02" not in {each.code for each in found.findings}


def test_a_server_that_is_too_old_is_not_judged(
    made: PrivateServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(facts, "OLDEST", dict.fromkeys(Flavour, (99, 0, 0)))
    with pytest.raises(UnsupportedServerError, match="older than what this version checks"):
        judged(made, tmp_path, "DROP VIEW v")


def test_a_copy_of_another_version_than_productions_proves_nothing(
    made: PrivateServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def older(session: Session) -> ServerFacts:
        found = read_facts(session)
        return replace(found, version=(10, 6, 5) if found.is_mariadb else (8, 0, 30))

    monkeypatch.setattr(production, "read_facts", older)
    check = judged(made, tmp_path, "CREATE TABLE n (id INT PRIMARY KEY)")
    assert ("CN03", Severity.UNKNOWN) in told(check)
    assert check.outcome is Outcome.NOT_VERIFIED
