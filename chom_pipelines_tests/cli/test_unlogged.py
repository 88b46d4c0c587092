"""A person is told what a server keeps out of its log: when it is asked, archived, listed, and before a restore."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from chom_pipelines.server.connection import Session
from chom_pipelines.server.facts import Flavour
from chom_pipelines.server.scratch import scratch_server
from chom_pipelines_tests.cli.setting import PASSWORD, Setting, setting
from chom_pipelines_tests.servers import private_server

NAMED = "binlog_do_db = other keeps rows of every database but other out of the binary log"


@pytest.fixture(params=list(Flavour), ids=lambda flavour: flavour.value)
def filtering(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Setting]:
    """A server that does not log what is backed up."""
    with private_server(request.param, ("--binlog-do-db=other",)) as server:
        monkeypatch.setenv(PASSWORD, server.backup.password)
        yield setting(tmp_path, server)


def test_it_is_told_by_each_command_that_it_concerns(
    filtering: Setting, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert filtering.chom("check") == 1
    assert f"{NAMED}" in " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert filtering.chom("backup", "--verification", "none") == 0
    with filtering.server.connect() as session:
        session.execute(f"INSERT INTO {filtering.database}.users VALUES (3, 'never logged')")
    time.sleep(2.1)  # the log tells whole seconds
    assert filtering.chom("backup", "--type", "incremental") == 1
    told = capsys.readouterr().err
    assert NAMED in told
    assert "my.cnf: take binlog_do_db out, restart the server" in told
    assert filtering.chom("windows") == 1
    assert NAMED in capsys.readouterr().out
    _, body = filtering.document(capsys, "windows")
    (one,) = body["servers"]
    (lacking,) = one["unlogged"]
    assert lacking["what"].startswith(NAMED)
    assert (lacking["certain"], lacking["mended"]) == (True, False)
    assert datetime.fromisoformat(lacking["from"]) <= datetime.fromisoformat(lacking["to"]) <= datetime.now(UTC)

    target = tmp_path / "restored"
    latest = one["intervals"][-1]["latest"]
    arguments = ("--at", latest, "--into-directory", str(target))
    assert filtering.chom("restore", *arguments, "--dry-run") == 0
    assert NAMED in capsys.readouterr().err
    code, body = filtering.document(capsys, "restore", *arguments, "--dry-run")
    assert code == 0
    assert NAMED in body["unlogged"][0]
    assert not target.exists()
    assert filtering.chom("restore", *arguments) == 0
    assert capsys.readouterr().err.count(NAMED) == 2, "before, and after"
    with scratch_server(filtering.server.flavour, data_directory=target) as server, Session(server.endpoint) as session:
        assert session.value(f"SELECT COUNT(*) FROM {filtering.database}.users") == 2


def test_a_server_whose_log_is_not_archived_is_not_asked(
    filtering: Setting, capsys: pytest.CaptureFixture[str]
) -> None:
    filtering.write(schedules={"binlogs": None})
    assert filtering.chom("check") == 0
    assert "binlog_do_db" not in capsys.readouterr().out
