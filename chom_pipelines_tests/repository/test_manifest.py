import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chom_pipelines.errors import DamagedError, UnknownFormatError
from chom_pipelines.repository.manifest import peek, seal, unseal
from chom_pipelines.repository.objects import StoredObject
from chom_pipelines_tests.repository.samples import AES, KEY, a_manifest

OBJECTS = (StoredObject("data/a.zst", 300, 100, "c" * 64, None), StoredObject("data/b.zst", 100, 100, "d" * 64, None))
MANIFEST = a_manifest(objects=OBJECTS, key=AES.wrap(KEY))

mac_keys = st.sampled_from([None, KEY.mac])
WITH_AND_WITHOUT_KEY = pytest.mark.parametrize("mac_key", [None, KEY.mac], ids=["plain", "keyed"])


@WITH_AND_WITHOUT_KEY
def test_a_sealed_manifest_comes_back(mac_key: bytes | None) -> None:
    assert unseal(seal(MANIFEST, mac_key), mac_key, "here") == MANIFEST


@WITH_AND_WITHOUT_KEY
def test_every_flipped_byte_of_a_manifest_is_found(mac_key: bytes | None) -> None:
    whole = seal(MANIFEST, mac_key)
    for position in range(len(whole)):
        flipped = bytearray(whole)
        flipped[position] ^= 1 << position % 7
        with pytest.raises((DamagedError, UnknownFormatError), match="here: the manifest"):
            unseal(bytes(flipped), mac_key, "here")


@given(mac_keys, st.data())
def test_any_change_of_a_manifest_is_found(mac_key: bytes | None, data: st.DataObject) -> None:
    whole = seal(MANIFEST, mac_key)
    start, end = sorted(data.draw(st.tuples(st.integers(0, len(whole)), st.integers(0, len(whole)))))
    changed = whole[:start] + data.draw(st.binary(max_size=20)) + whole[end:]
    if changed != whole:
        with pytest.raises((DamagedError, UnknownFormatError)):
            unseal(changed, mac_key, "here")


@WITH_AND_WITHOUT_KEY
@pytest.mark.parametrize("more", [b', "tables": []', b"\n", b' "seal": ""'])
def test_nothing_can_be_added_behind_the_seal(mac_key: bytes | None, more: bytes) -> None:
    whole = seal(MANIFEST, mac_key)
    assert whole.endswith(b'"\n}\n')
    for changed in (whole.removesuffix(b"\n}\n") + more + b"\n}\n", whole + more):
        with pytest.raises(DamagedError):
            unseal(changed, mac_key, "here")


def test_a_manifest_sealed_without_the_key_is_not_believed_where_there_is_one() -> None:
    for mac_key in (None, bytes(32)):
        with pytest.raises(DamagedError, match="seal does not match"):
            unseal(seal(MANIFEST, mac_key), KEY.mac, "here")


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"7", b"{}", b"\xff", b"[" * 200_000])
def test_what_is_no_manifest_is_damaged(data: bytes) -> None:
    with pytest.raises(DamagedError, match="here: the manifest"):
        peek(data, "here")


@pytest.mark.parametrize("known", [0, 2, "1", None])
def test_an_unknown_format_is_refused_and_not_guessed(known: object) -> None:
    body = json.loads(seal(MANIFEST, None)) | {"format": known, "something": "new"}
    with pytest.raises(UnknownFormatError, match=f"of format {known!r}; this version reads 1"):
        unseal(json.dumps(body).encode(), None, "here")


def test_a_sealed_manifest_that_lacks_something_is_damaged() -> None:
    text, mark, _ = seal(MANIFEST, None).rpartition(b' "seal": "sha256:')
    text = text.replace(b'"rows": 2', b'"rows": "many"')
    data = text + mark + hashlib.sha256(text).hexdigest().encode() + b'"\n}\n'
    with pytest.raises(DamagedError, match=r"wrong at tables\.0\.parts\.0\.rows"):
        unseal(data, None, "here")


def test_the_key_is_found_before_the_manifest_is_authenticated() -> None:
    assert peek(seal(MANIFEST, KEY.mac), "here")["key"]["key_name"] == "aes"


def test_grep_finds_an_object_on_one_line() -> None:
    lines = [line for line in seal(MANIFEST, None).decode().splitlines() if "data/a.zst" in line]
    assert len(lines) == 1
    assert json.loads(lines[0].rstrip(","))["sha256"] == "c" * 64


def test_sums_are_those_of_the_parts() -> None:
    assert (MANIFEST.raw_bytes, MANIFEST.stored_bytes, MANIFEST.rows, MANIFEST.ratio) == (400, 200, 2, 2.0)
    assert a_manifest().ratio == 1.0
    assert (MANIFEST.tables[0].bytes, len(MANIFEST.tables[0].digest)) == (9, 64)
