from __future__ import annotations

from pathlib import Path

import pytest

from chom_pipelines.binlogs.archive.archiving import LogArchive, archive
from chom_pipelines.inventory.loading import load_inventory
from chom_pipelines.progress import unreported
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.master_keys import KeyKind
from chom_pipelines.server.identifiers import quote
from chom_pipelines_tests.cli.setting import PASSWORD, ROWS, Setting, setting
from chom_pipelines_tests.places import path_of
from chom_pipelines_tests.servers import PrivateServer


@pytest.fixture
def taken(on_mariadb: Setting, capsys: pytest.CaptureFixture[str]) -> Setting:
    assert on_mariadb.chom("backup", "--verification", "none") == 0
    capsys.readouterr()
    return on_mariadb


def test_the_latest_backup_is_proved_and_the_proof_is_kept(taken: Setting, capsys: pytest.CaptureFixture[str]) -> None:
    assert taken.chom("verify") == 0
    assert capsys.readouterr().out.startswith(f"{taken.latest.id}: passed (basic): ")
    assert len(taken.latest.proofs(taken.keyring)) == 1


def test_a_full_verification_restores_and_compares(on_both: Setting, capsys: pytest.CaptureFixture[str]) -> None:
    on_both.chom("backup", "--verification", "none")
    code, body = on_both.document(capsys, "verify", "latest", "--level", "full")
    assert (code, body["outcome"]) == (0, "passed")
    (proof,) = body["proofs"]
    compared = {each["subject"]: each["count"] for each in proof["comparisons"] if each["means"] == "restored"}
    assert (proof["level"], compared["tables"], compared["rows"]) == ("full", 2, ROWS + 2)
    assert proof["scratch"] == on_both.server.facts.label


def test_all_are_proved_and_a_damaged_one_does_not_stop_the_others(
    taken: Setting,
    capsys: pytest.CaptureFixture[str],
) -> None:
    first = taken.latest
    taken.flip_a_byte(taken.data_object())
    taken.chom("backup", "--verification", "none")
    capsys.readouterr()
    assert taken.chom("verify", "--all") == 1
    out = capsys.readouterr().out
    assert f"{first.id}: FAILED (basic)" in out
    assert f"{taken.latest.id}: passed (basic)" in out


def test_a_flipped_byte_is_named(taken: Setting, capsys: pytest.CaptureFixture[str]) -> None:
    damaged = taken.data_object()
    taken.flip_a_byte(damaged)
    assert taken.chom("verify", taken.latest.id) == 1
    assert f"  {damaged}: " in capsys.readouterr().out


def test_a_damaged_manifest_fails(taken: Setting, capsys: pytest.CaptureFixture[str]) -> None:
    taken.flip_a_byte(path_of(taken.latest) / "manifest.json")
    code, body = taken.document(capsys, "verify")
    assert (code, body["outcome"]) == (1, "failed")


def test_without_the_key_nothing_is_known(taken: Setting, capsys: pytest.CaptureFixture[str]) -> None:
    Keyring().generate("another", KeyKind.AES_256).save(taken.folder / "keys.json")
    code, body = taken.document(capsys, "verify")
    assert (code, body["outcome"]) == (3, "not_verified")
    assert "'first'" in body["proofs"][0]["reason"]


def test_what_is_not_there_cannot_pass(taken: Setting, capsys: pytest.CaptureFixture[str]) -> None:
    assert taken.chom("verify", "full_20200101_000000") == 1
    assert "no backup 'full_20200101_000000'" in capsys.readouterr().err
    path_of(taken.latest).rename(taken.folder / "elsewhere")
    assert taken.chom("verify") == 1
    assert taken.chom("verify", "--all") == 1


def test_one_and_all_is_refused(taken: Setting, capsys: pytest.CaptureFixture[str]) -> None:
    assert taken.chom("verify", "latest", "--all") == 2
    assert "--all" in capsys.readouterr().err


