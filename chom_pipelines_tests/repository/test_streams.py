"""Backups appear whole or not at all, and are listed in their order."""

import errno
import os
import stat
from contextlib import suppress
from datetime import timedelta, timezone
from pathlib import Path

import pytest

from chom_pipelines.errors import (
    BackupNotFoundError,
    ConfigurationError,
    DamagedError,
    DiskFullError,
    ObjectExistsError,
    RepositoryError,
)
from chom_pipelines.repository import local_upload
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.layout import BackupId, Kind
from chom_pipelines.repository.local_store import LocalStore
from chom_pipelines.repository.objects import read_object
from chom_pipelines.repository.repository import Repository
from chom_pipelines.repository.streams import Stream
from chom_pipelines_tests.repository.samples import AES, ID, KEY, NOON, a_manifest, files_limited_to
from chom_pipelines_tests.repository.streaming import (
    SEGMENT,
    back_up,
    everything,
    fill,
    timed_text,
)


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


def test_a_segment_is_archived_once(repository: Repository) -> None:
    stream = repository.binlogs("chom", "11")
    stream.folder.write(f"{SEGMENT.text}/manifest.json", b"{}")
    with pytest.raises(ObjectExistsError, match=SEGMENT.text), stream.begin_segment(SEGMENT):
        pass
    assert [entry.id for entry in stream.entries()] == [SEGMENT.text]


def test_segments_are_listed_in_their_order_and_keys_are_none(repository: Repository) -> None:
    stream = repository.binlogs("chom", "11")
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
            monkeypatch.setattr(local_upload, "create_file", lambda _: os.open("/dev/full", os.O_WRONLY))
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


def test_a_pipe_in_the_place_of_a_manifest_keeps_nobody_waiting(stream: Stream, root: Path) -> None:
    back_up(stream)
    (root / f"chom/backups/{ID}/manifest.json").unlink()
    os.mkfifo(root / f"chom/backups/{ID}/manifest.json")
    assert isinstance(stream.find(ID).problem(None), DamagedError)
