"""What keeps mariadb-backup from preparing files: the files, or this machine."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from chom_pipelines.errors import DiskFullError, RestoreFailedError
from chom_pipelines.outcome import Outcome
from chom_pipelines.physical.program import prepare
from chom_pipelines.server.facts import Flavour
from chom_pipelines.server.programs import Program


@pytest.fixture
def failing(tmp_path: Path) -> Program:
    """One that can write nothing."""
    path = tmp_path / "mariadb-backup"
    path.write_text("#!/bin/sh\necho 'Error number 28 means No space left on device' >&2\nexit 1\n")
    path.chmod(0o700)
    return Program(Flavour.MARIADB, (10, 11, 0), path)


def test_a_full_disk_is_not_told_of_the_backup(
    failing: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=0))
    with pytest.raises(DiskFullError, match="no space is left") as caught:
        prepare(failing, tmp_path, tmp_path / "log")
    assert caught.value.outcome is Outcome.NOT_VERIFIED


def test_what_cannot_be_prepared_is_told_with_the_programs_last_lines(failing: Program, tmp_path: Path) -> None:
    with pytest.raises(RestoreFailedError, match=r"could not prepare the files .*\n.*Error number 28"):
        prepare(failing, tmp_path, tmp_path / "log")
