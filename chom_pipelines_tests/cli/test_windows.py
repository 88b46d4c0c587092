"""`chom windows`, and the archive that they are made of, as a person runs them."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest

from chom_pipelines_tests.cli.setting import Setting


def test_a_server_whose_log_is_not_to_be_archived_is_no_alarm(
    on_mariadb: Setting, capsys: pytest.CaptureFixture[str]
) -> None:
    on_mariadb.write(schedules={"binlogs": None})
    assert on_mariadb.chom("backup", "--verification", "none") == 0
    capsys.readouterr()
    assert on_mariadb.chom("windows") == 0
    assert "no binary log is archived, as chom.yaml says with schedules.binlogs" in capsys.readouterr().out


def test_windows_tell_what_is_at_stake(emptied: Setting, capsys: pytest.CaptureFixture[str]) -> None:
    assert emptied.chom("windows") == 0
    told = capsys.readouterr().out
    assert "at stake now" in told
    assert "passed: no gap" in told
    assert f"{datetime.now(UTC):%Y-%m-%d}" in told


def test_the_archive_alone_is_no_window(on_mariadb: Setting, capsys: pytest.CaptureFixture[str]) -> None:
    assert on_mariadb.chom("backup", "--type", "incremental") == 0
    assert on_mariadb.chom("windows") == 1
    said = capsys.readouterr().out
    assert re.search(
        r"leads nowhere: \S+/mysql-bin\.\d{6}( to mysql-bin\.\d{6})?, from .* there is no full backup", said
    )
    _, body = on_mariadb.document(capsys, "windows")
    unreachable = body["servers"][0]["unreachable"]
    assert unreachable
    assert all(each["from"] <= each["to"] for each in unreachable)


def test_an_archive_without_a_full_backup_is_said_to_lead_nowhere(
    on_mariadb: Setting, capsys: pytest.CaptureFixture[str]
) -> None:
    nowhere = "there is no full backup, so that nothing can be restored"
    assert on_mariadb.chom("backup", "--type", "incremental") == 0
    assert nowhere in capsys.readouterr().err
    _, body = on_mariadb.document(capsys, "backup", "--type", "binlog")
    assert sum(nowhere in warning for warning in body["archive"]["warnings"]) == 1
    assert on_mariadb.chom("backup", "--verification", "none") == 0
    capsys.readouterr()
    assert on_mariadb.chom("backup", "--type", "incremental") == 0
    assert nowhere not in capsys.readouterr().err


@pytest.mark.parametrize("option", [("--verification", "full"), ("--threads", "2")])
def test_what_is_of_full_backups_is_refused_of_archives(
    on_mariadb: Setting, capsys: pytest.CaptureFixture[str], option: tuple[str, str]
) -> None:
    for kind in ("incremental", "binlog"):
        assert on_mariadb.chom("backup", "--type", kind, *option) == 2
        assert f"{option[0]} is for full backups, and the type is {kind}" in capsys.readouterr().err
    assert on_mariadb.chom("backup", "--type", "binlog", "--method", "physical") == 2
    assert "--method is for full backups, and the type is binlog" in capsys.readouterr().err
    assert not (on_mariadb.folder / "repository").exists()


def test_what_is_closed_is_archived_without_closing_anything(
    on_mariadb: Setting, capsys: pytest.CaptureFixture[str]
) -> None:
    assert on_mariadb.chom("backup", "--type", "incremental") == 0
    code, body = on_mariadb.document(capsys, "backup", "--type", "binlog")
    assert code == 0
    assert body["archive"]["segments"] == []


@pytest.mark.parametrize("kind", ["full", "incremental"])
def test_what_would_not_be_believed_is_not_taken(
    on_mariadb: Setting, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    assert on_mariadb.chom("backup", "--type", kind, "--no-encrypt") == 2
    said = capsys.readouterr().err
    assert "nobody would believe" in said
    assert "set encrypt: false for the server" in said
    assert not (on_mariadb.folder / "repository").exists()
    on_mariadb.write(backup={"encrypt": False})
    assert on_mariadb.chom("backup", "--type", kind) == 0
