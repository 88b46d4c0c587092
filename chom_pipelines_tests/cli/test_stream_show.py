"""What `chom stream --show` says of a stream that runs, was stopped, was killed, or never was."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chom_pipelines_tests.cli.setting import Setting

CHOM = [sys.executable, "-c", "from chom_pipelines.cli.main import main; main()"]


def shown(setting: Setting, capsys: pytest.CaptureFixture[str], *options: str) -> tuple[int, str]:
    capsys.readouterr()
    code = setting.chom("stream", "--show", *options)
    return code, capsys.readouterr().out


def until(is_so: Callable[[], Any]) -> None:
    for _ in range(600):
        if is_so():
            return
        time.sleep(0.1)
    pytest.fail("it never came to that")


@pytest.mark.parametrize(
    ("number", "told"),
    [(signal.SIGTERM, "it was stopped"), (signal.SIGKILL, "has ended without saying so")],
)
def test_a_stream_that_has_ended_is_not_said_to_follow(
    on_mariadb: Setting,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    *,
    number: signal.Signals,
    told: str,
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(on_mariadb.folder / "run"))
    command = [*CHOM, "stream", "--config", str(on_mariadb.config)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        try:
            until(lambda: shown(on_mariadb, capsys)[0] == 0)
            assert "published up to mysql-bin." in shown(on_mariadb, capsys)[1]
        finally:
            process.send_signal(number)
    code, said = shown(on_mariadb, capsys)
    assert code == 1
    assert told in said
    code, said = shown(on_mariadb, capsys, "--json")
    body = json.loads(said)
    assert (code, body["outcome"]) == (1, "failed")
    assert told in body["reason"]


def test_that_nothing_is_told_is_not_verified_and_says_where_was_looked(
    on_mariadb: Setting, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    code, said = shown(on_mariadb, capsys)
    assert code == 3
    assert "there is no /run/chom-stream-chom/stream.json" in said
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(on_mariadb.folder / "run"))
    own = on_mariadb.folder / "run" / "chom" / "chom" / "stream.json"
    assert f"there is neither {own} nor /run/chom-stream-chom/stream.json" in shown(on_mariadb, capsys)[1]
    code, said = shown(on_mariadb, capsys, "--json", "--status", str(on_mariadb.folder / "none.json"))
    assert (code, json.loads(said)["outcome"]) == (3, "not_verified")


def test_a_process_of_another_machine_is_not_looked_for_here(
    on_mariadb: Setting, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file, config = tmp_path / "status.json", str(on_mariadb.config)
    with subprocess.Popen(
        [*CHOM, "stream", "--config", config, "--status", str(file)], stderr=subprocess.DEVNULL
    ) as process:
        try:
            until(lambda: file.exists() and json.loads(file.read_text())["state"] == "following")
        finally:
            process.kill()
    status = json.loads(file.read_text())
    file.write_text(json.dumps({**status, "host": "elsewhere"}))
    assert shown(on_mariadb, capsys, "--status", str(file))[0] == 0
    file.write_text(json.dumps({**status, "host": "elsewhere", "told": "2026-01-02T03:04:05+00:00"}))
    code, said = shown(on_mariadb, capsys, "--status", str(file))
    assert code == 3
    assert "nothing was told for" in said


def test_a_status_that_cannot_be_written_is_refused_before_the_stream_begins(
    on_mariadb: Setting, capsys: pytest.CaptureFixture[str]
) -> None:
    assert on_mariadb.chom("stream", "--status", str(on_mariadb.config / "status.json")) == 2
    assert "the status cannot be written" in capsys.readouterr().err
    nowhere = on_mariadb.folder / "nowhere" / "deep" / "status.json"
    assert on_mariadb.chom("stream", "--status", str(nowhere)) == 2
    assert f"there is no directory {nowhere.parent}" in capsys.readouterr().err
    assert not (on_mariadb.folder / "nowhere").exists()
