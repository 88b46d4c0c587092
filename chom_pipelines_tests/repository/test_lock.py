import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from chom_pipelines.errors import RepositoryBusyError, RepositoryError
from chom_pipelines.repository.lock import LOCK, repository_lock

HOLDER = """
import sys, time
from pathlib import Path
from chom_pipelines.repository.lock import repository_lock
with repository_lock(Path(sys.argv[1]), "full backup of chom"):
    print("held", flush=True)
    time.sleep(600)
"""


def test_who_waits_is_told_who_holds_the_lock(tmp_path: Path) -> None:
    holder = rf"full backup of chom: process {os.getpid()} on {socket.gethostname()} since 20"
    with (
        repository_lock(tmp_path, "full backup of chom"),
        pytest.raises(RepositoryBusyError, match=holder) as caught,
        repository_lock(tmp_path, "prune"),
    ):
        pass
    assert caught.value.retryable


def test_the_lock_is_free_after_its_holder_is_done_or_failed(tmp_path: Path) -> None:
    with repository_lock(tmp_path, "one"):
        pass
    with pytest.raises(KeyError), repository_lock(tmp_path, "two"):
        raise KeyError
    with repository_lock(tmp_path, "three"):
        pass


def test_the_lock_is_free_after_its_holder_was_killed(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(RepositoryBusyError, match=f"process {holder.pid}"), repository_lock(tmp_path, "x"):
            pass
        holder.send_signal(signal.SIGKILL)
    with repository_lock(tmp_path, "x"):
        pass


def test_a_holder_that_has_not_written_who_it_is_still_holds(tmp_path: Path) -> None:
    for text in ("", "{}", "[]", "7", "{"):
        with repository_lock(tmp_path, "x"):
            (tmp_path / LOCK).write_text(text)
            with pytest.raises(RepositoryBusyError, match="another run"), repository_lock(tmp_path, "y"):
                pass


def test_a_child_process_does_not_inherit_the_lock(tmp_path: Path) -> None:
    with repository_lock(tmp_path, "x"):
        child = subprocess.Popen([shutil.which("sleep") or "sleep", "600"])
    try:
        with repository_lock(tmp_path, "y"):
            pass
    finally:
        child.kill()
        child.wait()


def test_a_directory_that_is_not_there_cannot_be_locked(tmp_path: Path) -> None:
    with pytest.raises(RepositoryError, match="No such file"), repository_lock(tmp_path / "missing", "x"):
        pass
