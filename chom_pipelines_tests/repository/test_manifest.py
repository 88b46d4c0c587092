import hashlib
import json
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from chom_pipelines.errors import DamagedError, UnknownFormatError, UnsupportedBackupError
from chom_pipelines.repository.layout import Kind
from chom_pipelines.repository.manifest import Manifest, peek, seal, unseal
from chom_pipelines.repository.payloads import Method
from chom_pipelines_tests.repository.samples import AES, ID, KEY, a_manifest, manifests, stored

OBJECTS = (stored("data/a.zst", 300, 100, "c"), stored("data/b.zst", 100, 100, "d"))
MANIFEST = a_manifest(objects=OBJECTS, key=AES.wrap(KEY))

mac_keys = st.sampled_from([None, KEY.mac])
WITH_AND_WITHOUT_KEY = pytest.mark.parametrize("mac_key", [None, KEY.mac], ids=["plain", "keyed"])


@WITH_AND_WITHOUT_KEY
def test_a_sealed_manifest_comes_back(mac_key: bytes | None) -> None:
    assert unseal(seal(MANIFEST, mac_key), mac_key, "here") == MANIFEST


@given(manifests, mac_keys)
def test_a_manifest_of_every_kind_and_method_comes_back(manifest: Manifest, mac_key: bytes | None) -> None:
    found = unseal(seal(manifest, mac_key), mac_key, "here")
    assert (found, found.fingerprint) == (manifest, manifest.fingerprint)


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


@pytest.mark.parametrize("known", [0, 1, 3, "2", None])
def test_an_unknown_format_is_refused_and_not_guessed(known: object) -> None:
    body = json.loads(seal(MANIFEST, None)) | {"format": known, "something": "new"}
    with pytest.raises(UnknownFormatError, match=f"of format {known!r}; this version reads 2"):
        unseal(json.dumps(body).encode(), None, "here")


@pytest.mark.parametrize(
    ("known", "unknown", "complaint"),
    [
        (b'"full"', b'"differential"', r"the kind 'differential'; this version knows full, incremental, binlog"),
        (b'"logical"', b'"snapshot"', r"the method 'snapshot'; this version knows logical, physical, binlog"),
    ],
)
def test_an_unknown_kind_or_method_is_refused_by_name(known: bytes, unknown: bytes, complaint: str) -> None:
    with pytest.raises(UnknownFormatError, match=complaint):
        unseal(resealed(known, unknown), None, "here")


def resealed(old: bytes, new: bytes) -> bytes:
    """The manifest with something else in it, as another version might have written it."""
    text, mark, _ = seal(MANIFEST, None).rpartition(b' "seal": "sha256:')
    text = text.replace(old, new)
    return text + mark + hashlib.sha256(text).hexdigest().encode() + b'"\n}\n'


@pytest.mark.parametrize(
    "change",
    [
        {"kind": Kind.INCREMENTAL},
        {"id": "incremental_20260102_120000"},
        {"id": "incremental_20260102_130000", "kind": Kind.INCREMENTAL, "parent": ID},
        {"parent": "full_20260101_120000"},
        {"kind": Kind.BINLOG, "id": "binlog_mysql-bin.000001_000000000004"},
        {"started": datetime(2026, 1, 2)},  # noqa: DTZ001  (that it has no zone is the point)
    ],
)
def test_what_cannot_be_a_backup_has_no_manifest(change: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Manifest.model_validate(MANIFEST.model_dump() | change)


@given(manifests)
def test_only_a_logical_backup_can_be_read_as_one(manifest: Manifest) -> None:
    if manifest.method is Method.LOGICAL:
        assert manifest.logical is manifest.payload
    else:
        with pytest.raises(UnsupportedBackupError, match=f"is a {manifest.method.value} backup"):
            _ = manifest.logical


def test_a_sealed_manifest_that_lacks_something_is_damaged() -> None:
    with pytest.raises(DamagedError, match=r"wrong at payload\.logical\.tables\.0\.parts\.0\.rows"):
        unseal(resealed(b'"rows": 2', b'"rows": "many"'), None, "here")


def test_the_key_is_found_before_the_manifest_is_authenticated() -> None:
    assert peek(seal(MANIFEST, KEY.mac), "here")["key"]["key_name"] == "aes"


def test_grep_finds_an_object_on_one_line() -> None:
    lines = [line for line in seal(MANIFEST, None).decode().splitlines() if "data/a.zst" in line]
    assert len(lines) == 1
    assert json.loads(lines[0].rstrip(","))["sha256"] == "c" * 64


def test_sums_are_those_of_the_parts() -> None:
    assert (MANIFEST.raw_bytes, MANIFEST.stored_bytes, MANIFEST.logical.rows, MANIFEST.ratio) == (400, 200, 2, 2.0)
    assert a_manifest().ratio == 1.0
    assert (MANIFEST.logical.tables[0].bytes, len(MANIFEST.logical.tables[0].digest)) == (9, 64)
