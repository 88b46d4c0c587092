"""What every store promises, whatever it is made of."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from chom_pipelines.errors import ObjectExistsError, ObjectMissingError, RepositoryError
from chom_pipelines.repository import s3_store
from chom_pipelines.repository.azure_store import AzureStore
from chom_pipelines.repository.google_store import GoogleStore
from chom_pipelines.repository.store import PIECE, Folder, Listed, Store, uploading

NO_NAMES = [
    "",
    ".",
    "..",
    "../a",
    "/etc/passwd",
    "a/../../b",
    "a//b",
    "a/",
    ".a",
    "a/.b",
    "a\0",
    "a\nb",
    "\ud800",
    "\uffff",
]
LARGE = 20 << 20  # more than an object store takes at once

ELSEWHERE = """
import json, os, signal, sys
from chom_pipelines.repository.azure_store import AzureStore
from chom_pipelines.repository.google_store import GoogleStore
from chom_pipelines.repository.store import Folder, StoreAddress
from chom_pipelines.repository.stores import open_store
store = open_store(StoreAddress(**json.loads(sys.argv[1])))
"""
READS_AND_WRITES = ELSEWHERE + "Folder(store, 'there').write('answer', Folder(store, 'a').read('b')[::-1])"
DIES_WHILE_IT_PUTS = ELSEWHERE + (
    "upload = store.put('a/b')\nfor _ in range(20): upload.write(bytes(1 << 20))\nos.kill(os.getpid(), signal.SIGKILL)"
)


def elsewhere(script: str, store: Store) -> int:
    command = [sys.executable, "-c", script, json.dumps(store.address.to_json())]
    return subprocess.run(command, check=False).returncode


def put(store: Store, name: str, data: bytes = b"x") -> None:
    with uploading(store.put(name)) as upload:
        for begin in range(0, len(data), PIECE):
            upload.write(data[begin : begin + PIECE])


def read(store: Store, name: str, start: int = 0, length: int | None = None) -> bytes:
    return b"".join(store.open(name, start, length))


def names(store: Store, folder: str = "") -> list[str]:
    return [each.name for each in store.below(folder)]


def nothing_is_there(store: Store) -> bool:
    return not store.below("") and not store.folders("") and not store.exists("a/b")


@pytest.mark.parametrize("size", [0, 1, PIECE, PIECE + 1, LARGE, 40 << 20])
def test_what_was_put_is_read_back_in_pieces(store: Store, size: int) -> None:
    data = os.urandom(size)
    put(store, "a/b", data)
    pieces = list(store.open("a/b"))
    assert b"".join(pieces) == data
    assert all(0 < len(piece) <= PIECE for piece in pieces)
    assert store.exists("a/b")
    assert store.below("a") == [Listed("a/b", size)]


def test_any_range_is_read(store: Store) -> None:
    data = os.urandom(3 * PIECE)
    put(store, "a", data)
    for start in (0, 1, PIECE, len(data) - 1, len(data), len(data) + 9):
        for length in (None, 0, 1, PIECE, PIECE + 1, len(data), len(data) + 9):
            expected = data[start:] if length is None else data[start : start + length]
            assert read(store, "a", start, length) == expected


def test_a_range_of_nothing_is_empty(store: Store) -> None:
    put(store, "a", b"")
    assert [read(store, "a", start, length) for start in (0, 1) for length in (None, 0, 1)] == [b""] * 6


@pytest.mark.parametrize("size", [0, 1, LARGE])
def test_nothing_is_there_before_it_is_committed(store: Store, size: int) -> None:
    upload = store.put("a/b")
    upload.write(bytes(size))
    assert nothing_is_there(store)
    with pytest.raises(ObjectMissingError):
        read(store, "a/b")
    upload.commit()
    assert names(store) == ["a/b"]


@pytest.mark.parametrize("size", [0, 1, LARGE])
def test_an_aborted_upload_leaves_nothing_and_its_name_is_free(store: Store, size: int) -> None:
    upload = store.put("a/b")
    upload.write(bytes(size))
    upload.abort()
    upload.abort()
    assert nothing_is_there(store)
    with pytest.raises(RepositoryError):
        upload.write(b"x")
    with pytest.raises(RepositoryError):
        upload.commit()
    assert nothing_is_there(store)
    put(store, "a/b")


def test_an_upload_that_is_interrupted_leaves_nothing(store: Store) -> None:
    def interrupted() -> None:
        with uploading(store.put("a/b")) as upload:
            upload.write(bytes(LARGE))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert nothing_is_there(store)


def test_what_was_committed_cannot_be_aborted(store: Store) -> None:
    upload = store.put("a/b")
    upload.write(b"x")
    upload.commit()
    upload.abort()
    assert read(store, "a/b") == b"x"


def test_a_process_that_is_killed_while_it_puts_leaves_nothing(store: Store) -> None:
    assert elsewhere(DIES_WHILE_IT_PUTS, store) == -signal.SIGKILL
    assert nothing_is_there(store)
    put(store, "a/b")
    store.delete_folder("a")
    assert nothing_is_there(store)


@pytest.mark.parametrize("size", [1, LARGE])
def test_a_name_that_is_taken_is_never_overwritten(store: Store, size: int) -> None:
    put(store, "a/b", b"first")
    with pytest.raises(ObjectExistsError, match="a/b is there already"):
        put(store, "a/b", bytes(size))
    assert read(store, "a/b") == b"first"
    assert store.below("") == [Listed("a/b", 5)]


@pytest.mark.parametrize("size", [1, LARGE])
def test_of_uploads_begun_at_once_exactly_one_wins(store: Store, size: int) -> None:
    together = threading.Barrier(4)

    def contend(number: int) -> bool:
        upload = store.put("a/b")
        upload.write(bytes([number]) * size)
        together.wait()
        try:
            upload.commit()
        except ObjectExistsError:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        won = list(pool.map(contend, range(4)))
    assert won.count(True) == 1
    assert read(store, "a/b") == bytes([won.index(True)]) * size
    assert store.below("") == [Listed("a/b", size)]


def test_what_reads_while_it_is_replaced_sees_all_of_the_old_or_of_the_new(store: Store) -> None:
    old, new = b"o" * 3 * PIECE, b"n" * 3 * PIECE
    store.replace("a/b", old)
    reading = store.open("a/b")
    first = next(reading)
    store.replace("a/b", new)
    assert first + b"".join(reading) in (old, new)
    assert read(store, "a/b") == new
    assert names(store) == ["a/b"]


@pytest.mark.parametrize("length", [None, 0, 1])
def test_a_name_that_is_not_there_is_missing_at_the_first_piece(store: Store, length: int | None) -> None:
    put(store, "a/b/c")
    for name in ("x", "a/b/x", "a/b", "a/b/c/x"):
        assert not store.exists(name)
        with pytest.raises(ObjectMissingError, match=name):
            next(store.open(name, 0, length))


@pytest.mark.parametrize("name", NO_NAMES)
def test_what_leads_out_of_the_store_or_is_hidden_or_no_text_is_no_name(store: Store, name: str) -> None:
    put(store, "a/b")
    calls: list[Callable[[], object]] = [
        lambda: store.put(name),
        lambda: store.replace(name, b"x"),
        lambda: next(store.open(name)),
        lambda: store.exists(name),
        lambda: store.delete(name),
        lambda: store.delete_folder(name),
        lambda: store.lock(name, "x", shared=True, patience=0),
        *([lambda: store.below(name), lambda: store.folders(name)] if name else []),
    ]
    for call in calls:
        with pytest.raises(RepositoryError, match="cannot be the name"):
            call()
    assert names(store) == ["a/b"]


def test_all_below_a_folder_is_listed_sorted_with_its_size_and_its_neighbours_are_not(store: Store) -> None:
    every = ["a/b/c/d", "a/b c", "a/b-", "a/b.x", "a/b/ä#?%2F&+'\"<>", "a/bc/d", "b", "ab/c", "a/b/\U0001f600"]
    for size, name in enumerate(every):
        put(store, name, bytes(size))
    sizes = {name: size for size, name in enumerate(every)}
    assert store.below("") == [Listed(name, sizes[name]) for name in sorted(every)]
    assert names(store, "a/b") == sorted(name for name in every if name.startswith("a/b/"))
    assert names(store, "a/b/c") == ["a/b/c/d"]
    assert names(store, "x") == names(store, "a/b/x/y") == []
    assert all(read(store, name) == bytes(size) for name, size in sizes.items())


def test_more_names_than_one_answer_has_are_listed_and_deleted(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_store, "_AT_ONCE", 100)
    many = [f"a/{number:03d}/{number % 7}" for number in range(250)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: store.replace(name, b"x"), (*many, "ab/c")))
    assert names(store, "a") == many
    assert store.folders("a") == [f"{number:03d}" for number in range(250)]
    store.delete_folder("a")
    assert names(store) == ["ab/c"]


def test_only_the_next_folders_are_told(store: Store) -> None:
    for name in ("a/b/c/d", "a/b/e", "a/f", "a/ä/g", "ab/c", "h"):
        put(store, name)
    assert store.folders("") == ["a", "ab"]
    assert store.folders("a") == ["b", "ä"]
    assert store.folders("a/b/c") == store.folders("x") == []


def test_a_folder_is_there_as_long_as_something_is_below_it(store: Store) -> None:
    put(store, "a/b/c")
    with store.lock("x/y", "holds", shared=True, patience=0):
        assert store.folders("") == ["a"]
    store.delete("a/b/c")
    assert store.folders("") == store.folders("a") == []
    put(store, "a/b/c")
    assert store.folders("a") == ["b"]


def test_to_delete_what_is_not_there_is_no_error(store: Store) -> None:
    put(store, "a/b")
    for name in ("x", "a/x", "x/y"):
        store.delete(name)
        store.delete_folder(name)
    assert names(store) == ["a/b"]


def test_what_is_deleted_is_gone_and_what_stands_beside_it_is_not(store: Store) -> None:
    for name in ("a/b/c", "a/b/d/e", "a/bc/d", "a/b-c", "a b/c"):
        put(store, name)
    store.delete("a/b/c")
    assert not store.exists("a/b/c")
    assert names(store, "a/b") == ["a/b/d/e"]
    store.delete_folder("a/b")
    assert names(store) == sorted(["a/bc/d", "a/b-c", "a b/c"])
    put(store, "a/b/c", b"again")
    assert read(store, "a/b/c") == b"again"


def test_a_store_is_made_once_and_kept(store: Store) -> None:
    assert store.is_there()
    put(store, "a")
    store.create()
    assert names(store) == ["a"]


def test_its_address_opens_it_in_another_process(store: Store) -> None:
    put(store, "a/b", b"question")
    assert elsewhere(READS_AND_WRITES, store) == 0
    assert read(store, "there/answer") == b"noitseuq"


def test_people_are_told_the_place(store: Store) -> None:
    assert store.where("a/b") == f"{store.where('')}/a/b"
    assert Folder(store, "a").where("b") == store.where("a/b")


def test_two_stores_share_nothing(fresh_store: Callable[[], Store]) -> None:
    one, other = fresh_store(), fresh_store()
    put(one, "a")
    assert names(other) == []
    with (
        one.lock("a", "one", shared=False, patience=0),
        other.lock("a", "other", shared=False, patience=0),
    ):
        pass


def test_what_uploads_that_never_ended_have_left_is_thrown_away_and_nothing_else(store: Store) -> None:
    put(store, "a/b/there", b"whole")
    put(store, "ab/there", b"whole")
    upload, other = store.put("a/b/c"), store.put("ab/c")
    for each in (upload, other):
        for _ in range(LARGE // PIECE):
            each.write(bytes(PIECE))
    store.forget_uploads("a")
    if isinstance(store, (AzureStore, GoogleStore)):  # which forget them by themselves, a week later
        upload.abort()
    else:
        with pytest.raises(RepositoryError):
            upload.commit()
    other.commit()
    assert [each.name for each in store.below("")] == ["a/b/there", "ab/c", "ab/there"]


def test_what_is_put_anew_is_the_old_or_the_new_and_the_new_when_it_is_committed(store: Store) -> None:
    put(store, "a", b"old")
    upload = store.put("a", anew=True)
    upload.write(bytes(LARGE))
    assert read(store, "a") == b"old"
    upload.commit()
    assert read(store, "a") == bytes(LARGE)
    upload = store.put("a", anew=True)
    upload.write(b"x")
    upload.abort()
    assert read(store, "a") == bytes(LARGE)
