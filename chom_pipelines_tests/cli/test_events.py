"""`chom events`: what it finds, what it prints for it, and what it says that it has not searched."""

from __future__ import annotations

import json
import re
import shlex
import time

import pytest

from chom_pipelines_tests.cli.accidents import BOSS
from chom_pipelines_tests.cli.setting import Setting
from chom_pipelines_tests.places import path_of


def test_of_a_database_that_is_not_backed_up_no_command_is_printed(
    on_both: Setting, capsys: pytest.CaptureFixture[str]
) -> None:
    other = on_both.server.fresh_database()
    assert on_both.chom("backup", "--verification", "none") == 0
    on_both.archive(f"CREATE TABLE {other}.leads (id INT PRIMARY KEY)", f"DROP TABLE {other}.leads")
    capsys.readouterr()
    search = ("events", "--table", f"{other}.leads", "--kind", "drop")
    assert on_both.chom(*search) == 0
    told = capsys.readouterr().out
    assert f"nothing of it can be restored: {other} is not backed up" in told
    assert "chom restore" not in told
    _, body = on_both.document(capsys, *search)
    assert [each["restorable"] for each in body["events"]] == [False]


def test_what_was_before_the_oldest_full_backup_is_found_and_said_not_to_come_back(
    on_both: Setting, capsys: pytest.CaptureFixture[str]
) -> None:
    name = on_both.database
    with on_both.server.connect() as session:
        session.execute(f"CREATE TABLE {name}.first (id INT PRIMARY KEY)")
        session.execute(f"DROP TABLE {name}.first")
    assert on_both.chom("backup", "--verification", "none") == 0
    on_both.archive(f"CREATE TABLE {name}.second (id INT PRIMARY KEY)", f"DROP TABLE {name}.second")
    for table, restorable in (("first", False), ("second", True)):
        capsys.readouterr()
        assert on_both.chom("events", "--table", f"{name}.{table}", "--kind", "drop") == 0
        told = capsys.readouterr().out
        assert ("chom restore --before" in told) is restorable
        assert ("what was before it cannot be restored: no full backup" in told) is not restorable
        _, body = on_both.document(capsys, "events", "--table", f"{name}.{table}", "--kind", "drop")
        assert {each["restorable"] for each in body["events"]} == {restorable}


@pytest.mark.usefixtures("boss")
@pytest.mark.parametrize(
    "statements",
    [
        ["CREATE TABLE {}.made (id INT PRIMARY KEY)"],
        ["CREATE PROCEDURE {}.doing() SELECT 1"],
        ["DROP DATABASE {}", "CREATE DATABASE {}"],
    ],
    ids=lambda statements: statements[-1].format("db"),
)
def test_the_command_that_is_printed_can_be_run(
    emptied_anew: Setting, capsys: pytest.CaptureFixture[str], statements: list[str]
) -> None:
    emptied_anew.archive(*(statement.format(emptied_anew.database) for statement in statements))
    capsys.readouterr()
    assert emptied_anew.chom("events", "--kind", "ddl") == 0
    commands = re.findall(r"chom restore (.*)", capsys.readouterr().out)
    arguments = shlex.split(commands[-len(statements)].replace("DIR", str(emptied_anew.folder / "restored")))
    arguments = [BOSS if each == "root" else each for each in arguments]
    assert emptied_anew.chom("restore", *arguments, "--dry-run") == 0


def test_nothing_found_is_said_and_is_exit_code_1(emptied: Setting, capsys: pytest.CaptureFixture[str]) -> None:
    assert emptied.chom("events", "--table", "nobody.knows") == 1
    assert "nothing of the table 'nobody.knows' is found" in capsys.readouterr().out
    assert emptied.chom("events", "--table", "users") == 1
    assert "a table is written with its database, as shop.users" in capsys.readouterr().out
    assert emptied.chom("events", "--kind", "explosion") == 2
    assert emptied.chom("events", "--from", "2026-01-02 03:04:05Z", "--to", "2026-01-01 03:04:05Z") == 2
    assert "is before --from" in capsys.readouterr().err


def test_a_printed_command_names_the_server_that_was_named(
    emptied: Setting, capsys: pytest.CaptureFixture[str]
) -> None:
    assert emptied.chom("events", "--kind", "delete", "--server", "chom") == 0
    assert f"--user root --server chom --config {emptied.config}\n" in capsys.readouterr().out


def test_names_and_texts_of_others_cannot_control_the_terminal(
    on_both: Setting, capsys: pytest.CaptureFixture[str]
) -> None:
    name, table = on_both.database, "evil\x1b[2Jtable"
    assert on_both.chom("backup", "--verification", "none") == 0
    on_both.archive(
        f"CREATE TABLE {name}.`{table}` (id INT PRIMARY KEY)",
        f"DROP TABLE {name}.`{table}` /* \x1b]0;title\x07 \u202e */",
        f"CREATE TABLE {name}.`a b; c` (id INT PRIMARY KEY)",
        f"DROP TABLE {name}.`a b; c`",
    )
    capsys.readouterr()
    assert on_both.chom("events", "--table", name, "--kind", "drop") == 0
    told = capsys.readouterr().out
    assert set(told) & {"\x1b", "\x07", "\u202e"} == set()
    assert "evil\\x1b[2Jtable" in told
    assert shlex.quote(f"{name}.a b; c") in told
    assert on_both.chom("events", "--table", name, "--kind", "drop", "--json") == 0
    printed = capsys.readouterr().out
    assert "\x1b" not in printed
    tables = [each["statements"][0]["tables"] for each in json.loads(printed)["events"]]
    assert [[name, table]] in tables


def test_what_was_not_searched_is_named(emptied_anew: Setting, capsys: pytest.CaptureFixture[str]) -> None:
    emptied_anew.chom("events", "--kind", "delete", "--to", "2126-01-02 03:04:05Z")
    assert "not searched: what came after " in capsys.readouterr().out
    emptied_anew.chom("events", "--kind", "delete", "--to", "2020-01-02 03:04:05Z")
    assert "not searched" not in capsys.readouterr().out
    with emptied_anew.server.connect() as session:
        for _ in range(2):
            session.execute("FLUSH BINARY LOGS")
        lost, last = [row[0] for row in session.rows("SHOW BINARY LOGS")][-2:]
        while lost in [row[0] for row in session.rows("SHOW BINARY LOGS")]:
            session.execute(f"PURGE BINARY LOGS TO '{last}'")
            time.sleep(0.05)  # MariaDB keeps a file that a checkpoint still needs
    emptied_anew.chom("backup", "--type", "incremental")
    _, body = emptied_anew.document(capsys, "events", "--kind", "delete")
    assert any(lost in each for each in body["not_searched"])
    history = next(iter(emptied_anew.repository.histories("chom")))
    spoiled = emptied_anew.repository.binlogs("chom", history).entries()[0]
    (path_of(spoiled) / "manifest.json").write_text("{}")
    _, body = emptied_anew.document(capsys, "events", "--kind", "delete")
    assert any(each.startswith(f"{history}/{spoiled.id}: ") for each in body["not_searched"])


def test_an_empty_archive_is_not_searched(on_mariadb: Setting, capsys: pytest.CaptureFixture[str]) -> None:
    on_mariadb.repository.create()
    assert on_mariadb.chom("events") == 1
    assert "not searched: anything: no binary log is archived" in capsys.readouterr().out
