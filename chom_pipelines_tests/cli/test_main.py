from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from chom_pipelines import __version__
from chom_pipelines.cli import main as cli
from chom_pipelines.cli.main import COMMANDS, main

CHOM = str(Path(sys.executable).with_name("chom"))
HEAVY = {"dagster", "boto3", "pydantic", "yaml", "cryptography", "pymysql", "croniter", "zstandard", "rich"}


def code(*arguments: str) -> int:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    return int(caught.value.code or 0)


def test_help_names_every_command_and_imports_none(capsys: pytest.CaptureFixture[str]) -> None:
    assert code("--help") == 0
    out = capsys.readouterr().out
    assert all(name in out for name in COMMANDS)
    assert "Exit codes: 0 done and proved" in out


def test_chom_starts_without_anything_heavy() -> None:
    script = "import sys, chom_pipelines.cli.main, chom_pipelines.cli.options; print(*sys.modules)"
    listed = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout
    assert not HEAVY & set(listed.split())


def test_a_restore_imports_nothing_that_only_other_restores_and_commands_need() -> None:
    script = "import sys, chom_pipelines.cli.restore; print(*sys.modules)"
    listed = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout
    others = {
        "chom_pipelines.binlogs.recovery.recovering",
        "chom_pipelines.backups.taking",
        "chom_pipelines.benchmarks.report",
        "croniter",
    }
    assert not others & set(listed.split())


def test_no_command_imports_dagster() -> None:
    script = "import sys, chom_pipelines.cli.check, chom_pipelines.cli.keys; print(*sys.modules)"
    listed = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout
    assert "dagster" not in listed.split()


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert code("--version") == 0
    assert capsys.readouterr().out == f"chom {__version__}\n"


@pytest.mark.parametrize("arguments", [["nonsense"], ["check", "--nonsense"], ["keys", "nonsense"]])
def test_wrong_usage_exits_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert code(*arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "nonsense" in captured.err


def test_a_mistyped_command_is_answered_with_the_right_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert code("chek") == 2
    assert "check" in capsys.readouterr().err


def test_a_wrong_configuration_exits_with_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "chom.yaml"
    file.write_text("repository: 7\nservers: []\n")
    assert code("check", "--config", str(file)) == 2
    assert f"{file}:1: repository: " in capsys.readouterr().err


def test_with_json_an_error_is_a_document_on_stdout(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert code("check", "--json", "--config", str(tmp_path / "none.yaml")) == 2
    captured = capsys.readouterr()
    assert captured.err == ""
    body = json.loads(captured.out)
    assert (body["format"], body["command"], body["exit_code"]) == (2, "check", 2)
    assert body["error"]["kind"] == "ConfigurationError"
    assert "none.yaml" in body["error"]["message"]


def test_an_interrupt_exits_with_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("chom_pipelines.cli.check.load_inventory", interrupted)
    assert code("check") == 130


def test_sigterm_unwinds_and_exits_with_143() -> None:
    script = (
        "import os, signal, chom_pipelines.cli.check as check\n"
        "from chom_pipelines.cli.main import main\n"
        "def stopped(*_):\n"
        "    try:\n"
        "        os.kill(os.getpid(), signal.SIGTERM)\n"
        "        signal.pause()\n"
        "    finally:\n"
        "        print('cleaned up', flush=True)\n"
        "check.load_inventory = stopped\n"
        "main(['check'])\n"
    )
    done = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (128 + signal.SIGTERM, "cleaned up\n")


@pytest.mark.parametrize("chom", [[CHOM], [sys.executable, "-m", "chom_pipelines.cli.main"]])
def test_the_installed_command_runs(tmp_path: Path, chom: list[str]) -> None:
    command = [*chom, "check", "--config", str(tmp_path / "none.yaml")]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_every_command_that_is_registered_has_a_line_of_help() -> None:
    assert all(command.help.endswith(".") for command in cli.COMMANDS.values())
