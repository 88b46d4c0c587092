"""Backups appear whole or not at all, and readers, writers and deletion get along."""

import errno
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from chom_pipelines.errors import (
    BackupNotFoundError,
    ConfigurationError,
    DamagedError,
    DiskFullError,
    ObjectExistsError,
    RepositoryBusyError,
    RepositoryError,
)
from chom_pipelines.repository import local_store
from chom_pipelines.repository.codecs import Codec
from chom_pipelines.repository.encryption import DataKey
from chom_pipelines.repository.entry import BackupEntry
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.layout import BackupId, Kind
from chom_pipelines.repository.local_store import LocalStore
from chom_pipelines.repository.objects import ObjectWriter, StoredObject, read_object
from chom_pipelines.repository.repository import Repository
from chom_pipelines.repository.store import Capabilities
from chom_pipelines.repository.streams import Draft, Stream
from chom_pipelines_tests.repository.samples import AES, ID, KEY, NOON, a_manifest, files_limited_to

KILLED = """
import os, signal, sys
from datetime import datetime, timezone
from pathlib import Path
from chom_pipelines.repository.codecs import Codec
from chom_pipelines.repository.layout import Kind
from chom_pipelines.repository.local_store import LocalStore
from chom_pipelines.repository.objects import ObjectWriter
from chom_pipelines.repository.repository import Repository
stream = Repository(LocalStore(Path(sys.argv[1]))).stream("chom")
with stream.begin(Kind.FULL, datetime(2026, 1, 2, 12, tzinfo=timezone.utc)) as draft:
    with ObjectWriter(draft.folder, "data/a", Codec.ZSTD, 3, None) as writer:
        writer.write(b"x")
    with ObjectWriter(draft.folder, "data/b", Codec.ZSTD, 3, None) as writer:
        writer.write(b"x")
        os.kill(os.getpid(), signal.SIGKILL)
"""
KILLED_READER = """
import os, signal, sys
from pathlib import Path
from chom_pipelines.repository.local_store import LocalStore
from chom_pipelines.repository.repository import Repository
with Repository(LocalStore(Path(sys.argv[1]))).find("chom", "latest").reading("a restore"):
    os.kill(os.getpid(), signal.SIGKILL)
"""
SEGMENT = BackupId(Kind.BINLOG, file="mysql-bin.000001", start=4)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "repository"


@pytest.fixture
def repository(root: Path) -> Repository:
    repository = Repository(LocalStore(root))
    repository.create()
    return repository


@pytest.fixture
def stream(repository: Repository) -> Stream:
    return repository.stream("chom")


def fill(draft: Draft, key: DataKey | None = None) -> StoredObject:
    with ObjectWriter(draft.folder, "data/a", Codec.ZSTD, 3, key) as writer:
        writer.write(b"some rows")
    draft.folder.write("RESTORE.md", b"how to")
    return writer.close()


def back_up(stream: Stream, keyring: Keyring | None = None, moment: datetime = NOON) -> BackupEntry:
    key = KEY if keyring else None
    with stream.begin(Kind.FULL, moment) as draft:
        objects = (fill(draft, key),)
        wrapped = keyring.wrap(KEY) if keyring else None
        return draft.publish(a_manifest(backup=draft.id, objects=objects, key=wrapped), key)


def everything(root: Path) -> set[str]:
    """Every path but those of the locks."""
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.suffix != ".lock"}


def run_killed(script: str, root: Path) -> None:
    assert subprocess.run([sys.executable, "-c", script, str(root)], check=False).returncode == -signal.SIGKILL


@pytest.mark.parametrize("keyring", [None, AES], ids=["plain", "encrypted"])
def test_a_published_backup_is_found_and_read(stream: Stream, keyring: Keyring | None) -> None:
    published = back_up(stream, keyring)
    found = stream.find("latest")
    assert found == published == stream.find(ID)
    assert found.time == NOON
    manifest, key = found.manifest(keyring), found.data_key(keyring)
    assert b"".join(read_object(found.folder, manifest.objects[0], key)) == b"some rows"


