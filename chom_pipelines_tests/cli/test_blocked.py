"""A file of the binary log that cannot be archived is told as a failure, and so is the gap that it leaves."""

from __future__ import annotations

from pathlib import Path

import pytest

from chom_pipelines.server.facts import Flavour
from chom_pipelines_tests.binlogs.archives import Archive, archived_server
from chom_pipelines_tests.cli.setting import PASSWORD, setting
from chom_pipelines_tests.logical.taking import Backups


@pytest.mark.parametrize("flavour", list(Flavour), ids=lambda flavour: flavour.value)
def test_what_cannot_be_archived_fails_the_command_and_is_told(
    flavour: Flavour, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with archived_server(flavour) as server:
        monkeypatch.setenv(PASSWORD, server.backup.password)
        made = setting(tmp_path, server)
        assert made.chom("backup", "--verification", "none") == 0
        assert made.chom("backup", "--type", "incremental") == 0
        file = Archive(server, Backups(tmp_path)).spoil()
        capsys.readouterr()
        assert made.chom("backup", "--type", "incremental") == 1
        told = capsys.readouterr().err
        assert f"{file} is not archived: " in told
        assert f"{file} is missing" in told
        code, body = made.document(capsys, "backup", "--type", "binlog")
        assert (code, len(body["archive"]["blocked"])) == (1, 1)  # again, while the server has it
        assert made.chom("backup", "--type", "binlog") == 1
        assert "nothing is closed that is not archived" not in capsys.readouterr().out
        assert made.chom("windows") == 1
        assert f"{file} is missing" in capsys.readouterr().out
