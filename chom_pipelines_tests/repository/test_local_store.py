"""What the store that is a directory promises beyond what all stores do."""

import errno
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from io import FileIO
from pathlib import Path

import pytest

from chom_pipelines.errors import DamagedError, DiskFullError, ObjectExistsError, RepositoryError
from chom_pipelines.repository import local_store
from chom_pipelines.repository.local_store import LocalStore
from chom_pipelines.repository.store import Folder, uploading
from chom_pipelines_tests.repository.samples import no_more_files

DIES_WHILE_IT_PUTS = """
import os, signal, sys
from pathlib import Path
from chom_pipelines.repository.local_store import LocalStore
LocalStore(Path(sys.argv[1])).put("a/b").write(b"x")
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    store = LocalStore(tmp_path / "repository")
    store.create()
    return store


def every_file(store: LocalStore) -> list[str]:
    return sorted(path.relative_to(store.root).as_posix() for path in store.root.rglob("*") if path.is_file())


def failing(number: int) -> Callable[..., int]:
    def fail(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    return fail


def test_everything_in_it_is_private_whatever_the_umask(store: LocalStore) -> None:
    before = os.umask(0)
    try:
        Folder(store).write("a/b/c", b"x")
        store.replace("d/e", b"x")
        with store.lock("f/g", "x", shared=False, patience=0):
            pass
    finally:
        os.umask(before)
    assert len(every_file(store)) == 3
    for path in (store.root, *store.root.rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600)


@pytest.mark.parametrize("how", ["put", "replace"])
def test_its_bytes_and_its_name_are_on_disk_when_the_call_returns(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    done: list[str] = []
    sync, link, rename = os.fsync, Path.hardlink_to, Path.replace

    def recording_sync(descriptor: int) -> None:
        done.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        sync(descriptor)

    def recording_link(path: Path, target: Path) -> None:
        done.append("named")
        link(path, target)

    def recording_rename(path: Path, target: Path) -> Path:
        done.append("named")
        return rename(path, target)

    monkeypatch.setattr(os, "fsync", recording_sync)
    monkeypatch.setattr(Path, "hardlink_to", recording_link)
    monkeypatch.setattr(Path, "replace", recording_rename)
    if how == "put":
        Folder(store).write("a/b/c", b"x")
    else:
        store.replace("a/b/c", b"x")
    folder = store.root / "a/b"
    named = done.index("named")
    assert done[:2] == [str(store.root), str(store.root / "a")]  # the directories on the way
    assert Path(done[named - 1]).parent == folder
    assert Path(done[named - 1]).name.startswith(".c.")
    assert done[named + 1 :] == [str(folder)]


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC])
@pytest.mark.parametrize("works", range(4))
def test_a_disk_that_fails_at_any_sync_is_told_and_leaves_nothing(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch, number: int, works: int
) -> None:
    syncs = iter(range(works))

    def failing_later(_: int) -> None:
        if next(syncs, None) is None:
            raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", failing_later)
    with pytest.raises(DiskFullError if number == errno.ENOSPC else RepositoryError, match=os.strerror(number)):
        Folder(store).write("a/b/c", b"x")
    monkeypatch.undo()
    assert every_file(store) == store.folders("") == []
    Folder(store).write("a/b/c", b"again")


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.ENOSPC, "free space"),
        (errno.EDQUOT, "free space"),
        (errno.EFBIG, "ulimit"),
        (errno.EIO, "the disk fails"),
    ],
)
def test_a_disk_that_takes_no_more_is_told_and_leaves_nothing(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch, number: int, remedy: str
) -> None:
    kind = DiskFullError if remedy == "free space" else RepositoryError
    upload = store.put("a/b")
    monkeypatch.setattr(os, "write", failing(number))
    with pytest.raises(kind, match=rf"a/b: {os.strerror(number)}\n.*{remedy}"), uploading(upload):
        upload.write(b"x")
    with pytest.raises(kind, match=rf"a/c: {os.strerror(number)}\n.*{remedy}"):
        store.replace("a/c", b"x")
    monkeypatch.undo()
    assert every_file(store) == []


def test_what_a_killed_process_left_goes_with_its_folder(store: LocalStore) -> None:
    subprocess.run([sys.executable, "-c", DIES_WHILE_IT_PUTS, str(store.root)], check=False)
    assert len(every_file(store)) == 1
    assert store.below("") == []
    store.delete_folder("a")
    assert list(store.root.iterdir()) == []


def test_a_store_that_is_not_mounted_is_not_made_up(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "mnt" / "backups")
    assert not store.is_there()
    for call in (
        lambda: store.put("a/b"),
        lambda: store.replace("a/b", b"x"),
        lambda: store.lock("a", "x", shared=True, patience=0).__enter__(),
    ):
        with pytest.raises(RepositoryError, match="mnt"):
            call()
    assert not (tmp_path / "mnt").exists()
    store.create()
    assert store.is_there()


def test_a_place_where_nothing_can_be_made_is_named() -> None:
    with pytest.raises(RepositoryError, match="/proc/chom"):
        LocalStore(Path("/proc/chom")).create()


def test_what_cannot_be_read_is_not_called_empty(store: LocalStore) -> None:
    (store.root / "chom").write_text("a file")
    for call in (lambda: store.below("chom/backups"), lambda: store.folders("chom")):
        with pytest.raises(RepositoryError, match="Not a directory"):
            call()


def test_a_disk_that_cannot_read_what_it_has_makes_it_damaged(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Failing(FileIO):
        read = failing(errno.EIO)

    store.replace("a", b"x")
    monkeypatch.setattr(local_store, "FileIO", Failing)
    with pytest.raises(DamagedError, match="a: Input/output error"):
        next(store.open("a"))


def test_what_may_not_be_opened_is_not_called_damaged_or_missing(store: LocalStore) -> None:
    Folder(store).write("a", b"it")
    with no_more_files(), pytest.raises(RepositoryError, match="open files") as caught:
        next(store.open("a"))
    assert type(caught.value) is RepositoryError


@pytest.mark.parametrize("number", [errno.EPERM, errno.EOPNOTSUPP])
def test_a_file_system_without_hard_links_will_do(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr(Path, "hardlink_to", failing(number))
    folder = Folder(store)
    folder.write("a/b", b"first")
    with pytest.raises(ObjectExistsError):
        folder.write("a/b", b"second")
    assert folder.read("a/b") == b"first"
    assert every_file(store) == ["a/b"]


def test_a_reader_of_what_is_replaced_reads_on_what_it_began(store: LocalStore) -> None:
    store.replace("a", bytes(3 << 20))
    reading = store.open("a")
    next(reading)
    store.replace("a", b"new")
    assert sum(map(len, reading)) == 2 << 20


def test_nothing_else_in_the_directory_is_touched(store: LocalStore) -> None:
    (store.root / ".snapshots/hourly").mkdir(parents=True)
    (store.root / ".snapshots/hourly/file").write_text("mine")
    Folder(store).write("a/b", b"x")
    assert [each.name for each in store.below("")] == ["a/b"]
    assert store.folders("") == ["a"]
    with suppress(RepositoryError):
        store.delete_folder("")
    assert every_file(store) == [".snapshots/hourly/file", "a/b"]


@pytest.mark.parametrize("linked", ["chom", "chom/full", "chom/full/manifest.json"])
def test_a_symbolic_link_leads_nowhere(tmp_path: Path, linked: str) -> None:
    store, outside = LocalStore(tmp_path / "repository"), tmp_path / "outside"
    store.create()
    Folder(store, "chom/full").write("manifest.json", b"it")
    (tmp_path / "repository" / linked).rename(outside)
    (tmp_path / "repository" / linked).symlink_to(outside)
    before = sorted(outside.rglob("*"))
    name = "chom/full/manifest.json"
    for act in (
        lambda: b"".join(store.open(name)),
        lambda: store.put(name),
        lambda: store.replace(name, b"forged"),
        lambda: store.exists(name),
        lambda: store.delete(name),
        lambda: store.below(linked),
        lambda: store.delete_folder(linked),
    ):
        with pytest.raises(DamagedError, match=f"{linked} is a symbolic link"):
            act()
    assert sorted(outside.rglob("*")) == before
