from __future__ import annotations

import json

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
