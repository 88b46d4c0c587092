from __future__ import annotations

import json
import logging

import pytest

from chom_pipelines.cli.output import LogLines, document, duration, failure, progress, size, table
from chom_pipelines.errors import LockNotObtainedError


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1 kB"),
        (1234, "1.23 kB"),
        (532_100_000, "532 MB"),
        (999_900_000, "1 GB"),
        (12_340_000_000, "12.3 GB"),
        (5 * 10**15, "5 PB"),
    ],
)
def test_sizes_are_for_people(count: int, text: str) -> None:
    assert size(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.04, "0.0 s"),
        (4.21, "4.2 s"),
        (59.99, "1 min 00 s"),
        (200, "3 min 20 s"),
        (3720, "1 h 02 min"),
        (90_000, "25 h 00 min"),
    ],
)
def test_durations_are_for_people(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_a_document_is_versioned_json(capsys: pytest.CaptureFixture[str]) -> None:
    document("check", {"outcome": "passed"})
    assert json.loads(capsys.readouterr().out) == {"format": 1, "command": "check", "outcome": "passed"}


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
    assert json.loads(captured.out) == {"format": 1, "command": "backup", "error": error, "exit_code": 1}


def test_a_table_keeps_brackets_and_long_cells_where_no_terminal_breaks_lines(
    capsys: pytest.CaptureFixture[str],
) -> None:
    long = "x" * 300
    table(("name", "size>"), [("[bold]a[/bold]", "1"), (long, "22")], title="t")
    out = capsys.readouterr().out
    assert "[bold]a[/bold]" in out
    assert long in out


def test_progress_is_logged_every_thirty_seconds(caplog: pytest.LogCaptureFixture) -> None:
    now = 0.0
    lines = LogLines(clock=lambda: now)
    with caplog.at_level(logging.INFO):
        lines(0, 4_000_000, "data")
        for now in (10.0, 29.0, 30.0, 31.0, 60.0):
            lines(int(now * 50_000), 4_000_000, "data")
        assert caplog.messages == [
            "data: 1.5 MB of 4 MB, 50 kB/s, 50.0 s left",
            "data: 3 MB of 4 MB, 50 kB/s, 20.0 s left",
        ]


def test_progress_without_a_known_end_has_no_time_left(caplog: pytest.LogCaptureFixture) -> None:
    now = 0.0
    lines = LogLines(clock=lambda: now)
    with caplog.at_level(logging.INFO):
        lines(0, None, "stream")
        now = 40.0
        lines(80, None, "stream")
    assert caplog.messages == ["stream: 80 B, 2 B/s"]


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
