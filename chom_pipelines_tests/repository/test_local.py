import errno
import os
import signal
import stat
import subprocess
import sys
from contextlib import suppress
from datetime import timedelta, timezone
from pathlib import Path

import pytest

from chom_pipelines.errors import (
    BackupNotFoundError,
    ConfigurationError,
    DiskFullError,
    RepositoryBusyError,
    RepositoryError,
)
from chom_pipelines.repository import files
from chom_pipelines.repository.codecs import Codec
from chom_pipelines.repository.encryption import DataKey
from chom_pipelines.repository.entry import BackupEntry
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.local import Draft, Repository
from chom_pipelines.repository.objects import ObjectWriter, StoredObject, read_object
from chom_pipelines_tests.repository.samples import AES, KEY, NOON, a_manifest, files_limited_to

KILLED = """
import os, signal, sys
from datetime import datetime, timezone
from pathlib import Path
from chom_pipelines.repository.codecs import Codec
from chom_pipelines.repository.local import Repository
from chom_pipelines.repository.objects import ObjectWriter
with Repository(Path(sys.argv[1])).begin("chom", datetime(2026, 1, 2, 12, tzinfo=timezone.utc)) as draft:
    with ObjectWriter(draft.path, "data/a", Codec.ZSTD, 3, None) as writer:
        writer.write(b"x")
        os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    repository = Repository(tmp_path / "repository")
    repository.create()
    return repository


def fill(draft: Draft, key: DataKey | None = None) -> StoredObject:
    with ObjectWriter(draft.path, "data/a", Codec.ZSTD, 3, key) as writer:
        writer.write(b"some rows")
    draft.write("RESTORE.md", b"how to")
    return writer.close()


def back_up(repository: Repository, keyring: Keyring | None = None) -> BackupEntry:
    key = KEY if keyring else None
    with repository.begin("chom", NOON) as draft:
        objects = (fill(draft, key),)
        wrapped = keyring.wrap(KEY) if keyring else None
        return draft.publish(a_manifest(backup=draft.id, objects=objects, key=wrapped), key)


def everything(repository: Repository) -> set[str]:
    return {str(path.relative_to(repository.path)) for path in repository.path.rglob("*") if path.name != ".lock"}


@pytest.mark.parametrize("keyring", [None, AES], ids=["plain", "encrypted"])
def test_a_published_backup_is_found_and_read(repository: Repository, keyring: Keyring | None) -> None:
    published = back_up(repository, keyring)
    found = repository.find("chom", "latest")
    assert found == published == repository.find("chom", "full_20260102_120000")
    assert found.time == NOON
    manifest = found.manifest(keyring)
    key = found.data_key(keyring)
    assert b"".join(read_object(found.path, manifest.objects[0], manifest.codec, key)) == b"some rows"


def test_everything_in_the_repository_is_private_whatever_the_umask(repository: Repository) -> None:
    before = os.umask(0)
    try:
        back_up(repository)
    finally:
        os.umask(before)
    for path in (repository.path, *repository.path.rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600)


def test_nothing_is_listed_before_it_is_published(repository: Repository) -> None:
    with repository.begin("chom", NOON) as draft:
        stored = fill(draft)
        assert repository.backups("chom") == []
        draft.publish(a_manifest(objects=(stored,)), None)
        assert [entry.id for entry in repository.backups("chom")] == [draft.id]
    assert [entry.id for entry in repository.backups("chom")] == [draft.id]


def test_backups_of_one_second_get_ids_of_their_own_and_are_listed_in_order(repository: Repository) -> None:
    made = [back_up(repository).id for _ in range(3)]
    assert made == [f"full_20260102_12000{second}" for second in range(3)]
    assert [entry.id for entry in repository.backups("chom")] == made
    assert repository.find("chom", "latest").id == made[-1]


def test_a_failed_run_leaves_nothing(repository: Repository) -> None:
    def failing() -> None:
        with repository.begin("chom", NOON) as draft:
            fill(draft)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        failing()
    assert everything(repository) == {"chom", "chom/backups"}


def test_a_run_that_forgets_to_publish_leaves_nothing(repository: Repository) -> None:
    with repository.begin("chom", NOON) as draft:
        fill(draft)
    assert everything(repository) == {"chom", "chom/backups"}


def test_what_a_killed_run_left_is_not_listed_and_the_next_run_removes_it(repository: Repository) -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED, str(repository.path)], check=False)
    assert killed.returncode == -signal.SIGKILL
    left = "chom/backups/.incomplete-full_20260102_120000"
    assert f"{left}/data/a.zst" in everything(repository)
    assert repository.backups("chom") == []
    back_up(repository)
    assert left not in everything(repository)
    assert [entry.id for entry in repository.backups("chom")] == ["full_20260102_120000"]


def test_cleaning_removes_what_killed_runs_left_and_nothing_else(repository: Repository) -> None:
    subprocess.run([sys.executable, "-c", KILLED, str(repository.path)], check=False)
    assert repository.clean("chom") == [".incomplete-full_20260102_120000"]
    back_up(repository)
    before = everything(repository)
    assert repository.clean("chom") == []
    assert everything(repository) == before


def test_a_run_at_work_is_not_cleaned_away_and_not_joined_by_another(repository: Repository) -> None:
    with repository.begin("chom", NOON) as draft:
        stored = fill(draft)
        with pytest.raises(RepositoryBusyError, match="full backup of chom"):
            repository.clean("chom")
        with pytest.raises(RepositoryBusyError, match="full backup of chom"), repository.begin("chom", NOON):
            pass
        draft.publish(a_manifest(objects=(stored,)), None)
    assert len(repository.backups("chom")) == 1


def test_another_servers_backup_need_not_wait(repository: Repository) -> None:
    with repository.begin("chom", NOON), repository.begin("other", NOON):
        pass


def test_a_manifest_that_does_not_describe_the_draft_is_not_published(repository: Repository) -> None:
    with repository.begin("chom", NOON) as draft:
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
        assert repository.backups("chom") == []
        draft.publish(good, None)


@pytest.mark.parametrize("loss", ["unlink", "truncate"])
def test_a_backup_that_lost_an_object_meanwhile_is_not_published(repository: Repository, loss: str) -> None:
    with repository.begin("chom", NOON) as draft:
        stored = fill(draft)
        file = draft.path / stored.path
        if loss == "unlink":
            file.unlink()
        else:
            os.truncate(file, 3)
        with pytest.raises(RepositoryError, match=r"data/a\.zst is not there with"):
            draft.publish(a_manifest(objects=(stored,)), None)
    assert everything(repository) == {"chom", "chom/backups"}


def test_a_limit_on_the_size_of_files_while_publishing_leaves_nothing(repository: Repository) -> None:
    def publish_on_a_small_disk() -> None:
        with repository.begin("chom", NOON) as draft:
            stored = fill(draft)
            with files_limited_to(500):
                draft.publish(a_manifest(objects=(stored,)), None)

    with pytest.raises(RepositoryError, match=r"manifest\.json: File too large"):
        publish_on_a_small_disk()
    assert everything(repository) == {"chom", "chom/backups"}


def test_a_full_disk_while_publishing_leaves_nothing(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    def publish_on_a_full_disk() -> None:
        with repository.begin("chom", NOON) as draft:
            stored = fill(draft)
            monkeypatch.setattr(files, "create_file", lambda _: os.open("/dev/full", os.O_WRONLY))
            draft.publish(a_manifest(objects=(stored,)), None)

    with pytest.raises(DiskFullError, match=r"manifest\.json: No space left on device"):
        publish_on_a_full_disk()
    assert everything(repository) == {"chom", "chom/backups"}


def test_every_byte_and_name_is_on_disk_before_the_backup_is_visible(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    sync, rename = os.fsync, Path.rename

    def recording_sync(descriptor: int) -> None:
        done.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        sync(descriptor)

    def recording_rename(source: Path, target: Path) -> Path:
        done.append("rename")
        return rename(source, target)

    monkeypatch.setattr(os, "fsync", recording_sync)
    monkeypatch.setattr(Path, "rename", recording_rename)
    with repository.begin("chom", NOON) as draft:
        stored = fill(draft)
        files_of_draft = [draft.path, *draft.path.rglob("*")]
        done.clear()
        draft.publish(a_manifest(objects=(stored,)), None)
    before, after = done[: done.index("rename")], done[done.index("rename") + 1 :]
    assert {str(path) for path in files_of_draft} <= set(before)
    assert Path(before[-2]).name.startswith(".manifest.json.")
    assert before[-1] == str(draft.path)
    assert after == [str(draft.path.parent)]


@pytest.mark.parametrize("last", range(1, 12))
def test_a_disk_that_fails_at_any_moment_leaves_a_whole_backup_or_none(
    repository: Repository, monkeypatch: pytest.MonkeyPatch, last: int
) -> None:
    countdown = iter(range(last - 1, -1, -1))

    def failing_sync(_: int) -> None:
        if not next(countdown, 0):
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", failing_sync)
    with suppress(RepositoryError):
        back_up(repository)
    assert [entry.problem(None) for entry in repository.backups("chom")] in ([], [None])
    assert all(".incomplete" not in name for name in everything(repository))


def test_an_empty_directory_in_the_way_is_never_replaced(repository: Repository) -> None:
    (repository.path / "chom/backups/full_20260102_120000").mkdir(parents=True)
    assert back_up(repository).id == "full_20260102_120001"


def test_what_is_not_a_backups_directory_is_listed_but_never_the_latest(repository: Repository) -> None:
    back_up(repository)
    (repository.path / "chom/backups/old copy").mkdir()
    (repository.path / "chom/backups/notes.txt").write_text("mine")
    entries = repository.backups("chom")
    assert [(entry.id, entry.time) for entry in entries] == [("full_20260102_120000", NOON), ("old copy", None)]
    assert repository.find("chom", "latest").id == "full_20260102_120000"
    assert "No such file" in str(entries[1].problem(None))


def test_a_backup_that_is_not_there_is_not_found(repository: Repository) -> None:
    with pytest.raises(BackupNotFoundError, match="take one with"):
        repository.find("chom", "latest")
    back_up(repository)
    with pytest.raises(BackupNotFoundError, match="'full_1' of the server 'chom'; it has 1"):
        repository.find("chom", "full_1")


def test_a_repository_that_is_not_mounted_is_not_made_up(tmp_path: Path) -> None:
    missing = Repository(tmp_path / "mnt" / "backups")
    with pytest.raises(RepositoryError, match="no repository at"), missing.begin("chom", NOON):
        pass
    assert not (tmp_path / "mnt").exists()


def test_a_place_where_nothing_can_be_made_is_named() -> None:
    with pytest.raises(RepositoryError, match="/proc/chom"):
        Repository(Path("/proc/chom")).create()


def test_a_repository_that_cannot_be_read_is_not_called_empty(repository: Repository) -> None:
    (repository.path / "chom").mkdir()
    (repository.path / "chom/backups").write_text("a file")
    with pytest.raises(RepositoryError, match="Not a directory"):
        repository.backups("chom")


def test_a_server_name_never_leads_out_of_the_repository(repository: Repository) -> None:
    with pytest.raises(ConfigurationError, match="cannot name a directory"), repository.begin("../x", NOON):
        pass


def test_time_zones_do_not_change_the_id(repository: Repository) -> None:
    east = NOON.astimezone(timezone(timedelta(hours=5)))
    with repository.begin("chom", east) as draft:
        assert draft.id == "full_20260102_120000"
