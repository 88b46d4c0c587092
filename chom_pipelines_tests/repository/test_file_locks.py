"""Locks: of every store, and what the files that they stand on promise."""

import errno
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from chom_pipelines.errors import RepositoryBusyError, RepositoryError
from chom_pipelines.repository.file_locks import file_lock
from chom_pipelines.repository.store import Store
from chom_pipelines_tests.repository.samples import files_limited_to

ENOUGH = 60.0  # seconds, for what is sure to come

HOLDER = """
import json, sys, time
from chom_pipelines.repository.store import StoreAddress
from chom_pipelines.repository.stores import open_store
store = open_store(StoreAddress(**json.loads(sys.argv[1])))
with store.lock("chom/writing", "full backup of chom", shared=sys.argv[2] == "shared", patience=0):
    print("held", flush=True)
    time.sleep(600)
"""


def hold(store: Store, name: str = "chom/writing", *, shared: bool = False, patience: float = 0) -> Any:  # noqa: ANN401
    return store.lock(name, "prune of chom", shared=shared, patience=patience)


@pytest.mark.parametrize("shared", [False, True])
def test_who_finds_it_held_alone_is_told_where_and_by_whom(store: Store, shared: bool) -> None:  # noqa: FBT001
    holder = (
        f"{store.where('chom')} is in use by prune of chom: process {os.getpid()} on {socket.gethostname()} since 20"
    )
    with hold(store), pytest.raises(RepositoryBusyError) as caught, hold(store, shared=shared):
        pass
    assert caught.value.what.startswith(holder)
    assert caught.value.retryable


def test_any_number_shares_a_lock_and_none_holds_it_alone_meanwhile(store: Store) -> None:
    with ExitStack() as shared:
        for _ in range(3):
            shared.enter_context(hold(store, shared=True))
        with pytest.raises(RepositoryBusyError, match="prune of chom: process"), hold(store):
            pass
    with hold(store):
        pass


def test_who_wants_it_alone_waits_for_who_shares_it(store: Store) -> None:
    waits, order = threading.Event(), list[str]()

    def alone() -> None:
        waits.set()
        with hold(store, patience=ENOUGH):
            order.append("alone")

    with ThreadPoolExecutor(1) as pool:
        with hold(store, shared=True):
            waiting = pool.submit(alone)
            waits.wait()
            order.append("shared")
        waiting.result()
    assert order == ["shared", "alone"]


def test_a_lock_is_free_after_its_holder_is_done_or_failed(store: Store) -> None:
    for shared in (False, True):
        with pytest.raises(KeyError), hold(store, shared=shared):
            raise KeyError
        with hold(store):
            pass


@pytest.mark.parametrize("how", ["alone", "shared"])
def test_a_killed_holder_leaves_nothing_locked(store: Store, how: str) -> None:
    command = [sys.executable, "-c", HOLDER, json.dumps(store.address.to_json()), how]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(RepositoryBusyError, match=f"full backup of chom: process {holder.pid} "), hold(store):
            pass
        holder.send_signal(signal.SIGKILL)
    with hold(store):
        pass


def test_locks_of_other_names_are_other_locks(store: Store) -> None:
    with hold(store), hold(store, "chom/reading"), hold(store, "other/writing"), hold(store, "chom"):
        pass


def test_a_lock_is_no_object_and_hinders_none(store: Store) -> None:
    with hold(store):
        assert not store.below("")
        assert not store.folders("")
        store.replace("chom/writing", b"x")
        assert [each.name for each in store.below("")] == ["chom/writing"]


def a_file_lock(path: Path, *, shared: bool = False, patience: float = 0) -> Any:  # noqa: ANN401
    return file_lock(path, path.parent, "there", "prune", shared=shared, patience=patience)


def test_a_holder_that_has_not_written_who_it_is_still_holds(tmp_path: Path) -> None:
    for text in ("", "{}", "[]", "7", "{"):
        with a_file_lock(tmp_path / "lock"):
            (tmp_path / "lock").write_text(text)
            with (
                pytest.raises(RepositoryBusyError, match="there is in use by another run"),
                a_file_lock(tmp_path / "lock"),
            ):
                pass


def test_nobody_is_named_who_is_done(tmp_path: Path) -> None:
    for shared in (False, True):
        with a_file_lock(tmp_path / "lock", shared=shared):
            assert (tmp_path / "lock").read_text().count("\n") == 1
        assert (tmp_path / "lock").read_text() == ""


def test_who_only_shares_never_disturbs_another(tmp_path: Path) -> None:
    def often(_: int) -> None:
        for _ in range(300):
            with a_file_lock(tmp_path / "lock", shared=True):
                pass

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(often, range(4)))


def test_a_child_process_does_not_inherit_a_lock(tmp_path: Path) -> None:
    with a_file_lock(tmp_path / "lock"):
        child = subprocess.Popen([shutil.which("sleep") or "sleep", "600"])
    try:
        with a_file_lock(tmp_path / "lock"):
            pass
    finally:
        child.kill()
        child.wait()


def test_directories_on_the_way_are_made_but_not_the_first(tmp_path: Path) -> None:
    with file_lock(tmp_path / "a/b/lock", tmp_path, "there", "x", shared=False, patience=0):
        pass
    with (
        pytest.raises(RepositoryError, match="missing/a/lock: No such file"),
        file_lock(tmp_path / "missing/a/lock", tmp_path / "missing", "there", "x", shared=False, patience=0),
    ):
        pass
    assert not (tmp_path / "missing").exists()


def test_a_full_disk_keeps_nobody_from_reading_and_the_lock_holds(tmp_path: Path) -> None:
    with (
        files_limited_to(0),
        a_file_lock(tmp_path / "lock", shared=True),
        pytest.raises(RepositoryBusyError, match="has not written yet who it is"),
        a_file_lock(tmp_path / "lock"),
    ):
        pass


@pytest.mark.parametrize("number", [errno.EROFS, errno.ENOSPC], ids=["read-only", "full"])
@pytest.mark.parametrize("there_is_a_file", [False, True])
def test_where_nothing_can_be_written_who_reads_needs_no_file_and_who_writes_is_told(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    there_is_a_file: bool,  # noqa: FBT001
    number: int,
) -> None:
    if there_is_a_file:
        (tmp_path / "lock").write_bytes(b"")
    opened = os.open

    def read_only(path: Path, flags: int, mode: int = 0o777) -> int:
        if flags & (os.O_RDWR | os.O_WRONLY):
            raise OSError(number, os.strerror(number))
        return opened(path, flags, mode)

    monkeypatch.setattr(os, "open", read_only)
    with a_file_lock(tmp_path / "lock", shared=True), a_file_lock(tmp_path / "lock", shared=True):
        pass
    with (
        pytest.raises(RepositoryError, match=os.strerror(number)),
        a_file_lock(tmp_path / "lock"),
    ):
        pass


@pytest.mark.parametrize("shared", [True, False])
def test_a_link_in_place_of_a_lock_does_not_empty_what_it_leads_to(tmp_path: Path, *, shared: bool) -> None:
    keys, lock = tmp_path / "keys.json", tmp_path / ".writing.lock"
    keys.write_bytes(b"all that there is")
    lock.symlink_to(keys)
    with (
        pytest.raises(RepositoryError, match="symbolic links"),
        file_lock(lock, tmp_path, "chom", "backup", shared=shared, patience=0),
    ):
        pass
    assert keys.read_bytes() == b"all that there is"
