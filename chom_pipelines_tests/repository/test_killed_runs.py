"""What a killed run leaves is known for what it is, and the next run ends it."""

import errno
import json
import os
import socket
import threading
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from chom_pipelines.errors import (
    DamagedError,
    RepositoryBusyError,
    RepositoryError,
)
from chom_pipelines.repository.layout import Kind
from chom_pipelines.repository.local_store import LocalStore
from chom_pipelines.repository.objects import read_object
from chom_pipelines.repository.store import Capabilities
from chom_pipelines.repository.streams import Stream
from chom_pipelines_tests.repository.samples import ID, NOON, a_manifest
from chom_pipelines_tests.repository.streaming import (
    KILLED,
    KILLED_READER,
    PUBLISHED_AND_KILLED,
    back_up,
    everything,
    fill,
    run_killed,
)


def test_a_published_backup_has_no_mark_of_a_draft_and_nothing_that_is_unfinished(stream: Stream, root: Path) -> None:
    back_up(stream)
    top = f"chom/backups/{ID}"
    files = {f"{top}/{name}" for name in ("RESTORE.md", "data", "data/a.zst", "manifest.json")}
    assert everything(root) == {"chom", "chom/backups", top, *files}


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


def test_killed_holders_leave_nothing_locked(stream: Stream, root: Path) -> None:
    entry = back_up(stream)
    run_killed(KILLED_READER, root)
    run_killed(KILLED, root)
    stream.remove(entry, patience=0)
    back_up(stream)


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


def test_a_draft_that_began_where_another_had_just_ended_is_not_listed(
    stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    exists = LocalStore.exists
    with stream.begin(Kind.FULL, NOON) as draft:
        fill(draft)
        monkeypatch.setattr(
            LocalStore, "exists", lambda store, name: not name.endswith("incomplete.json") and exists(store, name)
        )
        assert stream.entries() == []


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
