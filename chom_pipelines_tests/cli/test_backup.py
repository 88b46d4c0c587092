from __future__ import annotations

import subprocess
from typing import Any

import pytest
import yaml

from chom_pipelines.errors import DiskFullError
from chom_pipelines.outcome import Outcome
from chom_pipelines.repository.codecs import Codec
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.master_keys import KeyKind
from chom_pipelines.repository.proof import Level
from chom_pipelines_tests.cli.setting import ROWS, Setting
from chom_pipelines_tests.places import path_of


def test_a_backup_is_taken_proved_and_described(on_both: Setting, capsys: pytest.CaptureFixture[str]) -> None:
    code, body = on_both.document(capsys, "backup")
    assert code == 0
    backup = body["backup"]
    assert (body["format"], body["command"], backup["outcome"]) == (2, "backup", "passed")
    assert (backup["id"], backup["rows"], backup["tables"]) == (on_both.latest.id, ROWS + 2, 2)
    assert (backup["databases"], backup["key"], backup["problem"]) == ([on_both.database], "first", None)
    assert backup["coordinates"]["end"]["file"].startswith("mysql-bin.")
    (proof,) = backup["proofs"]
    assert (proof["level"], proof["outcome"], proof["failures"]) == ("basic", "passed", [])
    assert [record.proof.level for record in on_both.latest.proofs(on_both.keyring) if record.proof] == [Level.BASIC]


