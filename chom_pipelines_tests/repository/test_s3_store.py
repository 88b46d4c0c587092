"""What the store that is in S3 promises beyond what all stores do."""

import os
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from chom_pipelines.errors import (
    ConfigurationError,
    DamagedError,
    ObjectExistsError,
    RepositoryBusyError,
    RepositoryError,
    StoreUnreachableError,
)
from chom_pipelines.repository.part_buffer import PART, part_size
from chom_pipelines.repository.s3_store import S3Store
from chom_pipelines.repository.store import Folder, StoreAddress, uploading
from chom_pipelines_tests.stores import ObjectStorage

MEGABYTE = 1 << 20


@pytest.fixture
def store(s3: ObjectStorage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> S3Store:
    monkeypatch.setenv("CHOM_CACHE", str(tmp_path))
    return S3Store.of(s3.fresh_address())


def every_key(s3: ObjectStorage, store: S3Store) -> list[str]:
    return [each["Key"] for each in s3.client.list_objects_v2(Bucket=store.bucket).get("Contents", ())]


def unfinished(s3: ObjectStorage, store: S3Store) -> list[str]:
    return [each["Key"] for each in s3.client.list_multipart_uploads(Bucket=store.bucket).get("Uploads", ())]


@pytest.mark.parametrize(("size", "parts"), [(PART, 0), (PART + 1, 2), (20 * MEGABYTE, 3)])
def test_what_is_large_goes_in_parts_and_each_has_a_checksum(
    s3: ObjectStorage, store: S3Store, size: int, parts: int
) -> None:
    Folder(store).write("a", bytes(size))
    found = s3.client.head_object(Bucket=store.bucket, Key="some/prefix/a", ChecksumMode="ENABLED")
    assert found["ETag"].rstrip('"').partition("-")[2] == (str(parts) if parts else "")
    assert found["ContentLength"] == size
    assert found["ChecksumCRC32"]


def test_ten_thousand_parts_hold_the_largest_object_and_fit_into_memory() -> None:
    sizes = [part_size(number) for number in range(10_000)]
    assert sizes[0] == PART
    assert sum(sizes) >= 5 << 40
    assert max(sizes) <= 1200 * MEGABYTE
    assert sum(sizes[:150]) >= 1 << 30  # of the usual ones all are alike


def test_an_aborted_upload_leaves_no_parts(s3: ObjectStorage, store: S3Store) -> None:
    upload = store.put("a")
    upload.write(bytes(PART + 1))
    assert unfinished(s3, store) == ["some/prefix/a"]
    upload.abort()
    assert unfinished(s3, store) == []


def test_parts_of_an_upload_that_lost_are_thrown_away(s3: ObjectStorage, store: S3Store) -> None:
    upload = store.put("a")
    upload.write(bytes(PART + 1))
    store.replace("a", b"first")
    with pytest.raises(ObjectExistsError):
        upload.commit()
    assert unfinished(s3, store) == []


def test_unfinished_uploads_go_with_their_folder_and_no_others(s3: ObjectStorage, store: S3Store) -> None:
    uploads = [store.put(name) for name in ("a/b", "a/c/d", "ab/c")]
    for upload in uploads:
        upload.write(bytes(PART + 1))
    store.delete_folder("a")
    assert unfinished(s3, store) == ["some/prefix/ab/c"]
    for upload in uploads[:2]:
        with pytest.raises(RepositoryError):
            upload.commit()
    assert store.below("") == []


@pytest.mark.parametrize("size", [1, PART + 1])
def test_a_store_that_does_not_know_conditions_overwrites_nothing_either(
    s3: ObjectStorage, store: S3Store, size: int
) -> None:
    Folder(store).write("a", b"first")
    with s3.without_conditions(), pytest.raises(ObjectExistsError):
        Folder(store).write("a", bytes(size))
    assert Folder(store).read("a") == b"first"


@pytest.mark.parametrize("size", [1, PART + 1])
def test_what_was_put_is_not_taken_for_anothers_when_the_answer_was_lost(
    s3: ObjectStorage, store: S3Store, size: int
) -> None:
    with uploading(store.put("a")) as upload:
        upload.write(bytes(size))
        s3.lose(1)
    assert [each.bytes for each in store.below("")] == [size]


@pytest.mark.parametrize(("start", "length"), [(0, None), (7, None), (7, 5 * MEGABYTE)])
def test_an_answer_that_breaks_off_is_continued_where_it_stopped(
    s3: ObjectStorage, store: S3Store, start: int, length: int | None
) -> None:
    data = os.urandom(10 * MEGABYTE)
    Folder(store).write("a", data)
    expected = data[start:] if length is None else data[start : start + length]
    with s3.breaking_off(2):
        assert b"".join(store.open("a", start, length)) == expected


def test_answers_that_bring_nothing_any_more_are_not_asked_for_without_end(s3: ObjectStorage, store: S3Store) -> None:
    store.replace("a", bytes(2 * MEGABYTE))
    with s3.breaking_off(5, after=0):
        assert len(b"".join(store.open("a"))) == 2 * MEGABYTE
    with s3.breaking_off(6, after=0), pytest.raises(StoreUnreachableError, match="some/prefix/a: 0 read"):
        next(store.open("a"))


def test_what_is_replaced_after_an_answer_broke_off_is_not_mixed(s3: ObjectStorage, store: S3Store) -> None:
    store.replace("a", bytes(10 * MEGABYTE))
    with s3.breaking_off(1):
        reading = store.open("a")
        next(reading)
    store.replace("a", b"x" * 10 * MEGABYTE)
    with pytest.raises(RepositoryError, match="a was replaced while it was read"):
        list(reading)


def test_keys_that_are_no_names_are_not_listed_and_go_with_their_folder(s3: ObjectStorage, store: S3Store) -> None:
    for key in ("some/prefix/", "some/prefix/a/", "some/prefix/a//b", "some/prefix/a/.b", "some/prefix/.c/d"):
        s3.client.put_object(Bucket=store.bucket, Key=key)
    Folder(store).write("a/b", b"x")
    assert [each.name for each in store.below("")] == ["a/b"]
    assert store.folders("") == ["a"]
    assert store.folders("a") == []
    store.delete_folder("a")
    assert every_key(s3, store) == ["some/prefix/", "some/prefix/.c/d"]


@pytest.mark.parametrize("prefix", ["", "/", "/x", "/x/y/"])
def test_a_store_is_a_whole_bucket_or_what_is_below_a_prefix(s3: ObjectStorage, prefix: str) -> None:
    bucket = s3.fresh_bucket()
    store = S3Store.of(s3.address(f"s3://{bucket}{prefix}"))
    Folder(store).write("a/b", b"x")
    assert [each.name for each in store.below("")] == ["a/b"]
    assert store.folders("") == ["a"]
    assert store.where("a/b") == f"s3://{bucket}/{every_key(s3, store)[0]}"
    assert S3Store.of(store.address) == store
    assert not store.where("").endswith("/")


@pytest.mark.parametrize("region", ["us-east-1", "eu-central-1"])
def test_a_bucket_is_made_where_it_is_not_there(s3: ObjectStorage, region: str) -> None:
    store = S3Store.of(StoreAddress(f"s3://made-in-{region}/x", s3.endpoint_url, region))
    assert not store.is_there()
    store.create()
    store.create()
    assert store.is_there()
    Folder(store).write("a", b"x")


def test_a_bucket_that_cannot_be_made_is_named(s3: ObjectStorage) -> None:
    with pytest.raises(RepositoryError, match=r"s3://no/x"):
        S3Store.of(s3.address("s3://no/x")).create()


def test_a_bucket_that_is_not_there_is_named_and_not_called_empty(s3: ObjectStorage) -> None:
    store = S3Store.of(s3.address("s3://not-there/x"))
    upload = store.put("a")
    for call in (lambda: store.below(""), lambda: store.folders(""), lambda: next(store.open("a")), upload.commit):
        with pytest.raises(RepositoryError, match=r"(?s)s3://not-there/x.*NoSuchBucket.*create the bucket"):
            call()


def test_a_lock_is_of_the_store_however_its_address_is_written(s3: ObjectStorage, store: S3Store) -> None:
    same = S3Store.of(StoreAddress(f"s3://{store.bucket}//some/prefix/", f"{s3.endpoint_url}/"))
    with (
        store.lock("a", "x", shared=False, patience=0),
        pytest.raises(RepositoryBusyError),
        same.lock("a", "x", shared=False, patience=0),
    ):
        pass


@pytest.mark.parametrize(
    ("url", "endpoint_url"),
    [
        ("s3:///x", None),
        ("s3:bucket", None),
        ("s3://bucket/../x", None),
        ("s3://bucket/.x", None),
        ("s3://bucket/a//b", None),
        ("s3://bucket/x?versions", None),
        ("s3://bucket/x#y", None),
        ("http://bucket/x", None),
        ("s3://bucket/x", "minio:9000"),
        ("s3://bucket/x", "ftp://minio"),
        ("s3://key:hidden@bucket/x", None),
        ("s3://[bucket/hidden", None),
        ("s3://bucket/x?hidden", None),
        ("s3://bucket/x", "https://minio?hidden"),
        ("s3://bucket/x", "https://key:hidden@minio"),
    ],
)
def test_what_is_no_address_is_refused_and_its_secrets_are_not_repeated(url: str, endpoint_url: str | None) -> None:
    with pytest.raises(ConfigurationError) as caught:
        S3Store.of(StoreAddress(url, endpoint_url))
    assert "hidden" not in str(caught.value)


def test_who_has_no_credentials_is_told_how_to_give_them(store: S3Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(RepositoryError, match=r"some/prefix: no credentials .*\n.*AWS_PROFILE"):
        store.is_there()


def test_a_profile_that_is_not_there_is_no_credentials(store: S3Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "missing")
    with pytest.raises(RepositoryError, match=r"no credentials .*ProfileNotFound"):
        store.put("a")


@pytest.mark.usefixtures("s3")
def test_an_endpoint_that_does_not_answer_may_do_so_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        store = S3Store.of(StoreAddress("s3://bucket/x", f"http://127.0.0.1:{taken.getsockname()[1]}", "eu-central-1"))
        for call in (store.is_there, lambda: next(store.open("a")), store.put("a").commit):
            with pytest.raises(StoreUnreachableError, match=r"s3://bucket/x.*Could not connect") as caught:
                call()
            assert caught.value.retryable


def test_who_has_no_such_store_does_not_wait_for_boto3() -> None:
    script = (
        "import sys, chom_pipelines.repository.s3_store; sys.exit('boto3' in sys.modules or 'botocore' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_what_a_store_tells_no_checksum_of_is_read_back(
    s3: ObjectStorage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHOM_CACHE", str(tmp_path))
    monkeypatch.setenv("AWS_REQUEST_CHECKSUM_CALCULATION", "when_required")
    store = S3Store.of(s3.fresh_address())
    for size in (2 * MEGABYTE, PART + 2 * MEGABYTE):
        with s3.changing_what_is_put(), pytest.raises(DamagedError, match="other bytes than"):
            Folder(store).write(f"a{size}", b"x" * size)
        assert not store.exists(f"a{size}")
        Folder(store).write(f"a{size}", b"x" * size)
        assert Folder(store).read(f"a{size}") == b"x" * size


def test_objects_are_put_as_chom_yaml_says(s3: ObjectStorage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHOM_CACHE", str(tmp_path))
    address = replace(s3.fresh_address(), storage_class="STANDARD_IA", encryption="aws:kms", kms_key="alias/backups")
    store = S3Store.of(address)
    Folder(store).write("small", b"x")
    Folder(store).write("large", bytes(PART + 1))
    Folder(store).replace("replaced", b"x")
    for name in ("small", "large", "replaced"):
        found = s3.client.head_object(Bucket=store.bucket, Key=f"some/prefix/{name}")
        put = (found["StorageClass"], found["ServerSideEncryption"], found["SSEKMSKeyId"])
        assert put == ("STANDARD_IA", "aws:kms", "alias/backups")
