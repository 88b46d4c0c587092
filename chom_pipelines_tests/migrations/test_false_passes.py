"""What an attacker of the check, or an unlucky author, would write so that nothing is said: each is an error or unknown."""

from __future__ import annotations

from pathlib import Path

import pytest

from chom_pipelines.migrations.findings import Severity
from chom_pipelines.outcome import Outcome
from chom_pipelines.server.connection import Session
from chom_pipelines_tests.migrations.checked import HISTORY, checked, make_database, written
from chom_pipelines_tests.servers import PrivateServer

DATABASE = "trapped"
SCHEMA = (
    HISTORY,
    "CREATE TABLE parents (id INT PRIMARY KEY)",
    "CREATE TABLE users (id INT PRIMARY KEY, email VARCHAR(50), a INT, price DECIMAL(10, 2), note TEXT)",
    "INSERT INTO users VALUES (1, 'a', 1, 1234.5, 'x'), (2, 'b', 2, 2, 'y')",
    (
        "CREATE TABLE parts (id INT PRIMARY KEY) PARTITION BY RANGE (id)"
        " (PARTITION p0 VALUES LESS THAN (10), PARTITION p1 VALUES LESS THAN MAXVALUE)"
    ),
    "INSERT INTO parts VALUES (1), (11)",
    "CREATE VIEW v AS SELECT id FROM users",
    "CREATE PROCEDURE wipe() DELETE FROM users",
)
LOST = {
    "backfill_and_drop": "UPDATE users SET a = 1 WHERE id = 1;\nALTER TABLE users DROP COLUMN a;",
    "delete_and_unique": "DELETE FROM users WHERE id = 3;\nALTER TABLE users ADD UNIQUE (email);",
    "swap_columns": "ALTER TABLE users DROP COLUMN email, ADD COLUMN z DATE",
    "drop_partition": "ALTER TABLE parts DROP PARTITION p0",
    "truncate_partition": "ALTER TABLE parts TRUNCATE PARTITION p0",
    "delete_of_several": "DELETE users FROM users",
    "versioned_comment": "/*!50000 DELETE FROM users */",
    "procedure": "CALL wipe()",
    "swap_tables": "CREATE TABLE n LIKE users;\nRENAME TABLE users TO old, n TO users;",
    "to_date": "ALTER TABLE users MODIFY note DATE",
    "fewer_digits": "ALTER TABLE users MODIFY price DECIMAL(4, 2)",
    "to_json": "ALTER TABLE users MODIFY note JSON",
    "other_charset": "ALTER TABLE users CONVERT TO CHARACTER SET latin1",
    "prepared": "SET @s = 'DROP TABLE users';\nPREPARE s FROM @s;\nEXECUTE s;",
    "unlogged": "SET SESSION sql_log_off = 1;\nDROP TABLE users;",
    "emptied": "TRUNCATE users",
}
OF_MARIADB = {
    "set_statement": "SET STATEMENT lock_wait_timeout = 10 FOR DROP TABLE users",
    "compound": "DELIMITER $$\nBEGIN NOT ATOMIC DROP TABLE users; END$$",
    "or_replace": "CREATE OR REPLACE TABLE users (id INT PRIMARY KEY, email VARCHAR(50), a INT, price DECIMAL(10, 2), note TEXT)",
}


def judged(server: PrivateServer, tmp_path: Path, text: str) -> list[tuple[str, Severity]]:
    make_database(server.root, DATABASE, SCHEMA)
    try:
        found = checked(server.root, DATABASE, written(tmp_path / "m", {"0001_it": text}))
        assert found.outcome is not Outcome.PASSED, [each.what for each in found.findings]
        with Session(server.root) as session:
            assert session.rows(f"SELECT COUNT(*), SUM(a) FROM {DATABASE}.users") == [(2, 3)]
        return [(each.code, each.severity) for each in found.findings]
    finally:
        with Session(server.root) as session:
            session.execute(f"DROP DATABASE {DATABASE}")


@pytest.mark.parametrize("name", LOST)
def test_what_loses_rows_or_fails_in_production_never_passes(server: PrivateServer, tmp_path: Path, name: str) -> None:
    judged(server, tmp_path, LOST[name])


@pytest.mark.parametrize("name", OF_MARIADB)
def test_nor_does_what_mariadb_alone_understands(mariadb: PrivateServer, tmp_path: Path, name: str) -> None:
    judged(mariadb, tmp_path, OF_MARIADB[name])


