"""Who did what is noted in lines that stay whole; that it cannot be noted is said and stops nobody."""

from __future__ import annotations

import json
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from chom_pipelines.inventory.audit import audit_file, record
from chom_pipelines.inventory.models import RepositoryConfig


def config(path: Path, audit: Path | None = None) -> RepositoryConfig:
    path.mkdir(exist_ok=True)
    return RepositoryConfig.model_validate({"path": str(path), "audit": str(audit) if audit else None})


def lines(file: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_a_line_says_who_did_what_to_what_and_when(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUDO_USER", "jane")
    repository = config(tmp_path / "r")
    record(repository, "restore", "chom", backup="latest", tables=None, dry_run=False, as_database=["a", "b"])
    record(repository, "prune", "chom", run="0123", deleted=[])
    first, second = lines(audit_file(repository))
    assert (first["action"], first["server"], first["backup"], first["as_database"]) == (
        *("restore", "chom", "latest"),
        ["a", "b"],
    )
    assert first.keys() == {
        *("time", "action", "server", "backup", "as_database"),
        *("user", "uid", "sudo", "host", "process", "by"),
    }
    assert (first["sudo"], second["by"], second["deleted"]) == ("jane", "dagster run 0123", [])
    assert str(first["time"]).endswith("+00:00")
    assert stat.S_IMODE(audit_file(repository).stat().st_mode) == 0o600


def test_it_is_where_chom_yaml_says(tmp_path: Path) -> None:
    repository = config(tmp_path / "r", tmp_path / "elsewhere.jsonl")
    record(repository, "verify", "chom")
    assert len(lines(tmp_path / "elsewhere.jsonl")) == 1
    assert list((tmp_path / "r").iterdir()) == []


def test_lines_of_many_at_once_stay_whole(tmp_path: Path) -> None:
    repository = config(tmp_path / "r")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: record(repository, f"verify {number}", "x" * 5000), range(100)))
    assert {each["action"] for each in lines(audit_file(repository))} == {f"verify {number}" for number in range(100)}


def test_what_cannot_be_noted_is_said_and_stops_nobody(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    record(config(tmp_path / "r", tmp_path / "not there" / "audit.jsonl"), "restore", "chom")
    assert "restore of chom is not in the audit log" in caplog.text
    assert "No such file" in caplog.text


def test_a_pipe_in_its_place_holds_nobody_up(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    repository = config(tmp_path / "r")
    os.mkfifo(audit_file(repository))
    record(repository, "restore", "chom")
    assert "restore of chom is not in the audit log" in caplog.text


def test_a_name_that_is_no_text_is_noted_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUDO_USER", os.fsdecode(b"a\xff"))
    repository = config(tmp_path / "r")
    record(repository, "restore", "chom")
    assert lines(audit_file(repository))[0]["sudo"] == os.fsdecode(b"a\xff")


def test_a_line_of_another_place_is_not_written_through_a_link(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    repository = config(tmp_path / "r")
    (tmp_path / "victim").write_text("")
    audit_file(repository).symlink_to(tmp_path / "victim")
    record(repository, "restore", "chom")
    assert (tmp_path / "victim").read_text() == ""
    assert "is not in the audit log" in caplog.text
