"""A file of the log is past where retention has deleted it, and at no other place."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from chom_pipelines.binlogs.archive.pruned import DOCUMENT, NAME, Pruned, keep_pruned, read_pruned
from chom_pipelines.binlogs.archive.segments import Segment
from chom_pipelines.errors import DamagedError, UnencryptedError
from chom_pipelines.repository.data_keys import add_stream_key
from chom_pipelines.repository.local_store import LocalStore
from chom_pipelines.repository.repository import Repository
from chom_pipelines.repository.streams import Stream
from chom_pipelines_tests.binlogs.segments import segment
from chom_pipelines_tests.repository.samples import AES, RSA

NOTE = Pruned(
    server="source", history="11", key=None, deleted="mysql-bin.000005", stays="mysql-bin.000007", head="7" * 64
)


@pytest.fixture
def stream(tmp_path: Path) -> Stream:
    return Repository(LocalStore(tmp_path)).binlogs("source", "11")


@pytest.mark.parametrize(
    ("file", "is_past"),
    [
        ("mysql-bin.000001", True),
        ("mysql-bin.000005", True),
        ("mysql-bin.000006", False),  # it is lacking, and was not deleted
        ("mysql-bin.000007", False),
        ("mysql-bin.000008", False),
        ("other-bin.000001", False),
    ],
)
def test_past_is_what_is_not_behind_the_last_that_was_deleted(file: str, *, is_past: bool) -> None:
    assert NOTE.is_past(file) == is_past


def test_whatever_a_note_says_what_is_not_before_the_one_that_stays_is_not_past() -> None:
    forged = NOTE.model_copy(update={"deleted": "mysql-bin.999999"})
    assert [forged.is_past(f"mysql-bin.00000{number}") for number in (6, 7, 8)] == [True, False, False]


def _archived(head: str) -> Segment:
    return replace(segment(7), head=head)


def test_a_note_holds_where_the_very_file_that_stays_is_there() -> None:
    assert NOTE.holds_for([segment(1), _archived("7" * 64)])
    assert not NOTE.holds_for([_archived("8" * 64)])  # another file of that name: the server counts them anew
    assert not NOTE.holds_for([replace(_archived("7" * 64), file="mysql-bin.000008")])
    assert not NOTE.holds_for([])


def test_a_note_is_read_as_it_was_kept_and_by_who_cannot_decrypt_too(stream: Stream) -> None:
    for ring in (AES, RSA):
        key, _ = add_stream_key(stream.folder, ring)
        keep_pruned(stream, replace(segment(5), stream_key=key.stream_key), segment(7), ring)
        found = read_pruned(stream, ring)
        assert found
        assert (found.deleted, found.stays, found.head) == ("mysql-bin.000005", "mysql-bin.000007", segment(7).head)
        assert read_pruned(stream, RSA.without_private()) == found


def test_a_note_of_nobody_s_or_of_another_history_is_not_believed(stream: Stream) -> None:
    assert read_pruned(stream, AES) is None
    stream.folder.replace(NAME, DOCUMENT.seal(NOTE, None))
    assert read_pruned(stream, None) == NOTE
    with pytest.raises(UnencryptedError):
        read_pruned(stream, AES)
    for other in ({"history": "12"}, {"server": "another"}):
        stream.folder.replace(NAME, DOCUMENT.seal(NOTE.model_copy(update=other), None))
        with pytest.raises(DamagedError, match="is the record of"):
            read_pruned(stream, None)