def test_a_table_that_is_dropped_is_asked_for_rows_whatever_statistics_say(
    server: PrivateServer, tmp_path: Path
) -> None:
    assert ("DS02", Severity.ERROR) in judged(server, tmp_path, "DROP VIEW v;\nDROP TABLE users;")


def test_a_command_of_the_client_in_a_file_is_not_run(server: PrivateServer, tmp_path: Path) -> None:
    make_database(server.root, DATABASE, SCHEMA)
    flag = tmp_path / "flag"
    checked(server.root, DATABASE, written(tmp_path / "m", {"0001_it": f"\\! touch {flag}\nSELECT 1;"}))
    assert not flag.exists()
    with Session(server.root) as session:
        session.execute(f"DROP DATABASE {DATABASE}")


def test_a_broken_view_is_left_out_and_said(server: PrivateServer, tmp_path: Path) -> None:
    make_database(
        server.root, DATABASE, (*SCHEMA, "CREATE VIEW broken AS SELECT id FROM parents", "DROP TABLE parents")
    )
    found = checked(server.root, DATABASE, written(tmp_path / "m", {"0001_it": "ALTER TABLE users ADD COLUMN z INT"}))
    assert [each.severity for each in found.findings if each.code == "CN05"] == [Severity.WARNING]
    assert found.outcome is Outcome.PASSED
    with Session(server.root) as session:
        session.execute(f"DROP DATABASE {DATABASE}")


def test_a_transaction_that_one_file_leaves_open_holds_up_no_other(server: PrivateServer, tmp_path: Path) -> None:
    make_database(server.root, DATABASE, SCHEMA)
    files = {
        "0001_open": "BEGIN;\nINSERT INTO users (id) VALUES (9);",
        "0002_alter": "ALTER TABLE users ADD COLUMN z INT",
    }
    found = checked(server.root, DATABASE, written(tmp_path / "m", files))
    assert [each.step.failure for each in found.plan] == ["", ""]
    with Session(server.root) as session:
        session.execute(f"DROP DATABASE {DATABASE}")


def test_a_parent_that_is_filled_before_is_not_taken_as_it_is(server: PrivateServer, tmp_path: Path) -> None:
    text = (
        "INSERT INTO parents SELECT DISTINCT a FROM users;\n"
        "ALTER TABLE users ADD CONSTRAINT users_parent FOREIGN KEY (a) REFERENCES parents (id);"
    )
    assert ("FK04", Severity.UNKNOWN) in judged(server, tmp_path, text)


@pytest.mark.parametrize("text", ["ALTER/**/TABLE users MODIFY a BIGINT", "ALTER TABLE `t{x}` MODIFY a INT NOT NULL"])
def test_odd_spelling_ends_in_no_traceback(server: PrivateServer, tmp_path: Path, text: str) -> None:
    make_database(
        server.root,
        DATABASE,
        (*SCHEMA, "CREATE TABLE `t{x}` (id INT PRIMARY KEY, a INT)", "INSERT INTO `t{x}` VALUES (1, NULL)"),
    )
    assert checked(server.root, DATABASE, written(tmp_path / "m", {"0001_it": text})).plan
    with Session(server.root) as session:
        session.execute(f"DROP DATABASE {DATABASE}")


SECRETS = {
    "0001_account": "CREATE USER x@y IDENTIFIED BY 'hidden';\n" * 2,
    "0002_double": 'CREATE USER z@y IDENTIFIED BY "hidden" NONSENSE',
    "0003_misspelt": "ALTER USER z@y IDENTFED BY 'hidden'",
    "0004_server": "CREATE SERVER s FOREIGN DATA WRAPPER nothing OPTIONS (HOST 'h', PASSWORD 'hidden') NONSENSE",
    "0005_value": "INSERT INTO users (password) VALUES ('hidden')",
    "0006_number": "INSERT INTO users (secret) VALUES ('hidden')",
}


def test_passwords_are_not_shown(server: PrivateServer, tmp_path: Path) -> None:
    make_database(server.root, DATABASE, (*SCHEMA, "ALTER TABLE users ADD COLUMN secret INT"))
    found = checked(server.root, DATABASE, written(tmp_path / "m", SECRETS))
    assert {each.migration[:-4] for each in found.findings if each.severity is Severity.ERROR} == set(SECRETS)
    assert "hidden" not in repr([(each.step.statement.shown, each.step.statement.short()) for each in found.plan])
    assert "***" in repr(found.findings)
    assert "hidden" not in repr(found.findings)
    assert "loose" not in repr(found.findings)
    with Session(server.root) as session:
        session.execute(f"DROP DATABASE {DATABASE}")
