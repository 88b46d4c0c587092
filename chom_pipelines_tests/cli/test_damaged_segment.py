"""A segment that is damaged is named as that, once in what a command says, with what can be done about it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from chom_pipelines.server.facts import Flavour
from chom_pipelines_tests.binlogs.archives import Archive, archived_server
from chom_pipelines_tests.cli.setting import PASSWORD, setting
from chom_pipelines_tests.logical.taking import Backups


@pytest.mark.parametrize("flavour", list(Flavour), ids=lambda flavour: flavour.value)
def test_a_damaged_segment_is_told_once_with_what_mends_it_and_that_does(
    flavour: Flavour, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with archived_server(flavour) as server:
        monkeypatch.setenv(PASSWORD, server.backup.password)
        made, source = setting(tmp_path, server), Archive(server, Backups(tmp_path))
        assert made.chom("backup", "--verification", "none") == 0
        for _ in range(3):
            source.work()
            assert made.chom("backup", "--type", "incremental") == 0
        damaged = source.files()[-3]
        (segment,) = (tmp_path / "repository" / "chom" / "binlogs").glob(f"*/binlog_{damaged}_*")
        (log,) = segment.glob(f"{damaged}*")
        made.flip_a_byte(log)
        into = ("--into-directory", str(tmp_path / "restored"), "--dry-run")

        def told(code: int, command: str, *arguments: str) -> str:
            capsys.readouterr()
            assert made.chom(command, *arguments) == code
            said = capsys.readouterr()
            return said.err + said.out

        said = told(1, "restore", "--at", "latest", *into)
        assert "restore another backup" not in said
        assert "restore to a place before it, with --before mysql-bin.NNNNNN:POSITION" in said
        assert f"{segment.name} out of the repository" in said
        for command in (("verify", "--binlogs"), ("windows",), ("backup", "--type", "incremental")):
            said = told(1, *command)
            assert len(re.findall(r"its SHA-256 is [0-9a-f]{12}…, [0-9a-f]{12}… was stored", said)) == 1, said
            assert re.search(rf"move \S*{segment.name} out of the repository and run `chom backup --type binlog`", said)
        place = told(1, "restore", "--at", "latest", *into).split("--before '")[1].split("'")[0]
        assert made.chom("restore", "--before", place, *into) == 0
        segment.rename(tmp_path / segment.name)
        assert made.chom("backup", "--type", "binlog") == 0
        assert made.chom("verify", "--binlogs") == 0
        assert made.chom("windows") == 0
        assert made.chom("restore", "--at", "latest", *into) == 0
