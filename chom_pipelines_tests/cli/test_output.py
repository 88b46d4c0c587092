from __future__ import annotations

import json
import re

import pytest

from chom_pipelines.cli.output import document, failure, progress, table
from chom_pipelines.errors import LockNotObtainedError
from chom_pipelines.log_lines import LogLines


def test_a_document_is_versioned_json(capsys: pytest.CaptureFixture[str]) -> None:
    document("check", {"outcome": "passed"})
    assert json.loads(capsys.readouterr().out) == {"format": 2, "command": "check", "outcome": "passed"}


def test_a_failure_is_text_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    failure(LockNotObtainedError("what failed", "what to do"), ["backup"])
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "what failed\n  → what to do\n"


def test_a_failure_is_a_document_where_json_was_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    failure(LockNotObtainedError("what failed", "what to do"), ["backup", "--json"])
    captured = capsys.readouterr()
    assert captured.err == ""
    error = {"kind": "LockNotObtainedError", "message": "what failed", "remedy": "what to do", "retryable": True}
    assert json.loads(captured.out) == {"format": 2, "command": "backup", "error": error, "exit_code": 1}


def test_a_table_keeps_brackets_and_long_cells_where_no_terminal_breaks_lines(
    capsys: pytest.CaptureFixture[str],
) -> None:
    long = "x" * 300
    table(("name", "size>"), [("[bold]a[/bold]", "1"), (long, "22")], title="t")
    out = capsys.readouterr().out
    assert "[bold]a[/bold]" in out
    assert long in out


def test_without_a_terminal_progress_is_log_lines() -> None:
    with progress() as report:
        assert isinstance(report, LogLines)


def test_on_a_terminal_progress_is_a_bar(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    with progress() as report:
        report(0, 100, "data")
        report(100, 100, "data")
    captured = capsys.readouterr()
    assert "data" in captured.err
    assert captured.out == ""


def test_bars_fit_into_eighty_columns(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    with progress() as report:
        for label in ("read full_20260102_020000 before anything is replaced", "data"):
            report(0, 999_999_999_999, label)
            report(123_456_789, 999_999_999_999, label)
    shown = re.sub(r"\x1b\[[0-9;?]*m", "", capsys.readouterr().err)
    lines = [line for line in re.split(r"\x1b\[[0-9;?]*[A-Za-z]|[\r\n]+", shown) if line.strip()]
    assert any("GB" in line for line in lines)
    assert all(line.count("━") for line in lines)  # none goes on in another one
    assert max(map(len, lines)) <= 80
