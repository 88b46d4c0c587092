from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from chom_pipelines.cli.main import main
from chom_pipelines.repository.keys import Keyring

CONFIG = """\
repository:
  path: repository
  encryption: {{keys: {keys}}}
servers:
  - {{name: chom, socket: /run/mysqld/mysqld.sock, user: backup}}
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "chom.yaml"
    file.write_text(CONFIG.format(keys="{file: keys.json}"))
    return file


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as caught:
        main(["keys", *arguments])
    return int(caught.value.code or 0)


def test_a_generated_key_is_active_private_and_never_printed(
    config: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run("generate", "--config", str(config), "--name", "first") == 0
    file = config.with_name("keys.json")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert Keyring.load(file).active == "first"
    captured = capsys.readouterr()
    (key,) = json.loads(file.read_text())["keys"]
    secrets = [value for value in key.values() if len(value) >= 64]
    assert secrets
    assert not [secret for secret in secrets if secret in captured.out + captured.err]


def test_a_second_key_becomes_active_and_the_first_stays(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("generate", "--config", str(config), "--name", "first")
    run("generate", "--config", str(config), "--name", "second", "--kind", "rsa")
    capsys.readouterr()
    assert run("list", "--config", str(config), "--json") == 0
    assert json.loads(capsys.readouterr().out)["keys"] == [
        {"name": "first", "kind": "aes-256", "active": False},
        {"name": "second", "kind": "rsa", "active": True},
    ]


def test_a_name_that_is_taken_is_refused_and_nothing_changes(config: Path) -> None:
    run("generate", "--config", str(config), "--name", "first")
    before = config.with_name("keys.json").read_bytes()
    assert run("generate", "--config", str(config), "--name", "first") == 2
    assert config.with_name("keys.json").read_bytes() == before


def test_a_damaged_key_file_is_not_overwritten(config: Path) -> None:
    file = config.with_name("keys.json")
    file.write_text("{}")
    file.chmod(0o600)
    assert run("generate", "--config", str(config)) == 2
    assert file.read_text() == "{}"


def test_keys_of_a_variable_are_listed_but_not_generated(
    config: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run("generate", "--config", str(config), "--name", "first")
    monkeypatch.setenv("CHOM_TEST_KEYS", config.with_name("keys.json").read_text())
    config.write_text(CONFIG.format(keys="{env: CHOM_TEST_KEYS}"))
    capsys.readouterr()
    assert run("list", "--config", str(config)) == 0
    assert "first" in capsys.readouterr().out
    assert run("generate", "--config", str(config)) == 2
    assert "$CHOM_TEST_KEYS" in capsys.readouterr().err


def test_without_encryption_there_are_no_keys(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config.write_text(config.read_text().replace("  encryption: {keys: {file: keys.json}}\n", ""))
    assert run("list", "--config", str(config)) == 2
    assert "repository.encryption is not configured" in capsys.readouterr().err
