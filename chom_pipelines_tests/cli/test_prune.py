"""`chom prune` and `chom backups pin`, as a person runs them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import yaml

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
    assert f"would be deleted: {older[0].id} (32 B): older than 30 days" in said
    assert f"stays: {older[1].id} (32 B): the window of 7 days begins with it" in said
    assert "1 backup (32 B) would be deleted; 2 backups" in said
    assert _listed(on_mariadb) == [*(each.id for each in older), newest]
    assert on_mariadb.chom("prune") == 0
    assert f"deleted: {older[0].id}" in capsys.readouterr().out
    assert _listed(on_mariadb) == [older[1].id, newest]
    code, body = on_mariadb.document(capsys, "prune")
    assert code == 0
    (server,) = body["servers"]
    assert (body["dry_run"], server["nothing_because"], server["deleted_bytes"]) == (False, None, 0)
    assert [(each["id"], each["stays"]) for each in server["decisions"]] == [(older[1].id, True), (newest, True)]


def test_where_the_newest_full_backup_is_overdue_nothing_goes_and_the_command_fails(
    on_mariadb: Setting, older: list[BackupEntry], capsys: pytest.CaptureFixture[str]
) -> None:
    days = datetime.now(UTC) - timedelta(days=2)
    late = back_up(on_mariadb.repository.stream("chom"), on_mariadb.keyring, days)
    late.add_proof(a_proof("chom", late.id, days), KEY)
    assert on_mariadb.chom("prune") == 1
    said = capsys.readouterr().out
    assert f"nothing is deleted: the newest full backup, {late.id}, is 2 d 00 h old (backup_age_hours is 24)" in said
    assert "`chom backup --server chom` takes a full backup; 1 backup (32 B) due, and deleted once there is" in said
    assert f"stays: {older[0].id} (32 B): due, as it is older than 30 days" in said
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
    _, body = on_mariadb.document(capsys, "backups")
    assert [each["pinned"] for each in body["backups"]] == ["the audit of 2026", None, None]
    code, body = on_mariadb.document(capsys, "backups", "unpin", older[0].id)
    assert (code, body["pinned"]) == (0, None)
    assert on_mariadb.chom("prune") == 0
    assert older[0].id not in _listed(on_mariadb)


@pytest.mark.parametrize("reason", ["", "  ", "x\n  deleted: everything"])
def test_a_pin_has_a_reason_in_one_line(on_mariadb: Setting, older: list[BackupEntry], reason: str) -> None:
    assert on_mariadb.chom("backups", "pin", older[0].id, "--reason", reason) == 2
    assert pinned(older[0]) is None


def test_one_server_s_error_keeps_no_other_from_being_pruned_and_all_is_told(
    on_mariadb: Setting, older: list[BackupEntry], capsys: pytest.CaptureFixture[str]
) -> None:
    assert on_mariadb.chom("backup") == 0
    body = yaml.safe_load(on_mariadb.config.read_text())
    (one,) = body["servers"]
    body["servers"] = [{**one, "name": "broken"}, one]
    on_mariadb.config.write_text(yaml.safe_dump(body))
    (on_mariadb.folder / "repository" / "broken").mkdir()
    (on_mariadb.folder / "repository" / "broken" / "backups").write_bytes(b"")
    code, found = on_mariadb.document(capsys, "prune")
    broken, pruned = found["servers"]
    assert code == 1
    assert "broken/backups" in broken["error"]["message"]
    assert (pruned["error"], pruned["deleted_bytes"]) == (None, 32)
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
