from __future__ import annotations

import re
import shutil
from datetime import UTC, datetime, timedelta

import pytest

from chom_pipelines.benchmarks.publishing import publish
from chom_pipelines.benchmarks.report import Place
from chom_pipelines.cli.backup_output import age, position
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.manifest import Coordinates, Position
from chom_pipelines.repository.master_keys import KeyKind
from chom_pipelines.server.machine import cpu_and_cores
from chom_pipelines_tests.benchmarks.made import TEXT, report, rung
from chom_pipelines_tests.cli.setting import Setting
from chom_pipelines_tests.places import path_of


@pytest.fixture
def taken(on_mariadb: Setting, capsys: pytest.CaptureFixture[str]) -> Setting:
    assert on_mariadb.chom("backup") == 0
    capsys.readouterr()
    return on_mariadb


def test_backups_are_listed_with_what_they_are_and_how_they_were_proved(
    on_both: Setting,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert on_both.chom("backup") == 0
    on_both.write(backup={"encrypt": False})
    assert on_both.chom("backup", "--verification", "none") == 0
    on_both.write()
    capsys.readouterr()
    assert on_both.chom("backups") == 1
    name, _, first, proved, second, disbelieved, why, remedy, untold = capsys.readouterr().out.splitlines()
    assert name == "chom"
    assert first.split()[1:4] == ["logical", "just", "now"]
    assert "basic passed just now; mysql-bin." in proved
    assert second.startswith(on_both.latest.id)
    assert disbelieved.strip() == "not encrypted, and not believed"
    assert f"{on_both.latest.where} is not encrypted" in why
    assert "--allow-unencrypted" in remedy
    assert "not known" in untold
    code, body = on_both.document(capsys, "backups")
    assert (code, [backup["outcome"] for backup in body["backups"]]) == (1, ["passed", "failed"])
    on_both.write(backup={"encrypt": False})
    code, body = on_both.document(capsys, "backups")
    assert (code, [backup["outcome"] for backup in body["backups"]]) == (3, ["passed", "not_verified"])
    assert on_both.chom("backups") == 3
    assert "never proved; mysql-bin." in capsys.readouterr().out


def test_the_document_has_everything_of_every_backup(taken: Setting, capsys: pytest.CaptureFixture[str]) -> None:
    assert taken.chom("verify", "--level", "full") == 0
    code, body = taken.document(capsys, "backups")
    (backup,) = body["backups"]
    assert code == 0
    assert (body["repository"], backup["location"]) == (taken.repository.where, taken.latest.where)
    assert [proof["level"] for proof in backup["proofs"]] == ["basic", "full"]
    assert (backup["outcome"], backup["disbelieved_proofs"]) == ("passed", [])


def test_how_long_a_restore_takes_is_told_by_its_verification_and_before_that_by_a_benchmark_of_this_machine(
    taken: Setting, capsys: pytest.CaptureFixture[str]
) -> None:
    assert taken.chom("backups") == 0
    assert "how long a restore takes here is not known" in capsys.readouterr().out
    cpu, cores = cpu_and_cores()
    rungs = (rung("RAM disk", 2.0, threads=1).model_copy(update={"place": Place.MEMORY}),)
    elsewhere = report({}, week=2, cpu="another processor").model_copy(update={"ladder": rungs})
    here = report({}, week=1, cpu=cpu)
    here = here.model_copy(update={"ladder": rungs, "host": here.host.model_copy(update={"cores": cores})})
    publish(taken.repository, elsewhere)
    _, body = taken.document(capsys, "backups")
    assert body["backups"][0]["predicted_restores"] == []
    publish(taken.repository, here)
    _, body = taken.document(capsys, "backups")
    text = sum(table.bytes for table in taken.latest.manifest(taken.keyring).logical.tables)
    assert body["backups"][0]["predicted_restores"] == [
        {
            "what": "into a private server in memory",
            "seconds": pytest.approx(2.0 * text / TEXT),
            "source": "the benchmark of 2026-01-09: 200 MB in 2.0 s",
        }
    ]
    assert taken.chom("verify", "--level", "full") == 0
    assert "which is more than 25 % off" in capsys.readouterr().out  # a server's start is no part of that rung
    taken.chom("backups")
    out = capsys.readouterr().out
    assert re.search(r"a restore takes about .* into a private server in memory, by its own verification of ", out)
    assert "times what was predicted, which is more than 25 % off" in out


def test_without_a_repository_nothing_is_said_to_be_empty(
    on_mariadb: Setting,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert on_mariadb.chom("backups") == 1
    assert "there is no repository at" in capsys.readouterr().err


def test_a_server_without_backups_is_overdue(taken: Setting, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(path_of(taken.latest))
    assert taken.chom("backups") == 1
    assert capsys.readouterr().out == "chom: no backups\nchom is overdue: this server was never backed up\n"
    code, body = taken.document(capsys, "backups")
    assert (code, body["overdue"]) == (1, {"chom": "this server was never backed up"})


def test_a_damaged_manifest_is_listed_with_its_problem(taken: Setting, capsys: pytest.CaptureFixture[str]) -> None:
    taken.chom("backup")
    damaged = taken.repository.backups("chom")[0]
    taken.flip_a_byte(path_of(damaged) / "manifest.json")
    capsys.readouterr()
    assert taken.chom("backups") == 1
    out = capsys.readouterr().out
    assert taken.latest.id in out
    assert f"{path_of(damaged)}: the manifest is" in out
    code, body = taken.document(capsys, "backups")
    assert (code, [backup["outcome"] for backup in body["backups"]]) == (1, ["failed", "passed"])
    assert body["backups"][0]["problem"]["kind"] == "DamagedError"


def test_an_edited_proof_is_not_believed(taken: Setting, capsys: pytest.CaptureFixture[str]) -> None:
    (record,) = taken.latest.proofs(taken.keyring)
    path_of(record).write_text(path_of(record).read_text().replace('"basic"', '"full"'))
    assert taken.chom("backups") == 1
    out = capsys.readouterr().out
    assert "never proved; not every proof is believed" in out
    assert str(path_of(record)) in out


def test_a_backup_that_failed_its_last_proof_is_not_green(taken: Setting, capsys: pytest.CaptureFixture[str]) -> None:
    taken.flip_a_byte(taken.data_object())
    assert taken.chom("verify") == 1
    capsys.readouterr()
    assert taken.chom("backups") == 1
    assert "basic FAILED just now" in capsys.readouterr().out


def test_without_its_key_a_backup_is_shown_and_not_verified(taken: Setting, capsys: pytest.CaptureFixture[str]) -> None:
    Keyring().generate("another", KeyKind.AES_256).save(taken.folder / "keys.json")
    assert taken.chom("backups") == 3
    out = capsys.readouterr().out
    assert "not verified: no key" in out
    assert "mysql-bin." in out
    code, body = taken.document(capsys, "backups")
    assert (code, body["backups"][0]["outcome"]) == (3, "not_verified")


def test_ages_are_for_people() -> None:
    now = datetime.now(UTC)
    ages = [age(now - timedelta(seconds=seconds)) for seconds in (-600, -1, 61, 7_300, 200_000)]
    assert ages == ["in the future", "just now", "1 min ago", "2 h ago", "2 d ago"]


def test_a_long_gtid_set_does_not_break_the_table() -> None:
    assert position(Coordinates(end=Position(file="b.1", position=4, gtid="0-1-2"))) == "b.1:4 0-1-2"
    assert (
        position(Coordinates(end=Position(file="b.1", position=4, gtid="6bb03ea7-c7a1-11f0-8f3e-0242ac120002:1-9")))
        == "b.1:4"
    )
    assert position(Coordinates()) == "no binary log"
