"""`chom prune` and `chom backups pin`, as a person runs them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from chom_pipelines.repository.entry import BackupEntry
from chom_pipelines.repository.pins import pinned
from chom_pipelines_tests.cli.setting import Setting
from chom_pipelines_tests.repository.samples import KEY, a_proof
from chom_pipelines_tests.repository.streaming import back_up


@pytest.fixture
def older(on_mariadb: Setting) -> list[BackupEntry]:
    """Full backups of 50 and of 40 days ago; the second is where the window of seven days begins."""
    on_mariadb.repository.create()
    stream, now = on_mariadb.repository.stream("chom"), datetime.now(UTC)
    return [back_up(stream, on_mariadb.keyring, now - timedelta(days=days)) for days in (50, 40)]


def _listed(setting: Setting) -> list[str]:
    return [each.id for each in setting.repository.backups("chom")]


def test_a_dry_run_tells_what_would_go_and_why_and_the_run_deletes_just_that(
    on_mariadb: Setting, older: list[BackupEntry], capsys: pytest.CaptureFixture[str]
) -> None:
    assert on_mariadb.chom("backup") == 0
    newest = on_mariadb.latest.id
    capsys.readouterr()
    assert on_mariadb.chom("prune", "--dry-run") == 0
    said = capsys.readouterr().out
    assert f"would go: {older[0].id} (32 B): 50 days old, older than 30" in said
    assert f"stays: {older[1].id} (32 B): the window of 7 days begins with it" in said
    assert "32 B in 1 item would be free" in said
    assert _listed(on_mariadb) == [*(each.id for each in older), newest]
    assert on_mariadb.chom("prune") == 0
    assert f"gone: {older[0].id}" in capsys.readouterr().out
    assert _listed(on_mariadb) == [older[1].id, newest]
    code, body = on_mariadb.document(capsys, "prune")
    assert code == 0
    (server,) = body["servers"]
    assert (body["dry_run"], server["nothing_because"], server["freed_bytes"]) == (False, None, 0)
    assert [(each["id"], each["stays"]) for each in server["decisions"]] == [(older[1].id, True), (newest, True)]


def test_where_the_newest_full_backup_is_overdue_nothing_goes_and_the_command_fails(
    on_mariadb: Setting, older: list[BackupEntry], capsys: pytest.CaptureFixture[str]
) -> None:
    days = datetime.now(UTC) - timedelta(days=2)
    late = back_up(on_mariadb.repository.stream("chom"), on_mariadb.keyring, days)
    late.add_proof(a_proof("chom", late.id, days), KEY)
    assert on_mariadb.chom("prune") == 1
    assert "is older than 24 hours" in capsys.readouterr().out
    assert older[0].id in _listed(on_mariadb)


def test_the_environment_counts_more_than_the_file(
    on_mariadb: Setting,
    older: list[BackupEntry],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert on_mariadb.chom("backup") == 0
    monkeypatch.setenv("RETAIN_FULL_DAYS", "60")
    capsys.readouterr()
    assert on_mariadb.chom("prune") == 0
    assert "not older than 60 days" in capsys.readouterr().out
    assert older[0].id in _listed(on_mariadb)


def test_a_pinned_backup_stays_until_somebody_unpins_it(
    on_mariadb: Setting, older: list[BackupEntry], capsys: pytest.CaptureFixture[str]
) -> None:
    assert on_mariadb.chom("backup") == 0
    assert on_mariadb.chom("backups", "pin", older[0].id, "--reason", "the audit of 2026") == 0
    assert pinned(older[0]) == "the audit of 2026"
    capsys.readouterr()
    assert on_mariadb.chom("prune") == 0
    assert f"stays: {older[0].id} (32 B): pinned: the audit of 2026" in capsys.readouterr().out
    on_mariadb.chom("backups")
    assert "    pinned: the audit of 2026" in capsys.readouterr().out
    code, body = on_mariadb.document(capsys, "backups", "unpin", older[0].id)
    assert (code, body["pinned"]) == (0, None)
    assert on_mariadb.chom("prune") == 0
    assert older[0].id not in _listed(on_mariadb)


def test_a_pin_that_cannot_be_read_is_one(
    on_mariadb: Setting, older: list[BackupEntry], capsys: pytest.CaptureFixture[str]
) -> None:
    assert on_mariadb.chom("backup") == 0
    older[0].folder.write("pinned.json", b"{")
    assert on_mariadb.chom("prune") == 0
    assert "pinned.json cannot be read" in capsys.readouterr().out
    assert older[0].id in _listed(on_mariadb)


def test_what_is_not_there_cannot_be_pinned(on_mariadb: Setting, older: list[BackupEntry]) -> None:
    assert older
    assert on_mariadb.chom("backups", "pin", "full_20200101_000000", "--reason", "x") == 1
    assert on_mariadb.chom("backups", "pin", older[0].id) == 2
