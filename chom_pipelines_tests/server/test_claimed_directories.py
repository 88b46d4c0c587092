"""Directories that vanish with their owner: what is removed, by whom, and what is not."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from chom_pipelines.errors import ScratchServerError
from chom_pipelines.server import claimed_directories


def test_directories_of_other_users_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    with tempfile.TemporaryDirectory(prefix="chom-scratch-") as abandoned:
        me = os.geteuid()
        monkeypatch.setattr(os, "geteuid", lambda: me + 1)
        claimed_directories.remove_abandoned(Path(abandoned).parent)
        assert Path(abandoned).is_dir()
        monkeypatch.undo()
        claimed_directories.remove_abandoned(Path(abandoned).parent)
        assert not Path(abandoned).exists()
        Path(abandoned).mkdir()  # for its own end


def test_what_cannot_be_removed_yet_is_removed_by_a_later_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server still writes there, as a clone goes on when the run that asked for it was killed."""
    with claimed_directories.claimed_directory(tmp_path) as claim:
        (claim.path / "clone").mkdir()
        fcntl.flock(claim.descriptor, fcntl.LOCK_UN)
        with monkeypatch.context() as patched:
            patched.setattr(shutil, "rmtree", lambda *_, **__: None)
            claimed_directories.remove_abandoned(tmp_path)
        assert sorted(path.name for path in claim.path.iterdir()) == ["clone", "owner.lock"]
        claimed_directories.remove_abandoned(tmp_path)
        assert not claim.path.exists()


def test_a_link_that_is_named_like_an_abandoned_directory_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("ten years of work")
    (tmp_path / "chom-scratch-x").symlink_to(tmp_path / "mine")
    claimed_directories.remove_abandoned(tmp_path)
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.txt"]


def test_runs_that_begin_and_end_at_once_do_not_hinder_each_other(tmp_path: Path) -> None:
    """One that looks for what dead owners left may look into a directory that its owner is removing."""
    looking = (
        "import sys, pathlib; from chom_pipelines.server.claimed_directories import remove_abandoned\n"
        "while True: remove_abandoned(pathlib.Path(sys.argv[1]))"
    )
    with subprocess.Popen([sys.executable, "-c", looking, str(tmp_path)]) as other:
        try:
            for _ in range(2000):
                with claimed_directories.claimed_directory(tmp_path) as claim:
                    (claim.path / "data").mkdir()
                assert not claim.path.exists()
            assert other.poll() is None
        finally:
            other.kill()


def test_where_no_directory_can_be_made_that_is_said() -> None:
    with (
        pytest.raises(ScratchServerError, match=r"no directory can be made in /proc: "),
        claimed_directories.claimed_directory(Path("/proc")),
    ):
        pytest.fail("it was made")
