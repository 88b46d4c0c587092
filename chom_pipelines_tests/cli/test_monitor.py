"""`chom monitor`: every screen on both families, its document, its exit codes, and the end of a watch."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from typing import Any

import pytest

from chom_pipelines.monitoring.console.looking import Screen
from chom_pipelines_tests.cli.setting import PASSWORD, Setting
from chom_pipelines_tests.monitoring.pile_ups import people

Lines = list[str]


def shown(capsys: pytest.CaptureFixture[str], setting: Setting, *arguments: str) -> tuple[int, Lines]:
    capsys.readouterr()
    code = setting.chom("monitor", *arguments)
    return code, [line.rstrip() for line in capsys.readouterr().out.splitlines()]


@pytest.fixture(autouse=True)
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


@pytest.mark.parametrize("screen", [each.value for each in Screen])
def test_every_screen_fits_80_columns_and_has_its_header(
    screen: str, on_both: Setting, capsys: pytest.CaptureFixture[str]
) -> None:
    assert on_both.chom("backup") == 0
    code, lines = shown(capsys, on_both, "--type", screen)
    assert code in {0, 3}
    assert max(map(len, lines)) <= 80
    assert lines[0].startswith("chom  ")
    assert lines[1].startswith(f"{screen}  20")


@pytest.mark.parametrize("screen", [each.value for each in Screen])
def test_every_document_has_a_format_and_reasons_for_what_is_null(
    screen: str, on_both: Setting, capsys: pytest.CaptureFixture[str]
) -> None:
    code, body = on_both.document(capsys, "monitor", "--type", screen)
    assert (body["format"], body["command"], body["type"]) == (2, "monitor", screen)
    assert code == {"passed": 0, "failed": 1, "not_verified": 3}[body["outcome"]]
    assert unexplained(body) == []


def unexplained(body: Any) -> list[Any]:  # noqa: ANN401  (JSON)
    """Figures that are null, or are there, without saying so."""
    if isinstance(body, list):
        return [found for each in body for found in unexplained(each)]
    if not isinstance(body, dict):
        return []
    here = [body] if set(body) == {"value", "reason"} and (body["value"] is None) != bool(body["reason"]) else []
    return here + [found for each in body.values() for found in unexplained(each)]


def test_backups_tell_what_could_be_restored(on_both: Setting, capsys: pytest.CaptureFixture[str]) -> None:
    on_both.chom("backup")
    on_both.archive(f"INSERT INTO {on_both.database}.users VALUES (3, 'x')")
    code, body = on_both.document(capsys, "monitor", "--type", "backups")
    standing = body["backups"]["value"]
    assert code == 0
    assert [each["kind"] for each in standing["last"]] == ["full", "binlog"]
    assert standing["earliest"] <= standing["latest"]
    assert {name: verdict["outcome"] for name, verdict in standing["verdicts"].items()} == {
        "recent": "passed",
        "exposure": "passed",
        "unbroken_archive": "passed",
    }


def test_a_backup_that_is_overdue_fails_by_the_threshold(
    on_mariadb: Setting, capsys: pytest.CaptureFixture[str]
) -> None:
    on_mariadb.chom("keys list")
    (on_mariadb.folder / "repository").mkdir()
    code, lines = shown(capsys, on_mariadb, "--type", "backups")
    assert code == 1
    assert any(line.startswith("failed: ") for line in lines)


def test_tables_and_indexes_are_those_of_the_server(on_both: Setting, capsys: pytest.CaptureFixture[str]) -> None:
    with on_both.server.connect() as session:
        session.execute(f"ALTER TABLE {on_both.database}.users ADD KEY again (name), ADD KEY longer (name, id)")
    _, tables = on_both.document(capsys, "monitor", "--type", "tables")
    found = {each["table"]: each for each in tables["tables"]["value"]}
    assert set(found) == {"orders", "users"}
    assert found["orders"]["total"] > 0
    assert "table_growth" in tables["growth_reason"]
    _, indexes = on_both.document(capsys, "monitor", "--type", "indexes")
    superfluous = {each["name"]: (each["why"], each["by"]) for each in indexes["superfluous"]}
    assert superfluous["name"] == ("prefix", "longer") or superfluous["name"][0] == "duplicate"
    hidden = "IGNORED" if on_both.server.facts.is_mariadb else "INVISIBLE"
    assert all(each["review"][0].endswith(f"{hidden};") for each in indexes["superfluous"])
    with on_both.server.connect() as session:  # what is to be reviewed can be executed
        for each in indexes["superfluous"]:
            for statement in each["review"]:
                session.execute(statement)
        left = session.rows(f"SHOW INDEX FROM {on_both.database}.users")
    assert {row[2] for row in left} == {"PRIMARY", "longer"}


def test_who_waits_and_for_whom_is_in_the_document(on_mysql: Setting, capsys: pytest.CaptureFixture[str]) -> None:
    table = f"{on_mysql.database}.users"
    with people(on_mysql.server) as those:
        first = those.one(f"UPDATE {table} SET name = 'x' WHERE id = 1")
        second = those.one()
        those.waits(second, f"UPDATE {table} SET name = 'secret' WHERE id = 1")
        while not (body := on_mysql.document(capsys, "monitor", "--type", "locks")[1])["trees"]["value"]:
            pass
    [tree] = body["trees"]["value"]
    assert (tree["root"]["session"], [each["session"] for each in tree["root"]["holds_up"]]) == (first.id, [second.id])
    statements = {each["id"]: each["statement"] for each in body["sessions"]}
    assert statements == {first.id: None, second.id: f"UPDATE {table} SET name = ? WHERE id = ?"}


def test_a_document_is_of_one_look(on_mariadb: Setting) -> None:
    assert on_mariadb.chom("monitor", "--json", "--watch", "1") == 2


def test_an_unknown_screen_is_refused(on_mariadb: Setting) -> None:
    assert on_mariadb.chom("monitor", "--type", "weather") == 2


def test_a_server_that_does_not_answer_fails(on_mariadb: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PASSWORD, "wrong")
    assert on_mariadb.chom("monitor") == 1


@pytest.mark.parametrize("watch", [("--watch",), ("--watch", "0.2")])
def test_a_watch_goes_on_until_it_is_interrupted_and_that_is_no_failure(
    watch: tuple[str, ...], on_mariadb: Setting
) -> None:
    command = [sys.executable, "-m", "chom_pipelines.cli.main", "monitor", "--type", "locks", *watch]
    environment = {**os.environ, PASSWORD: on_mariadb.server.backup.password}
    with subprocess.Popen(
        [*command, "--config", str(on_mariadb.config)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        seen = ""
        while seen.count("Nobody waits for a lock.") < len(watch):
            ready, _, _ = select.select([process.stdout], [], [], 60)
            read = os.read(process.stdout.fileno(), 65536).decode() if ready else ""
            assert read, process.stderr.read()
            seen += read
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
        assert process.stderr.read() == ""