def test_for_people_it_says_what_where_and_how_it_was_proved(
    on_both: Setting,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert on_both.chom("backup", "--verification", "full") == 0
    out = capsys.readouterr().out
    assert f"{on_both.latest.id} of chom was taken in" in out
    assert "  2 tables, 302 rows" in out
    assert str(path_of(on_both.latest)) in out
    assert f"passed (full): restored on {on_both.server.facts.label}, 2 tables and 302 rows equal" in out


def test_without_verification_it_does_not_say_verified(on_mariadb: Setting, capsys: pytest.CaptureFixture[str]) -> None:
    assert on_mariadb.chom("backup", "--verification", "none") == 0
    assert capsys.readouterr().out.endswith("not verified: no verification was asked for\n")
    code, body = on_mariadb.document(capsys, "backup", "--verification", "none")
    assert (code, body["backup"]["outcome"], body["backup"]["proofs"]) == (0, "not_verified", [])


def test_an_option_wins_over_a_variable_and_that_over_the_file(
    on_mariadb: Setting,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    on_mariadb.write(backup={"compression": "xz", "encrypt": False})

    def taken(*arguments: str) -> tuple[Codec, bool]:
        assert on_mariadb.chom("backup", *arguments) == 0
        manifest = on_mariadb.latest.manifest(on_mariadb.keyring.accepting_plain())
        (codec,) = {stored.codec for stored in manifest.objects}
        return codec, manifest.key is not None

    assert taken() == (Codec.XZ, False)
    monkeypatch.setenv("COMPRESSION", "bzip2")
    monkeypatch.setenv("ENCRYPT_BACKUP", "true")
    assert taken() == (Codec.BZIP2, True)
    assert taken("--compression", "gzip", "--no-encrypt", "--threads", "1") == (Codec.GZIP, False)


@pytest.mark.parametrize(
    ("arguments", "variables", "named"),
    [
        (["--type", "weekly"], {}, "weekly"),
        ([], {"BACKUP_TYPE": "weekly"}, "weekly"),
        (["--no-upload", "--method", "snapshot"], {}, "--method"),
        ([], {"UPLOAD_REMOTE": "perhaps"}, "$UPLOAD_REMOTE"),
        (["--no-upload"], {"COMPRESSION": "rar"}, "$COMPRESSION"),
        (["--no-upload", "--level", "40"], {}, "--level"),
        (["--no-upload", "--threads", "-1"], {}, "--threads"),
        (["--no-upload"], {"RETAIN_FULL_DAYS": "many"}, "$RETAIN_FULL_DAYS"),
    ],
)
def test_what_cannot_be_done_as_asked_is_refused_before_anything_is_done(
    on_mariadb: Setting,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    *,
    arguments: list[str],
    variables: dict[str, str],
    named: str,
) -> None:
    on_mariadb.write(offsite=True)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert on_mariadb.chom("backup", *arguments) == 2
    assert named in capsys.readouterr().err
    assert not path_of(on_mariadb.repository).exists()


def test_a_full_backup_may_be_asked_for_by_its_name(on_mariadb: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BACKUP_TYPE", "binlog")
    assert on_mariadb.chom("backup", "--type", "full", "--verification", "none") == 0


def test_variables_without_effect_are_named(
    on_mariadb: Setting,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("RETAIN_FULL_DAYS", "7")
    monkeypatch.setenv("ENABLE_METRICS", "true")
    assert on_mariadb.chom("backup", "--verification", "none") == 0
    assert [name for name in ("$RETAIN_FULL_DAYS", "$ENABLE_METRICS") if name in caplog.text] == [
        "$RETAIN_FULL_DAYS",
        "$ENABLE_METRICS",
    ]


def test_where_backups_cannot_be_read_it_is_taken_and_not_verified(
    on_mariadb: Setting,
    capsys: pytest.CaptureFixture[str],
) -> None:
    ring = Keyring().generate("offline", KeyKind.RSA)
    ring.without_private().save(on_mariadb.folder / "keys.json")
    code, body = on_mariadb.document(capsys, "backup")
    assert (code, body["backup"]["outcome"]) == (3, "not_verified")
    assert body["backup"]["rows"] == ROWS + 2
    assert on_mariadb.latest.id == body["backup"]["id"]


def test_a_failed_proof_exits_with_1_and_names_what_failed(
    on_mariadb: Setting,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from chom_pipelines.proofs.verification import verify

    def damaging(entry: Any, *arguments: Any, **named: Any) -> Any:  # noqa: ANN401
        on_mariadb.flip_a_byte(on_mariadb.data_object())
        return verify(entry, *arguments, **named)

    monkeypatch.setattr("chom_pipelines.proofs.verification.verify", damaging)
    assert on_mariadb.chom("backup") == 1
    out = capsys.readouterr().out
    assert "FAILED (basic)" in out
    assert f"  {on_mariadb.data_object()}" in out


def test_a_backup_whose_proof_cannot_be_kept_is_not_forgotten(
    on_mariadb: Setting,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def full(*_: object, **__: object) -> None:
        raise DiskFullError("no space", "make some")

    monkeypatch.setattr("chom_pipelines.proofs.verification.verify", full)
    code, body = on_mariadb.document(capsys, "backup")
    assert (code, body["backup"]["id"], body["backup"]["outcome"]) == (3, on_mariadb.latest.id, "not_verified")
    assert body["backup"]["problem"] == {"kind": "DiskFullError", "message": "no space", "remedy": "make some"}
    assert on_mariadb.chom("backup") == 3
    assert "not verified: no space\n  → make some" in capsys.readouterr().out


def test_a_failed_backup_exits_with_1_and_lists_nothing(
    on_mariadb: Setting,
    capsys: pytest.CaptureFixture[str],
) -> None:
    on_mariadb.write(databases=["chom_never_was"])
    assert on_mariadb.chom("backup") == 1
    assert "chom_never_was" in capsys.readouterr().err
    assert on_mariadb.repository.backups("chom") == []


def test_no_secret_is_printed(on_mariadb: Setting, capsys: pytest.CaptureFixture[str]) -> None:
    on_mariadb.chom("backup")
    on_mariadb.chom("backup", "--json")
    captured = capsys.readouterr()
    key = on_mariadb.latest.data_key(on_mariadb.keyring)
    assert key is not None
    secrets = [on_mariadb.server.backup.password, key.encryption.hex(), key.mac.hex()]
    assert not [secret for secret in secrets if secret in captured.out + captured.err]


def test_outcomes_have_their_exit_codes() -> None:
    from chom_pipelines.cli.output import EXIT_CODES

    assert EXIT_CODES == {Outcome.PASSED: 0, Outcome.FAILED: 1, Outcome.NOT_VERIFIED: 3}


def test_where_the_repositorys_mount_is_missing_nothing_is_written_below_it(
    on_mariadb: Setting, capsys: pytest.CaptureFixture[str]
) -> None:
    mount = on_mariadb.folder / "mount"
    mount.mkdir()
    body = yaml.safe_load(on_mariadb.config.read_text())
    body["repository"] |= {"path": str(mount / "chom"), "mount": str(mount)}
    on_mariadb.config.write_text(yaml.safe_dump(body))
    for command in ("backup", "check"):
        assert on_mariadb.chom(command) == 1
        told = capsys.readouterr()
        assert f"nothing is mounted at {mount}" in told.out + told.err
        assert list(mount.iterdir()) == []
    subprocess.run(["/bin/mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(mount)], check=True)
    try:
        assert on_mariadb.chom("backup") == 0
        assert (mount / "chom").is_dir()
    finally:
        subprocess.run(["/bin/umount", str(mount)], check=True)
    assert on_mariadb.chom("verify") == 1
    assert "there is no repository at" in capsys.readouterr().err
