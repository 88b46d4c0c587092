"""Keys that a whole stream shares, and what a manifest says of its key."""

import json
from pathlib import Path

import pytest

from chom_pipelines.errors import DamagedError, KeyUnavailableError, RepositoryError, UnknownFormatError
from chom_pipelines.repository.data_keys import StreamKey, add_stream_key, opened_key, parsed_key
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.layout import BackupId, Kind
from chom_pipelines.repository.local_store import LocalStore
from chom_pipelines.repository.master_keys import KeyKind
from chom_pipelines.repository.repository import Repository
from chom_pipelines.repository.streams import Stream
from chom_pipelines_tests.repository.samples import AES, KEY, NOON, RSA, a_manifest


@pytest.fixture
def stream(tmp_path: Path) -> Stream:
    return Repository(LocalStore(tmp_path)).binlogs("chom", "11")


@pytest.mark.parametrize("ring", [AES, RSA], ids=["aes", "rsa"])
def test_a_key_of_a_stream_comes_back_and_lies_there_wrapped(stream: Stream, ring: Keyring) -> None:
    name, key = add_stream_key(stream.folder, ring)
    assert opened_key(name, stream.folder, ring, "here") == key
    text = stream.folder.read(f"keys/{name.stream_key}.json")
    assert json.loads(text)["key_name"] == ring.active
    assert key.encryption.hex().encode() not in text
    assert stream.entries() == []


def test_many_backups_share_a_streams_key_and_each_is_sealed_with_it(tmp_path: Path) -> None:
    stream = Repository(LocalStore(tmp_path)).stream("chom")
    name, key = add_stream_key(stream.folder, AES)
    for _ in range(2):
        with stream.begin(Kind.FULL, NOON) as draft:
            draft.publish(a_manifest(backup=draft.id, key=name), key)
    assert [entry.data_key(AES) for entry in stream.entries()] == [key, key]
    assert [entry.manifest(AES).key_name for entry in stream.entries()] == [name.stream_key] * 2
    with pytest.raises(KeyUnavailableError):
        stream.entries()[0].manifest(Keyring().generate("another", KeyKind.AES_256))


def test_every_key_of_a_stream_is_another_one(stream: Stream) -> None:
    made = [add_stream_key(stream.folder, AES) for _ in range(5)]
    assert len({name for name, _ in made}) == len({key.to_bytes() for _, key in made}) == 5


def test_a_key_that_the_stream_has_lost_is_named(stream: Stream) -> None:
    with pytest.raises(DamagedError, match=r"keys/key-1\.json"):
        opened_key(StreamKey("key-1"), stream.folder, AES, "here")


@pytest.mark.parametrize("text", ["", "[]", "{", '{"format": 1}', '{"format": 1, "key_name": 7}'])
def test_a_damaged_key_is_named(stream: Stream, text: str) -> None:
    stream.folder.write("keys/key-1.json", text.encode())
    with pytest.raises(DamagedError, match=r"keys/key-1\.json: the key cannot be read"):
        opened_key(StreamKey("key-1"), stream.folder, AES, "here")


def test_a_key_of_another_format_is_refused_and_not_guessed(stream: Stream) -> None:
    stream.folder.write("keys/key-1.json", b'{"format": 9}')
    with pytest.raises(UnknownFormatError, match="format 9"):
        opened_key(StreamKey("key-1"), stream.folder, AES, "here")


def test_no_name_of_a_key_leads_out_of_the_stream(stream: Stream) -> None:
    with pytest.raises(DamagedError, match="is no name of a key"):
        parsed_key({"stream_key": "../../x"}, "here")
    with pytest.raises(RepositoryError, match="cannot be the name"):
        opened_key(StreamKey("../../x"), stream.folder, AES, "here")


def test_without_master_keys_the_one_that_is_missing_is_named(stream: Stream) -> None:
    name, _ = add_stream_key(stream.folder, AES)
    with pytest.raises(KeyUnavailableError, match="'aes' is not at hand"):
        opened_key(name, stream.folder, None, "here")


@pytest.mark.parametrize("body", [7, "key", {"stream_key": 7}, {"key_name": "a"}])
def test_a_key_that_is_none_is_damage(body: object) -> None:
    with pytest.raises(DamagedError, match="here: the key in the manifest cannot be read"):
        parsed_key(body, "here")


def test_a_segment_has_a_key_of_its_stream(stream: Stream) -> None:
    segment = BackupId(Kind.BINLOG, file="mysql-bin.000001", start=4)
    name, key = add_stream_key(stream.folder, AES)
    with stream.begin_segment(segment) as draft:
        assert draft.id == segment.text
        assert opened_key(name, draft.stream, AES, "here") == key
    assert key != KEY