def test_what_any_restore_loses_is_named_wherever_the_backup_is(
    tmp_path: Path, mysql: PrivateServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(PASSWORD, mysql.backup.password)
    on_mysql = setting(tmp_path, mysql)
    with mysql.connect() as session:
        session.execute(f"CREATE TABLE {quote(on_mysql.database)}.bills (id INT PRIMARY KEY, doc JSON)")
        session.execute(f"INSERT INTO {quote(on_mysql.database)}.bills VALUES (1, JSON_OBJECT('total', 12.50))")
    loss = f"{on_mysql.database}.bills.doc (digits of numbers, as 12.50 becomes 12.5; rows: 1)"
    assert on_mysql.chom("backup", "--verification", "none") == 0
    assert loss in "".join(capsys.readouterr())
    for level in ("basic", "full"):
        assert on_mysql.chom("verify", "--level", level) == 0
        assert f"  lost in JSON by any restore: {loss}" in capsys.readouterr().out
    assert on_mysql.chom("backups") == 0
    assert f"    lost in JSON by any restore: {loss}" in capsys.readouterr().out
    _, body = on_mysql.document(capsys, "backups")
    (backup,) = body["backups"]
    assert backup["losses"] == [
        {"database": on_mysql.database, "table": "bills", "column": "doc", "lost": "digits", "rows": 1}
    ]
    assert [proof["losses"] for proof in backup["proofs"]] == [[loss], [loss]]


def test_a_plain_backup_of_earlier_days_is_believed_only_by_name(
    on_mariadb: Setting, capsys: pytest.CaptureFixture[str]
) -> None:
    on_mariadb.write(backup={"encrypt": False})
    assert on_mariadb.chom("backup") == 0
    on_mariadb.write()
    plain = on_mariadb.latest.id
    capsys.readouterr()
    assert on_mariadb.chom("verify") == 1
    assert f"{plain}: FAILED (basic): {on_mariadb.latest.where} is not encrypted" in capsys.readouterr().out
    assert on_mariadb.chom("restore", plain, "--as-database", "copy", "--dry-run", "--user", "root") == 1
    assert "--allow-unencrypted" in capsys.readouterr().err
    for unnamed in ([], ["latest"], ["--all"]):
        assert on_mariadb.chom("verify", *unnamed, "--allow-unencrypted") == 2
    assert on_mariadb.chom("restore", "--as-database", "copy", "--dry-run", "--allow-unencrypted") == 2
    assert on_mariadb.chom("verify", plain, "--allow-unencrypted") == 0
    directory = str(on_mariadb.folder / "restored")
    arguments = (plain, "--into-directory", directory, "--dry-run", "--allow-unencrypted")
    assert on_mariadb.chom("restore", *arguments) == 0
    assert on_mariadb.chom("verify") == 1
    on_mariadb.write(backup={"encrypt": False})
    assert on_mariadb.chom("verify") == 0


def archived(there: Setting) -> None:
    """Archive the binary log."""
    server = load_inventory(there.config).server("chom")
    archive(LogArchive(server, server.backup, there.repository, there.keyring), unreported, close=True)


def test_binary_logs_are_proved_once_and_again_when_asked(on_both: Setting, capsys: pytest.CaptureFixture[str]) -> None:
    assert on_both.chom("backup", "--verification", "none") == 0
    assert on_both.chom("verify", "--binlogs") == 1
    assert "no archived binary log" in capsys.readouterr().err
    archived(on_both)
    code, body = on_both.document(capsys, "verify", "--binlogs")
    assert (code, body["outcome"], body["proofs"]) == (0, "passed", [])
    segments = body["binlogs"]["segments"]
    assert {(each["outcome"], each["history"]) for each in segments} == {
        ("passed", str(on_both.server.facts.server_id))
    }
    assert on_both.chom("verify", "--all") == 0
    out = capsys.readouterr().out
    assert f"{on_both.latest.id}: passed (basic)" in out
    assert f"  proved before: {len(segments)}, the oldest of them just now" in out
    _, body = on_both.document(capsys, "verify", "--binlogs", "--again")
    assert len(body["binlogs"]["segments"]) == len(segments)
    assert on_both.chom("verify") == 0
    assert "binary logs" not in capsys.readouterr().out


def test_a_damaged_segment_is_named_and_breaks_the_chain(
    on_mariadb: Setting, capsys: pytest.CaptureFixture[str]
) -> None:
    on_mariadb.chom("backup", "--verification", "none")
    for _ in range(3):
        archived(on_mariadb)
    (history,) = on_mariadb.repository.histories("chom")
    entry = on_mariadb.repository.binlogs("chom", history).entries()[-2]
    damaged = next(path_of(entry).glob("mysql-bin.*"))
    on_mariadb.flip_a_byte(damaged)
    assert on_mariadb.chom("verify", "--binlogs") == 1
    out = capsys.readouterr().out
    assert f"{history}/{entry.id}: FAILED (basic): {damaged}: " in out
    assert f"{damaged.name.partition('.zst')[0]} is missing; {entry.id} is there and cannot be used" in out
    assert out.count("SHA-256") == 1
    assert on_mariadb.chom("windows") == 1
    assert f"cannot be used: {history}/{entry.id}: {damaged}: " in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [("latest", "--binlogs"), ("--again",), ("--binlogs", "--level", "full")])
def test_what_contradicts_itself_is_refused(taken: Setting, arguments: tuple[str, ...]) -> None:
    assert taken.chom("verify", *arguments) == 2
