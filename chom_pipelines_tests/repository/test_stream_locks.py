"""Readers, writers and deletion get along."""

import errno
import os
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress

import pytest

from chom_pipelines.errors import (
    DiskFullError,
    RepositoryBusyError,
    RepositoryError,
)
from chom_pipelines.repository.layout import Kind
from chom_pipelines.repository.local_store import LocalStore
from chom_pipelines.repository.objects import read_object
from chom_pipelines.repository.repository import Repository
from chom_pipelines.repository.streams import Stream
from chom_pipelines_tests.repository.samples import ID, NOON, a_manifest, files_limited_to
from chom_pipelines_tests.repository.streaming import (
    SEGMENT,
    back_up,
    fill,
)


def test_another_servers_backup_and_the_binary_log_need_not_wait(repository: Repository) -> None:
    segments = repository.binlogs("chom", "11")
    with (
        repository.stream("chom").begin(Kind.FULL, NOON),
        repository.stream("other").begin(Kind.FULL, NOON),
        segments.begin_segment(SEGMENT),
        repository.binlogs("chom", "12").begin_segment(SEGMENT),
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
        time.sleep(0.3)  # longer than a reader that does not wait needs
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