def test_everything_in_the_repository_is_private_whatever_the_umask(root: Path) -> None:
    before = os.umask(0)
    try:
        repository = Repository(LocalStore(root))
        repository.create()
        back_up(repository.stream("chom"))
    finally:
        os.umask(before)
    for path in (root, *root.rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600)


def test_nothing_is_listed_before_the_manifest_is_put(stream: Stream) -> None:
    with stream.begin(Kind.FULL, NOON) as draft:
        stored = fill(draft)
        assert stream.entries() == []
        draft.publish(a_manifest(objects=(stored,)), None)
        assert [entry.id for entry in stream.entries()] == [draft.id]
    assert [entry.id for entry in stream.entries()] == [draft.id]


def test_a_published_backup_has_no_mark_of_a_draft_and_nothing_that_is_unfinished(stream: Stream, root: Path) -> None:
    back_up(stream)
    top = f"chom/backups/{ID}"
    files = {f"{top}/{name}" for name in ("RESTORE.md", "data", "data/a.zst", "manifest.json")}
    assert everything(root) == {"chom", "chom/backups", top, *files}


def test_backups_of_one_second_get_ids_of_their_own_and_are_listed_in_order(stream: Stream) -> None:
    made = [back_up(stream).id for _ in range(3)]
    assert made == [f"full_20260102_12000{second}" for second in range(3)]
    assert [entry.id for entry in stream.entries()] == made
    assert stream.find("latest").id == made[-1]


def test_a_failed_run_leaves_nothing(stream: Stream, root: Path) -> None:
    def failing() -> None:
        with stream.begin(Kind.FULL, NOON) as draft:
            fill(draft)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        failing()
    assert everything(root) == {"chom", "chom/backups"}


def test_a_run_that_forgets_to_publish_leaves_nothing(stream: Stream, root: Path) -> None:
    with stream.begin(Kind.FULL, NOON) as draft:
        fill(draft)
    assert everything(root) == {"chom", "chom/backups"}


def test_what_a_killed_run_left_is_not_listed_and_the_next_run_removes_it(stream: Stream, root: Path) -> None:
    run_killed(KILLED, root)
    assert f"chom/backups/{ID}/data/a.zst" in everything(root)
    assert stream.entries() == []
    assert back_up(stream).id == ID
    assert not [name for name in everything(root) if "data/b" in name or "incomplete" in name]


def test_cleaning_removes_what_killed_runs_left_and_nothing_else(stream: Stream, root: Path) -> None:
    run_killed(KILLED, root)
    assert stream.clean() == [ID]
    back_up(stream)
    before = everything(root)
    assert stream.clean() == []
    assert everything(root) == before


def test_a_backup_that_lost_its_manifest_is_listed_as_damaged_and_never_cleaned_away(
    stream: Stream, root: Path
) -> None:
    entry = back_up(stream)
    (root / f"chom/backups/{ID}/manifest.json").unlink()
    assert stream.clean() == []
    assert isinstance(stream.find(ID).problem(None), DamagedError)
    assert entry.folder.exists("data/a.zst")


def test_a_run_that_was_killed_after_the_manifest_was_put_has_published(stream: Stream, root: Path) -> None:
    back_up(stream)
    (root / f"chom/backups/{ID}/incomplete.json").write_text('{"state": "taking"}')
    assert [entry.problem(None) for entry in stream.entries()] == [None]
    assert stream.clean() == []
    assert f"chom/backups/{ID}/incomplete.json" not in everything(root)
    assert f"chom/backups/{ID}/data/a.zst" in everything(root)


def test_a_run_at_work_is_not_cleaned_away_and_not_joined_by_another(stream: Stream) -> None:
    with stream.begin(Kind.FULL, NOON) as draft:
        stored = fill(draft)
        with pytest.raises(RepositoryBusyError, match="full backup of chom: process"):
            stream.clean()
        with pytest.raises(RepositoryBusyError, match="full backup of chom"), stream.begin(Kind.FULL, NOON):
            pass
        draft.publish(a_manifest(objects=(stored,)), None)
    assert len(stream.entries()) == 1


