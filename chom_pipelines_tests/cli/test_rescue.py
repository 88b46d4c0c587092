"""Rows that were lost or changed come back by SQL that a person runs, and nothing else is touched."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from chom_pipelines.cli.main import main
from chom_pipelines.cli.restore_options import PASSWORD as RESTORE_PASSWORD
from chom_pipelines.server.connection import Session
from chom_pipelines.server.identifiers import quote
from chom_pipelines_tests.cli.setting import Setting

BOSS = "chom_test_boss"
TABLE = """
CREATE TABLE {}.`odd ``name` (
  `the key` INT, part VARCHAR(20) CHARACTER SET utf8mb4, note TEXT, price DECIMAL(8, 2), raw BLOB, f FLOAT,
  made DATETIME(6) DEFAULT CURRENT_TIMESTAMP(6), doc JSON, twice INT AS (`the key` * 2) STORED,
  PRIMARY KEY (part, `the key`)
) CHARACTER SET utf8mb4
"""


@pytest.fixture
def boss(on_both: Setting, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with on_both.server.connect() as root:
        root.execute(f"CREATE USER {BOSS}@'%' IDENTIFIED BY 'boss password'")
        root.execute(f"GRANT ALL ON *.* TO {BOSS}@'%' WITH GRANT OPTION")
        monkeypatch.setenv(RESTORE_PASSWORD, "boss password")
        yield BOSS
        root.execute(f"DROP USER {BOSS}@'%'")
        root.execute("DROP DATABASE IF EXISTS chom_rescued")


def place(session: Session, setting: Setting) -> str:
    """Where the server stands now."""
    file, position, *_ = session.rows(setting.server.facts.binlog_status_statement)[0]
    return f"{file}:{position}"


def rows(session: Session, database: str, table: str) -> list[tuple[object, ...]]:
    return sorted(session.rows(f"SELECT * FROM {database}.{quote(table)}"), key=repr)


def run(session: Session, file: Path) -> None:
    """As a person does, who looked at it, with its COMMIT."""
    lines = file.read_text().replace("-- COMMIT;", "COMMIT;").splitlines()
    for statement in "\n".join(line for line in lines if not line.startswith("-- ")).split(";\n"):
        if statement.strip(" ;\n"):
            session.execute(statement)


def test_what_was_lost_or_changed_comes_back_and_what_came_later_stays(
    on_both: Setting, boss: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name, odd, file = on_both.database, "odd `name", tmp_path / "rescue.sql"
    table = f"{name}.{quote(odd)}"
    with on_both.server.connect() as session:
        session.execute(TABLE.format(name))
        assert on_both.chom("backup", "--verification", "none") == 0
        for number in range(20):
            session.execute(
                f"INSERT INTO {table} (`the key`, part, note, price, raw, f, doc) VALUES "
                f"({number}, 'a', 'Zoë {number}', {number}.25, X'00FF{number:02x}', 1.1, '{{\"a\": {number}}}')"
            )
        session.execute(f"INSERT INTO {table} (`the key`, part) VALUES (99, 'only nulls')")
        before, then = rows(session, name, odd), place(session, on_both)
        session.execute(f"DELETE FROM {table} WHERE `the key` < 5 OR part = 'only nulls'")
        session.execute(f"UPDATE {table} SET note = UPPER(note) WHERE `the key` = 7")  # equal to its collation
        session.execute(f"UPDATE {table} SET raw = NULL, price = 1 WHERE `the key` = 8")
        session.execute(f"UPDATE {table} SET doc = '{{}}' WHERE `the key` = 9")
        session.execute(f"INSERT INTO {table} (`the key`, part, note) VALUES (0, 'later', 'stays')")
        assert on_both.chom("backup", "--type", "incremental") == 0
        capsys.readouterr()
        arguments = ["--table", f"{name}.{odd}", "--into", "chom_rescued", "--before", then, "--user", boss]
        now = rows(session, name, odd)
        assert on_both.chom("rescue", *arguments, "--output", str(file)) == 0
        told = capsys.readouterr().out
        assert f"missing from {name}.{odd} now: 6 rows\n" in told
        assert "with other values now: 3 rows\n" in told
        assert "came later, and left alone: 1 row\n" in told
        assert rows(session, name, odd) == now
        assert rows(session, "chom_rescued", odd) == before
        assert file.stat().st_mode & 0o777 == 0o600
    with on_both.server.connect() as session:
        run(session, file)
        assert [row for row in rows(session, name, odd) if row[1] != "later"] == before
        assert len(rows(session, name, odd)) == len(before) + 1


def test_nothing_is_lost_is_said(
    on_both: Setting, boss: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name, file = on_both.database, tmp_path / "rescue.sql"
    assert on_both.chom("backup", "--verification", "none") == 0
    with on_both.server.connect() as session:
        session.execute(f"INSERT INTO {name}.users VALUES (1000, 'x')")
        then = place(session, on_both)
    assert on_both.chom("backup", "--type", "incremental") == 0
    capsys.readouterr()
    arguments = ["--table", f"{name}.users", "--into", "chom_rescued", "--before", then, "--user", boss]
    code, body = on_both.document(capsys, "rescue", *arguments, "--output", str(file))
    assert code == 0
    assert (body["missing"], body["changed"], body["added"]) == (0, 0, 0)
    assert "INSERT" not in file.read_text()
    assert "UPDATE" not in file.read_text()


KEYED = "CREATE TABLE {}.keyed (k VARCHAR(20), e ENUM('a', 'b'), note VARCHAR(50), PRIMARY KEY (k)) "
THEN = "CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"


GENERAL = "utf8mb4 COLLATE utf8mb4_general_ci"
ONE = (
    "the key column k of {0}.keyed is of the collation utf8mb4_general_ci, and in the copy chom_rescued.keyed it is of "
    "utf8mb4_bin: keys that the copy tells apart are one to the live table"
)


@pytest.mark.parametrize(
    ("keys", "sets", "told"),
    [
        (("x", "y"), (THEN, GENERAL), ""),
        (("x", "é"), ("CHARACTER SET latin1", "utf8mb4 COLLATE utf8mb4_unicode_ci"), ""),
        (("x", "é"), (THEN, "latin1"), "not every key can be converted"),
        (("x", "X"), (THEN, GENERAL), ONE),
    ],
    ids=["another collation", "a wider character set", "a narrower character set", "keys that become one"],
)
def test_rows_come_back_into_a_table_of_another_collation_or_it_is_refused_by_name(
    on_both: Setting,
    boss: str,
    capsys: pytest.CaptureFixture[str],
    *,
    keys: tuple[str, str],
    sets: tuple[str, str],
    told: str,
) -> None:
    name, file = on_both.database, on_both.folder / "rescue.sql"
    with on_both.server.connect() as session:
        session.execute(KEYED.format(name) + sets[0])
        session.execute(f"INSERT INTO {name}.keyed VALUES ('{keys[0]}', 'a', 'Zoë'), ('{keys[1]}', 'b', 'same')")
        assert on_both.chom("backup", "--verification", "none") == 0
        session.execute(f"INSERT INTO {name}.keyed VALUES ('z', 'b', 'changes')")
        before, at = rows(session, name, "keyed"), place(session, on_both)
        session.execute(f"DELETE FROM {name}.keyed WHERE k = '{keys[0]}'")
        session.execute(f"ALTER TABLE {name}.keyed CONVERT TO CHARACTER SET {sets[1]}")
        session.execute(f"UPDATE {name}.keyed SET note = 'changed' WHERE k = 'z'")
        assert on_both.chom("backup", "--type", "incremental") == 0
    capsys.readouterr()
    arguments = ["--table", f"{name}.keyed", "--into", "chom_rescued", "--before", at, "--user", boss]
    assert on_both.chom("rescue", *arguments, "--output", str(file)) == (1 if told else 0)
    said = capsys.readouterr()
    if told:
        assert told.format(name) in said.err
        assert not file.exists()
        return
    assert "now: 1 row\n  with other values now: 1 row\n" in said.out
    with on_both.server.connect() as session:
        run(session, file)
        assert rows(session, name, "keyed") == before


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("ALTER TABLE {}.users DROP PRIMARY KEY", "has no primary key"),
        (
            (
                "CREATE TABLE {0}.pairs (a INT, b INT, PRIMARY KEY (a, b)) SELECT 1 AS a, id AS b FROM {0}.users;"
                "RENAME TABLE {0}.users TO {0}.others, {0}.pairs TO {0}.users|"
                "DELETE FROM {0}.users WHERE b = 2; ALTER TABLE {0}.users DROP PRIMARY KEY, ADD PRIMARY KEY (a)"
            ),
            "is (a), and in the copy it is (a, b): several of its rows are one to the live table",
        ),
    ],
)
def test_a_table_that_cannot_be_compared_is_said_to_be(
    on_mariadb: Setting,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    *,
    statement: str,
    told: str,
) -> None:
    name, file = on_mariadb.database, on_mariadb.folder / "rescue.sql"
    assert on_mariadb.chom("backup", "--verification", "none") == 0
    with on_mariadb.server.connect() as session:
        session.execute(f"CREATE USER {BOSS}@'%' IDENTIFIED BY 'boss password'")
        session.execute(f"GRANT ALL ON *.* TO {BOSS}@'%' WITH GRANT OPTION")
        monkeypatch.setenv(RESTORE_PASSWORD, "boss password")
        try:
            before, _, after = statement.format(name).rpartition("|")
            for each in filter(None, before.split(";")):
                session.execute(each)
            then = place(session, on_mariadb)
            for each in after.split(";"):
                session.execute(each)
            assert on_mariadb.chom("backup", "--type", "incremental") == 0
            arguments = ["--table", f"{name}.users", "--into", "chom_rescued", "--before", then, "--user", BOSS]
            assert on_mariadb.chom("rescue", *arguments, "--output", str(file)) == 1
            assert told in capsys.readouterr().err
            assert not file.exists()
            assert bool(session.rows("SHOW DATABASES LIKE 'chom_rescued'")) is (statement.startswith("CREATE TABLE"))
        finally:
            session.execute(f"DROP USER {BOSS}@'%'")
            session.execute("DROP DATABASE IF EXISTS chom_rescued")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--table", "users", "--at", "2026-01-02 03:04:05Z"], "names no database"),
        (["--table", "a.b"], "as of when"),
        (["--table", "a.b", "--at", "2026-01-02 03:04:05Z", "--output", "/etc/passwd"], "is there already"),
    ],
)
def test_what_is_not_said_is_asked_for(
    on_mariadb: Setting, capsys: pytest.CaptureFixture[str], arguments: list[str], told: str
) -> None:
    assert on_mariadb.chom("rescue", *arguments) == 2
    assert told in capsys.readouterr().err


class RecoveringError(Exception):
    """What no test gets to that must not recover anything."""


def test_what_keeps_a_rescue_from_ending_well_is_found_before_anything_is_recovered(
    on_both: Setting, boss: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def recovered(*_: object) -> None:
        raise RecoveringError

    monkeypatch.setattr("chom_pipelines.binlogs.recovery.point_in_time.recovered_backup", recovered)
    name, file = on_both.database, on_both.folder / "rescue.sql"
    assert on_both.chom("backup", "--verification", "none") == 0
    with on_both.server.connect() as session:
        session.execute(f"DELETE FROM {name}.users")
        session.execute(f"CREATE TABLE {name}.made_later (id INT PRIMARY KEY)")
        before = place(session, on_both)
        session.execute("CREATE DATABASE chom_rescued")
        session.execute("CREATE TABLE chom_rescued.orders (id INT PRIMARY KEY)")
    assert on_both.chom("backup", "--type", "incremental") == 0
    usual = {"--table": f"{name}.users", "--into": "chom_rescued", "--before": before, "--user": boss}
    for changed, told in (
        ({"--output": str(on_both.folder / "nowhere" / "rescue.sql")}, "No such file or directory"),
        ({"--user": "nobody_such"}, "nobody_such"),
        ({"--table": f"{name}.userz"}, f"there is no {name}.userz on"),
        ({"--table": f"{name}.orders"}, "name another database for the copy with --into"),
    ):
        options = {**usual, "--output": str(file), **changed}
        capsys.readouterr()
        assert on_both.chom("rescue", *(word for pair in options.items() for word in pair)) == 1
        assert told in capsys.readouterr().err
        assert not file.exists()
    options = {**usual, "--output": str(file)}
    del options["--user"]
    assert on_both.chom("rescue", *(word for pair in options.items() for word in pair)) == 1
    assert "name with --user an account that may" in capsys.readouterr().err
    with pytest.raises(RecoveringError):
        main(
            [
                "rescue",
                "--config",
                str(on_both.config),
                *(w for pair in usual.items() for w in pair),
                "--output",
                str(file),
            ]
        )
    assert not file.exists()
