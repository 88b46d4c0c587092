"""`chom offsite`, and what reads the second copy, as a person runs them; the repository itself may be gone."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from chom_pipelines.repository.entry import BackupEntry
from chom_pipelines.repository.layout import MANIFEST
from chom_pipelines.repository.repository import Repository
from chom_pipelines.repository.store import StoreAddress
from chom_pipelines.repository.stores import open_store
from chom_pipelines.server.connection import Session
from chom_pipelines.server.scratch import scratch_server
from chom_pipelines_tests.cli.accidents import counts, emptying
from chom_pipelines_tests.cli.setting import ROWS, Setting
from chom_pipelines_tests.places import path_of
from chom_pipelines_tests.repository.streaming import back_up
from chom_pipelines_tests.stores import ObjectStorage


@pytest.fixture
def address(s3: ObjectStorage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StoreAddress:
    """Of a second copy that is not there yet."""
    monkeypatch.setattr("chom_pipelines.repository.machine_locks.cache_directory", lambda: tmp_path / "cache")
    return s3.fresh_address()


@pytest.fixture
def second(address: StoreAddress) -> Repository:
    return Repository(open_store(address))


def with_second_copy(setting: Setting, address: StoreAddress, **keys: object) -> Setting:
    setting.write(offsite={**address.to_json(), **keys})
    return setting


def test_the_latest_second_comes_back_when_the_repository_is_gone(
    on_both: Setting, address: StoreAddress, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shop = with_second_copy(on_both, address)
    assert shop.chom("backup", "--verification", "none") == 0
    shop.archive(*emptying(shop.database))
    with shop.server.connect() as session:
        session.execute(f"INSERT INTO {shop.database}.users VALUES (200, 'after the accident')")
    assert shop.chom("backup", "--type", "incremental") == 0
    code, body = shop.document(capsys, "offsite push")
    (pushed,) = body["servers"]
    assert (code, pushed["complete"], pushed["copied"]) == (0, True, [])  # each command has copied what it made
    shutil.rmtree(path_of(shop.repository))
    assert shop.chom("restore", "--at", "latest", "--into-directory", str(tmp_path / "back")) == 1
    assert "--offsite reads the second copy" in capsys.readouterr().err
    assert shop.chom("windows", "--offsite") == 0
    assert address.url in shop.document(capsys, "backups", "--offsite")[1]["repository"]
    assert shop.chom("restore", "--offsite", "--at", "latest", "--into-directory", str(tmp_path / "back")) == 0
    assert not path_of(shop.repository).exists()
    with (
        scratch_server(shop.server.flavour, data_directory=tmp_path / "back") as restored,
        Session(restored.endpoint) as there,
        shop.server.connect() as here,
    ):
        assert counts(there, shop.database) == counts(here, shop.database) == (0, 8)
        users = f"SELECT id, name FROM {shop.database}.users ORDER BY id"
        assert there.rows(users) == here.rows(users)


def test_the_repository_is_brought_back(
    on_mariadb: Setting, address: StoreAddress, second: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    shop = with_second_copy(on_mariadb, address)
    assert shop.chom("backup", "--verification", "none") == 0
    shop.archive(*emptying(shop.database))
    before = [each for each in shop.repository.store.below("chom") if "proofs" not in each.name]
    shutil.rmtree(path_of(shop.repository))
    assert shop.chom("offsite pull", "--all") == 0
    assert "copied" in capsys.readouterr().out
    assert [each for each in shop.repository.store.below("chom") if "proofs" not in each.name] == before
    assert shop.chom("verify", "--all") == 0
    assert shop.chom("offsite pull", "latest") == 0
    assert "nothing is missing; 1 was here already" in capsys.readouterr().out
    assert second.find("chom", "latest").id == shop.latest.id


def test_each_copy_is_proved_by_itself(
    on_mariadb: Setting, address: StoreAddress, second: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    shop = with_second_copy(on_mariadb, address)
    assert shop.chom("backup") == 0
    there = second.find("chom", "latest")
    name = there.manifest(shop.keyring).objects[0].path
    there.folder.replace(name, bytes([there.folder.read(name)[0] ^ 1]) + there.folder.read(name)[1:])
    capsys.readouterr()
    assert shop.chom("offsite verify") == 1
    assert name in capsys.readouterr().out
    assert shop.chom("backups", "--offsite") == 1
    assert shop.chom("verify") == 0
    capsys.readouterr()
    assert shop.chom("backups") == 0
    assert "damaged in the second copy" in capsys.readouterr().out
    assert shop.chom("offsite verify", "--level", "full") == 1
    assert shop.chom("offsite push") == 0  # which compares names and sizes
    assert shop.chom("offsite push", "latest") == 0
    assert "1 backup copied" in capsys.readouterr().out
    assert shop.chom("offsite verify", "--level", "full") == 0
    assert shop.chom("backups") == 0
    assert "also in the second copy" in capsys.readouterr().out


def test_a_copy_that_was_changed_together_with_its_hashes_is_refused(
    on_mariadb: Setting, address: StoreAddress, second: Repository, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    shop = with_second_copy(on_mariadb, address)
    assert shop.chom("backup") == 0
    there = second.find("chom", "latest")
    forge(there, shop)
    target = tmp_path / "back"
    assert shop.chom("offsite verify") == 1
    assert shop.chom("restore", "--offsite", "--into-directory", str(target)) == 1
    assert "not what was written" in capsys.readouterr().err
    assert not target.exists()


def forge(entry: BackupEntry, shop: Setting) -> None:
    """As who has the bucket and not the key: another object, under the hash of that."""
    stored = entry.manifest(shop.keyring).objects[0]
    data = entry.folder.read(stored.path)[:-1] + b"x"
    text = entry.folder.read(MANIFEST).decode().replace(stored.sha256, hashlib.sha256(data).hexdigest())
    entry.folder.replace(stored.path, data)
    entry.folder.replace(MANIFEST, text.encode())
    assert json.loads(text)


def test_a_second_copy_that_cannot_be_reached_makes_the_backup_no_worse_and_the_command_fail(
    on_mariadb: Setting, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    on_mariadb.write(offsite={"url": "s3://nowhere/chom", "endpoint_url": "http://127.0.0.1:1", "region": "x"})
    assert on_mariadb.chom("backup") == 1
    assert "passed" in capsys.readouterr().out
    assert "not in the second copy: s3://nowhere/chom" in caplog.text
    assert on_mariadb.chom("backup", "--no-upload") == 0
    assert on_mariadb.chom("offsite push") == 1
    assert "s3://nowhere/chom" in capsys.readouterr().out


def test_a_month_is_archived_by_a_restore_and_restored_from_the_archive(
    on_mariadb: Setting,
    address: StoreAddress,
    second: Repository,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shop = with_second_copy(on_mariadb, address)
    assert shop.chom("backup", "--no-upload", "--verification", "none") == 0
    month = f"{datetime.now(UTC):%Y-%m}"
    assert shop.chom("offsite archive", month) == 1
    assert f"{month} is not over" in capsys.readouterr().err
    monkeypatch.setattr("chom_pipelines.cli.offsite.refuse_running", lambda *_: None)
    code, body = shop.document(capsys, "offsite archive", month)
    assert (code, body["servers"]) == (0, [{"server": "chom", "backup": shop.latest.id, "already": False}])
    assert second.months("chom") == [month]
    assert second.backups("chom") == []
    assert shop.document(capsys, "verify")[1]["proofs"][0]["id"] == shop.latest.id
    shutil.rmtree(path_of(shop.repository))
    assert shop.chom("backups", "--archive", month) == 0
    assert shop.chom("backups", "--archive", "2019-12") == 1
    assert f"no backup of 2019-12 is in the archive; archived are: {month}" in capsys.readouterr().err
    assert shop.chom("backups", "--offsite") == 1  # nobody has pushed anything
    assert f"archived months of chom: {month}" in capsys.readouterr().out
    assert shop.chom("offsite verify", "--archive", month, "--level", "full") == 0
    target = shop.folder / "archived"
    assert shop.chom("restore", "--archive", month, "--into-directory", str(target)) == 0
    assert shop.chom("restore", "--archive", "2019-13", "--into-directory", str(target)) == 2
    assert "'2019-13' is no month" in capsys.readouterr().err
    assert shop.chom("offsite archive", "2019-12") == 1
    assert "no full backup of chom of 2019-12 can be archived" in capsys.readouterr().out


def test_what_would_be_copied_is_told_and_not_copied(
    on_mariadb: Setting, address: StoreAddress, second: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    shop = with_second_copy(on_mariadb, address)
    assert shop.chom("backup", "--no-upload", "--verification", "none") == 0
    code, body = shop.document(capsys, "offsite push", "--dry-run")
    (server,) = body["servers"]
    assert (code, [each["name"] for each in server["lacking"]]) == (0, [f"backups/{shop.latest.id}"])
    assert second.backups("chom") == []
    code, body = shop.document(capsys, "offsite push", "latest", "--dry-run")
    assert [each["name"] for each in body["servers"][0]["lacking"]] == [f"backups/{shop.latest.id}"]
    assert shop.chom("offsite push", "nosuch", "--dry-run") == 1
    assert shop.chom("offsite push", "latest") == 0
    said = capsys.readouterr().out
    assert f"copied: {shop.latest.id}" in said
    assert "; 0 were there already" in said
    assert shop.chom("offsite push", "latest") == 0
    assert "nothing is missing; 1 was there already" in capsys.readouterr().out
    assert shop.chom("offsite push", "--dry-run") == 0
    assert "nothing is missing" in capsys.readouterr().out


def test_without_a_second_copy_what_needs_one_says_so(on_mariadb: Setting, capsys: pytest.CaptureFixture[str]) -> None:
    for command in (
        *(["offsite push"], ["offsite pull", "--all"], ["offsite verify"], ["offsite archive"]),
        *(
            ["backups", "--offsite"],
            ["prune", "--offsite"],
            ["restore", "--archive", "2026-01", "--into-directory", "/nowhere"],
        ),
    ):
        assert on_mariadb.chom(*command) == 2
        assert "no second copy is configured" in capsys.readouterr().err


def test_what_is_pinned_here_stays_there_and_what_is_there_alone_can_be_pinned(
    on_mariadb: Setting, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shop, elsewhere = on_mariadb, tmp_path / "elsewhere"
    shop.write(offsite={"url": elsewhere.as_uri()})
    shop.repository.create()
    stream, now = shop.repository.stream("chom"), datetime.now(UTC)
    old = [back_up(stream, shop.keyring, now - timedelta(days=days)) for days in (90, 80, 70)]
    assert shop.chom("backup") == 0
    assert shop.chom("offsite push") == 0
    assert shop.chom("offsite verify") == 0
    stream.remove(old[1])
    assert shop.chom("backups pin", old[0].id, "--reason", "legal hold") == 0
    assert shop.chom("backups pin", old[1].id, "--offsite", "--reason", "it is there alone") == 0
    capsys.readouterr()
    assert shop.chom("prune", "--offsite") == 0
    said = capsys.readouterr().out
    assert f"stays: {old[0].id} (32 B): pinned: legal hold" in said
    assert f"stays: {old[1].id} (32 B): pinned: it is there alone" in said
    shutil.rmtree(path_of(shop.repository))
    assert shop.chom("prune", "--offsite") == 1
    assert "there is no repository at" in capsys.readouterr().out


def test_it_is_not_guessed_what_is_to_be_brought_back(
    on_mariadb: Setting, address: StoreAddress, capsys: pytest.CaptureFixture[str]
) -> None:
    shop = with_second_copy(on_mariadb, address)
    assert shop.chom("offsite pull") == 2
    assert "name a backup, or give --all" in capsys.readouterr().err


def test_a_second_copy_without_anything_of_the_server_brings_nothing_back_and_says_so(
    on_mariadb: Setting, address: StoreAddress, capsys: pytest.CaptureFixture[str]
) -> None:
    shop = with_second_copy(on_mariadb, address)
    assert shop.chom("offsite pull", "--all") == 1
    assert f"there is nothing of chom at {address.url}" in capsys.readouterr().out
    assert shop.chom("restore", "--offsite", "--into-directory", str(shop.folder / "back")) == 1
    assert "correct repository.offsite.url" in capsys.readouterr().err


def test_the_second_copy_may_be_a_directory(on_mariadb: Setting, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    on_mariadb.write(offsite={"url": elsewhere.as_uri()})
    assert on_mariadb.chom("backup") == 0
    assert (elsewhere / "chom" / "backups" / on_mariadb.latest.id / MANIFEST).is_file()
    assert on_mariadb.chom("offsite verify", "--level", "full") == 0


def test_whoever_could_delete_the_second_copy_is_a_finding(
    on_mariadb: Setting, s3: ObjectStorage, address: StoreAddress, capsys: pytest.CaptureFixture[str]
) -> None:
    shop = with_second_copy(on_mariadb, address)
    bucket = address.url.split("/")[2]
    assert "keeps nothing of what is deleted" in _offsite_findings(shop, capsys)
    s3.client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    assert "keeps old versions, and locks none" in _offsite_findings(shop, capsys)
    locked = s3.locked_address(days=30)
    assert "locks what is put there for 30 days" in _offsite_findings(with_second_copy(shop, locked), capsys)
    short = s3.locked_address(days=29)
    assert "for 29 days, and full backups stay for 30" in _offsite_findings(with_second_copy(shop, short), capsys)
    weak = s3.locked_address(days=30, mode="GOVERNANCE")
    assert "locks objects, and not for everyone" in _offsite_findings(with_second_copy(shop, weak), capsys)
    missing = replace(address, url="s3://not-there/chom")
    assert "no bucket or container for s3://not-there/chom" in _offsite_findings(
        with_second_copy(shop, missing), capsys
    )
    assert shop.chom("backup", "--no-upload", "--verification", "none") == 0
    capsys.readouterr()
    assert shop.chom("offsite push") == 1
    assert "deploy/s3, deploy/google and deploy/azure say how" in capsys.readouterr().out
    assert "not-there" not in {each["Name"] for each in s3.client.list_buckets()["Buckets"]}
    credentials = shop.folder / "s3.ini"
    credentials.write_text("[default]\naws_access_key_id = a\naws_secret_access_key = b\n")
    credentials.chmod(0o644)
    assert "may be read or written by others" in _offsite_findings(
        with_second_copy(shop, address, credentials=str(credentials)), capsys
    )


def _offsite_findings(shop: Setting, capsys: pytest.CaptureFixture[str]) -> str:
    _, body = shop.document(capsys, "check")
    return "\n".join(each["message"] for each in body["findings"] if each["subject"] == "offsite")


def test_rows_of_the_backup_are_restored_from_there_into_a_server(
    on_mariadb: Setting, address: StoreAddress, capsys: pytest.CaptureFixture[str]
) -> None:
    shop = with_second_copy(on_mariadb, address)
    assert shop.chom("backup", "--verification", "none") == 0
    shutil.rmtree(path_of(shop.repository))
    target = shop.folder / "rows"
    assert shop.chom("restore", "--offsite", "--into-directory", str(target)) == 0
    with scratch_server(shop.server.flavour, data_directory=target) as found, Session(found.endpoint) as session:
        assert counts(session, shop.database) == (ROWS, 2)
    capsys.readouterr()