def test_another_servers_backup_and_the_binary_log_need_not_wait(repository: Repository) -> None:
    segments = repository.binlogs("chom", 11)
    with (
        repository.stream("chom").begin(Kind.FULL, NOON),
        repository.stream("other").begin(Kind.FULL, NOON),
        segments.begin_segment(SEGMENT),
        repository.binlogs("chom", 12).begin_segment(SEGMENT),
    ):
        assert repository.backups("chom") == segments.entries() == []


def test_a_backup_is_read_while_another_is_taken(stream: Stream) -> None:
    first = back_up(stream)
    with first.reading("a verification"), first.reading("a restore"), stream.begin(Kind.FULL, NOON) as draft:
        stored = fill(draft)
        draft.publish(a_manifest(backup=draft.id, objects=(stored,)), None)
    assert len(stream.entries()) == 2


def test_a_backup_that_is_read_is_not_deleted_and_the_readers_are_named(stream: Stream) -> None:
    entry = back_up(stream)
    with entry.reading("restore"), entry.reading("full verification"):
        with pytest.raises(RepositoryBusyError, match=rf"restore of {ID} .*; full verification of {ID} of chom"):
            stream.remove(entry, patience=0.1)
        assert entry.problem(None) is None
    stream.remove(entry, patience=0)
    assert stream.entries() == []


def test_deletion_waits_for_a_reader_that_ends(stream: Stream) -> None:
    entry, begun, ended = back_up(stream), threading.Event(), threading.Event()

    def read() -> None:
        with entry.reading("restore"):
            begun.set()
            ended.wait(30)

    reader = threading.Thread(target=read)
    reader.start()
    assert begun.wait(30)
    threading.Timer(0.3, ended.set).start()
    stream.remove(entry, patience=30)
    assert ended.is_set()
    assert stream.entries() == []
    reader.join()


def test_a_reader_waits_for_a_deletion_that_ends(stream: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = back_up(stream), back_up(stream)
    begun, ended, deleted = threading.Event(), threading.Event(), LocalStore.delete_folder

    def slowly(store: LocalStore, folder: str) -> None:
        begun.set()
        time.sleep(0.3)
        deleted(store, folder)
        ended.set()

    monkeypatch.setattr(LocalStore, "delete_folder", slowly)
    deletion = threading.Thread(target=stream.remove, args=(first,))
    deletion.start()
    assert begun.wait(30)
    with second.reading("restore"):
        assert ended.is_set()
        assert stream.entries() == [second]
    deletion.join()


def test_a_backup_is_not_deleted_while_another_is_taken(stream: Stream) -> None:
    entry = back_up(stream)
    with stream.begin(Kind.FULL, NOON), pytest.raises(RepositoryBusyError, match="full backup of chom"):
        stream.remove(entry)
    assert stream.entries() == [entry]


def test_killed_holders_leave_nothing_locked(stream: Stream, root: Path) -> None:
    entry = back_up(stream)
    run_killed(KILLED_READER, root)
    run_killed(KILLED, root)
    stream.remove(entry, patience=0)
    back_up(stream)


@pytest.mark.parametrize("last", range(1, 12))
def test_a_deletion_that_ends_at_any_moment_leaves_the_whole_backup_or_nothing_that_lists(
    stream: Stream, monkeypatch: pytest.MonkeyPatch, last: int
) -> None:
    """Whatever order a directory is read in: the mark goes first wherever it may."""
    entry = back_up(stream)
    entry.folder.write("another", b"object")
    countdown, unlink, scandir = iter(range(last - 1, -1, -1)), os.unlink, os.scandir

    def failing(path: str, *, dir_fd: int | None = None) -> None:
        if not next(countdown, 1):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        unlink(path, dir_fd=dir_fd)

    class MarksFirst(ExitStack):
        def __init__(self, path: str) -> None:
            super().__init__()
            with scandir(path) as found:
                self.found = sorted(found, key=lambda each: each.name == "incomplete.json")

        def __iter__(self) -> Iterator[os.DirEntry[str]]:
            return self

        def __next__(self) -> os.DirEntry[str]:
            if not self.found:
                raise StopIteration
            return self.found.pop()

    with monkeypatch.context() as patched:
        patched.setattr(os, "unlink", failing)
        patched.setattr(os, "scandir", MarksFirst)
        with suppress(RepositoryError):
            stream.remove(entry)
    for left in stream.entries():
        manifest = left.manifest(None)
        assert b"".join(read_object(left.folder, manifest.objects[0], None)) == b"some rows"
    stream.clean()
    assert len(stream.folder.folders()) == len(stream.entries())


def test_a_segment_is_archived_once(repository: Repository) -> None:
    stream = repository.binlogs("chom", 11)
    stream.folder.write(f"{SEGMENT.text}/manifest.json", b"{}")
    with pytest.raises(ObjectExistsError, match=SEGMENT.text), stream.begin_segment(SEGMENT):
        pass
    assert [entry.id for entry in stream.entries()] == [SEGMENT.text]


def test_segments_are_listed_in_their_order_and_keys_are_none(repository: Repository) -> None:
    stream = repository.binlogs("chom", 11)
    ids = [BackupId(Kind.BINLOG, file=f"b.{number}", start=start).text for number, start in (
        ("000009", 4), ("000010", 4), ("000010", 900), ("1000000", 4))]  # fmt: skip
    for name in reversed(ids):
        stream.folder.write(f"{name}/manifest.json", b"{}")
    stream.folder.write("keys/key-1.json", b"{}")
    assert [entry.id for entry in stream.entries()] == ids
    assert stream.find("latest").id == ids[-1]


def test_full_and_incremental_backups_are_listed_by_time(stream: Stream) -> None:
    for name in ("full_20260103_000000", "incremental_20260102_000000", "full_20260101_000000"):
        stream.folder.write(f"{name}/manifest.json", b"{}")
    assert [entry.id[:4] for entry in stream.entries()] == ["full", "incr", "full"]


def test_a_manifest_that_does_not_describe_the_draft_is_not_published(stream: Stream) -> None:
    with stream.begin(Kind.FULL, NOON) as draft:
        stored = fill(draft)
        good = a_manifest(objects=(stored,))
        for manifest, key in (
            (a_manifest(backup="full_20260102_120001", objects=(stored,)), None),
            (a_manifest(server="other", objects=(stored,)), None),
            (good, KEY),
            (a_manifest(objects=(stored,), key=AES.wrap(KEY)), None),
        ):
            with pytest.raises(RepositoryError, match="is not the one of"):
                draft.publish(manifest, key)
        assert stream.entries() == []
        draft.publish(good, None)


@pytest.mark.parametrize("loss", ["unlink", "truncate"])
def test_a_backup_that_lost_an_object_meanwhile_is_not_published(stream: Stream, root: Path, loss: str) -> None:
    with stream.begin(Kind.FULL, NOON) as draft:
        stored = fill(draft)
        file = Path(draft.folder.where(stored.path))
        if loss == "unlink":
            file.unlink()
        else:
            os.truncate(file, 3)
        with pytest.raises(RepositoryError, match=r"data/a\.zst is not there with"):
            draft.publish(a_manifest(objects=(stored,)), None)
    assert everything(root) == {"chom", "chom/backups"}


def test_a_limit_on_the_size_of_files_while_publishing_leaves_nothing(stream: Stream, root: Path) -> None:
    def publish_on_a_small_disk() -> None:
        with stream.begin(Kind.FULL, NOON) as draft:
            stored = fill(draft)
            with files_limited_to(500):
                draft.publish(a_manifest(objects=(stored,)), None)

    with pytest.raises(RepositoryError, match=r"\.json: File too large"):
        publish_on_a_small_disk()
    assert everything(root) == {"chom", "chom/backups"}


def test_a_full_disk_while_publishing_leaves_nothing(
    stream: Stream, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def publish_on_a_full_disk() -> None:
        with stream.begin(Kind.FULL, NOON) as draft:
            stored = fill(draft)
            monkeypatch.setattr(local_store, "create_file", lambda _: os.open("/dev/full", os.O_WRONLY))
            draft.publish(a_manifest(objects=(stored,)), None)

    with pytest.raises(DiskFullError, match=r"manifest\.json: No space left on device"):
        publish_on_a_full_disk()
    assert everything(root) == {"chom", "chom/backups"}


@pytest.mark.parametrize("last", range(1, 16))
def test_a_disk_that_fails_at_any_moment_leaves_a_whole_backup_or_none(
    stream: Stream, root: Path, monkeypatch: pytest.MonkeyPatch, last: int
) -> None:
    countdown = iter(range(last - 1, -1, -1))

    def failing_sync(_: int) -> None:
        if not next(countdown, 0):
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", failing_sync)
        with suppress(RepositoryError):
            back_up(stream)
    assert [entry.problem(None) for entry in stream.entries()] in ([], [None])
    stream.clean()
    assert not [name for name in everything(root) if "incomplete" in name or "/." in name]


def test_what_is_in_the_way_is_never_replaced(stream: Stream, root: Path) -> None:
    (root / f"chom/backups/{ID}").mkdir(parents=True)
    (root / f"chom/backups/{ID}/notes.txt").write_text("mine")
    assert back_up(stream).id == "full_20260102_120001"


def test_what_is_not_a_backups_directory_is_listed_but_never_the_latest(stream: Stream, root: Path) -> None:
    back_up(stream)
    (root / "chom/backups/old copy").mkdir()
    (root / "chom/backups/old copy/RESTORE.md").write_text("how to")
    (root / "chom/backups/notes.txt").write_text("mine")
    entries = stream.entries()
    assert [(entry.id, entry.time) for entry in entries] == [(ID, NOON), ("old copy", None)]
    assert stream.find("latest").id == ID
    assert "No such file" in str(entries[1].problem(None))


def test_a_backup_that_is_not_there_is_not_found(stream: Stream) -> None:
    with pytest.raises(BackupNotFoundError, match="take one"):
        stream.find("latest")
    back_up(stream)
    with pytest.raises(BackupNotFoundError, match="'full_1' of the server 'chom'; it has 1"):
        stream.find("full_1")


def test_a_repository_that_is_not_mounted_is_not_made_up(tmp_path: Path) -> None:
    missing = Repository(LocalStore(tmp_path / "mnt" / "backups")).stream("chom")
    with pytest.raises(RepositoryError, match="no repository at"), missing.begin(Kind.FULL, NOON):
        pass
    assert not (tmp_path / "mnt").exists()


def test_a_place_where_nothing_can_be_made_is_named() -> None:
    with pytest.raises(RepositoryError, match="/proc/chom"):
        Repository(LocalStore(Path("/proc/chom"))).create()


def test_a_repository_that_cannot_be_read_is_not_called_empty(stream: Stream, root: Path) -> None:
    (root / "chom").mkdir()
    (root / "chom/backups").write_text("a file")
    with pytest.raises(RepositoryError, match="Not a directory"):
        stream.entries()


def test_a_server_name_never_leads_out_of_the_repository(repository: Repository) -> None:
    with pytest.raises(ConfigurationError, match="cannot name a folder"):
        repository.stream("../x")


def test_time_zones_do_not_change_the_id(stream: Stream) -> None:
    east = NOON.astimezone(timezone(timedelta(hours=5)))
    with stream.begin(Kind.FULL, east) as draft:
        assert draft.id == timed_text(NOON)


def timed_text(moment: datetime) -> str:
    return f"full_{moment.astimezone(UTC):%Y%m%d_%H%M%S}"


def test_no_listing_shows_what_was_never_a_backup(stream: Stream) -> None:
    """Not even beside runs that begin and fail, again and again."""
    good, done = back_up(stream), threading.Event()

    def fail_again_and_again() -> None:
        while not done.is_set():
            with suppress(KeyError), stream.begin(Kind.FULL, NOON) as draft:
                fill(draft)
                raise KeyError

    failing = threading.Thread(target=fail_again_and_again)
    failing.start()
    try:
        assert {entry.id for _ in range(300) for entry in stream.entries()} == {good.id}
    finally:
        done.set()
        failing.join()


def test_a_backup_of_another_stream_is_not_deleted_under_this_ones_locks(repository: Repository) -> None:
    entry = back_up(repository.stream("chom"))
    with pytest.raises(RepositoryError, match="is not in"):
        repository.stream("other").remove(entry)
    assert repository.backups("chom") == [entry]


def test_who_reads_when_the_disk_is_full_holds_off_a_deletion_that_comes_later(stream: Stream) -> None:
    entry = back_up(stream)
    with files_limited_to(0):
        reading = entry.reading("restore")
        reading.__enter__()
    with pytest.raises(RepositoryBusyError):
        stream.remove(entry, patience=0)
    reading.__exit__(None, None, None)
    stream.remove(entry, patience=0)


def test_what_other_machines_left_is_removed_only_when_no_run_could_still_be_at_it(
    stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        LocalStore, "capabilities", property(lambda _: Capabilities(rereads=True, locks_all_machines=False))
    )
    now, long_ago = datetime.now(UTC).isoformat(), (datetime.now(UTC) - timedelta(days=8)).isoformat()
    here = {"host": socket.gethostname(), "since": now}
    marks: dict[str, dict[str, object]] = {
        "full_20260101_000001": {"host": "elsewhere", "user": os.geteuid(), "since": now},
        "full_20260101_000002": {"host": "elsewhere", "user": os.geteuid(), "since": long_ago},
        "full_20260101_000003": {**here, "user": os.geteuid()},
        "full_20260101_000004": {**here, "user": os.geteuid() + 1},
        "full_20260101_000005": {"host": "elsewhere"},
    }
    for name, mark in marks.items():
        stream.folder.write(f"{name}/incomplete.json", json.dumps({"state": "taking", **mark}).encode())
    assert stream.clean() == ["full_20260101_000002", "full_20260101_000003"]
    assert stream.entries() == []


PUBLISHED_AND_KILLED = """
import os, signal, sys
from pathlib import Path
from chom_pipelines.repository.layout import INCOMPLETE
from chom_pipelines.repository.local_store import LocalStore
deleted = LocalStore.delete
def killed(store, name):
    if name.endswith(INCOMPLETE): os.kill(os.getpid(), signal.SIGKILL)
    deleted(store, name)
LocalStore.delete = killed
from datetime import datetime, timezone
from chom_pipelines.repository.repository import Repository
from chom_pipelines_tests.repository.test_streams import back_up
back_up(Repository(LocalStore(Path(sys.argv[1]))).stream("chom"))
"""


def test_what_was_published_gets_its_manifest_back_where_its_mark_is_still_there(stream: Stream, root: Path) -> None:
    run_killed(PUBLISHED_AND_KILLED, root)
    folder = root / "chom/backups" / ID
    assert (folder / "incomplete.json").exists()
    (folder / "manifest.json").unlink()
    assert back_up(stream).id == "full_20260102_120001"
    manifest = stream.find(ID).manifest(None)
    assert b"".join(read_object(stream.find(ID).folder, manifest.objects[0], None)) == b"some rows"
    assert not (folder / "incomplete.json").exists()


def test_killed_before_the_manifest_it_is_not_listed_and_the_next_run_puts_it(stream: Stream, root: Path) -> None:
    run_killed(PUBLISHED_AND_KILLED, root)
    (root / "chom/backups" / ID / "manifest.json").unlink()  # which is all that such a kill leaves out
    assert stream.entries() == []
    assert stream.clean() == []
    assert [entry.problem(None) for entry in stream.entries()] == [None]


def test_what_lacks_more_than_its_manifest_is_removed(stream: Stream, root: Path) -> None:
    run_killed(PUBLISHED_AND_KILLED, root)
    folder = root / "chom/backups" / ID
    (folder / "manifest.json").unlink()
    (folder / "data/a.zst").write_bytes(b"")
    assert stream.clean() == [ID]
    assert not folder.exists()


@pytest.mark.parametrize("mark", [b"", b"[]", b"{}", b'{"state": "unheard of"}'])
def test_what_no_mark_of_ours_explains_is_removed_by_nobody(stream: Stream, mark: bytes) -> None:
    stream.folder.write("full_20260101_000000/incomplete.json", mark)
    stream.folder.write("full_20260101_000000/data/a.zst", b"rows")
    assert stream.clean() == []
    assert stream.folder.exists("full_20260101_000000/data/a.zst")


def test_names_that_are_none_of_ours_hinder_nobody(stream: Stream, root: Path) -> None:
    entry = back_up(stream)
    for name in (b"alt\xe9", b"a\tb", b".hidden", b"a\nb"):
        strange = os.path.join(os.fsencode(root / "chom/backups"), name)  # noqa: PTH118  (bytes that are no text)
        os.mkdir(strange)  # noqa: PTH102
        os.close(os.open(os.path.join(strange, b"x"), os.O_CREAT))  # noqa: PTH118
    assert stream.entries() == [entry]
    back_up(stream)


def test_a_folder_that_cannot_be_looked_into_hinders_nobody_and_is_shown(
    stream: Stream, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = back_up(stream)
    (root / "chom/backups/full_20260102_110000/data").mkdir(parents=True)
    scandir, is_file = os.scandir, Path.is_file

    def denied(path: str | Path | None = None) -> object:
        if "110000" in str(path):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return scandir(path)

    def denied_file(path: Path) -> bool:
        if "110000" in str(path):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return is_file(path)

    monkeypatch.setattr(os, "scandir", denied)
    monkeypatch.setattr(Path, "is_file", denied_file)
    assert [entry.id for entry in stream.entries()] == ["full_20260102_110000", first.id]
    assert back_up(stream).id == "full_20260102_120001"


def test_what_is_unfinished_and_cannot_be_removed_holds_up_no_backup(
    stream: Stream, root: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_killed(KILLED, root)

    def refused(store: LocalStore, folder: str) -> None:
        raise RepositoryError(f"{store.where(folder)}: Operation not permitted", "")

    with monkeypatch.context() as patched:
        patched.setattr(LocalStore, "delete_folder", refused)
        assert back_up(stream).id == "full_20260102_120001"
    assert "what is unfinished cannot be removed" in caplog.text
    assert stream.clean() == [ID]


def test_a_link_in_what_is_unfinished_is_removed_and_not_what_it_leads_to(stream: Stream, root: Path) -> None:
    run_killed(KILLED, root)
    left = root / "chom/backups" / ID
    (left / "data").rename(root / "elsewhere")
    (left / "data").symlink_to(root / "elsewhere")
    assert stream.clean() == [ID]
    assert (root / "elsewhere/a.zst").exists()
    assert not left.exists()


def test_a_pipe_in_the_place_of_a_manifest_keeps_nobody_waiting(stream: Stream, root: Path) -> None:
    back_up(stream)
    (root / f"chom/backups/{ID}/manifest.json").unlink()
    os.mkfifo(root / f"chom/backups/{ID}/manifest.json")
    assert isinstance(stream.find(ID).problem(None), DamagedError)


def test_on_a_full_disk_a_backup_can_be_deleted(stream: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = back_up(stream)
    replaced = LocalStore.replace

    def full_while_it_has_a_manifest(store: LocalStore, name: str, data: bytes) -> None:
        if entry.folder.exists("manifest.json"):
            raise DiskFullError("no space left", "")
        replaced(store, name, data)

    monkeypatch.setattr(LocalStore, "replace", full_while_it_has_a_manifest)
    stream.remove(entry)
    assert stream.entries() == []
