"""What the store that is in Google Cloud Storage promises beyond what all stores do."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from google.api_core.exceptions import from_http_status
from google.auth.exceptions import DefaultCredentialsError
from requests.exceptions import ConnectionError as NoConnectionError
from urllib3.exceptions import ProtocolError

from chom_pipelines.errors import (
    ConfigurationError,
    DamagedError,
    ObjectExistsError,
    ObjectMissingError,
    RepositoryError,
    SecretUnavailableError,
    StoreUnreachableError,
)
from chom_pipelines.repository.google_client import google_client
from chom_pipelines.repository.google_errors import refusal, translated
from chom_pipelines.repository.google_store import GoogleStore
from chom_pipelines.repository.marked_upload import MARK
from chom_pipelines.repository.part_buffer import PART
from chom_pipelines.repository.store import Folder, Keeps, Protection, StoreAddress
from chom_pipelines_tests.google_storage import GoogleStorage

MEGABYTE = 1 << 20


@pytest.fixture
def store(google: GoogleStorage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> GoogleStore:
    monkeypatch.setattr("chom_pipelines.repository.machine_locks.cache_directory", lambda: tmp_path)
    return GoogleStore.of(google.fresh_address())


@pytest.mark.parametrize("ours", [True, False])
@pytest.mark.parametrize("size", [7, PART + 1])
def test_what_is_not_as_it_was_written_is_damaged_and_removed_and_what_is_anothers_stays(
    google: GoogleStorage, store: GoogleStore, monkeypatch: pytest.MonkeyPatch, size: int, *, ours: bool
) -> None:
    upload = store.put("a")
    upload.write(bytes(size))
    publish = upload._publish

    def publish_and_be_replaced(rest: bytes) -> None:
        publish(rest)
        blob = google.client.bucket(store.bucket).blob("some/prefix/a")
        blob.metadata = {MARK: upload._mark} if ours else {}
        blob.upload_from_string(b"x" * size)

    monkeypatch.setattr(upload, "_publish", publish_and_be_replaced)
    expected = f"other bytes than the {size} that were sent" if ours else "was replaced by another run"
    with pytest.raises(DamagedError if ours else RepositoryError, match=expected):
        upload.commit()
    assert store.exists("a") != ours


def test_what_was_put_before_its_answer_was_lost_is_not_taken_for_anothers(
    store: GoogleStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    from google.cloud.storage import Blob

    once = Blob.upload_from_string

    def twice(blob: Any, *given: Any, **named: Any) -> None:  # noqa: ANN401
        once(blob, *given, **named)
        once(blob, *given, **named)  # as the library does where it has heard nothing

    monkeypatch.setattr(Blob, "upload_from_string", twice)
    Folder(store).write("a", b"x")
    monkeypatch.undo()
    assert Folder(store).read("a") == b"x"


@pytest.mark.parametrize("prefix", ["", "/", "/x", "/x/y/"])
def test_a_store_is_a_whole_bucket_or_what_is_below_a_prefix(google: GoogleStorage, prefix: str) -> None:
    store = GoogleStore.of(StoreAddress(f"gs://{google.fresh_bucket()}{prefix}"))
    Folder(store).write("a/b", b"x")
    assert [each.name for each in store.below("")] == ["a/b"]
    assert store.folders("") == ["a"]
    [blob] = google.client.list_blobs(store.bucket)
    assert store.where("a/b") == f"gs://{store.bucket}/{blob.name}"
    assert GoogleStore.of(store.address) == store


@pytest.mark.usefixtures("google")
def test_a_bucket_is_made_where_it_is_not_there() -> None:
    store = GoogleStore.of(StoreAddress("gs://made-anew/x"))
    assert not store.is_there()
    store.create()
    store.create()
    assert store.is_there()
    Folder(store).write("a", b"x")


def test_objects_are_put_as_chom_yaml_says(google: GoogleStorage, store: GoogleStore) -> None:
    cold = GoogleStore.of(replace(store.address, storage_class="NEARLINE"))
    Folder(cold).write("small", b"x")
    Folder(cold).write("large", bytes(PART + 1))
    cold.replace("replaced", b"x")
    assert {each.storage_class for each in google.client.list_blobs(store.bucket)} == {"NEARLINE"}


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({}, (Keeps.NOTHING, 0)),
        ({"versioning": {"enabled": True}}, (Keeps.VERSIONED, 0)),
        ({"softDeletePolicy": {"retentionDurationSeconds": "604800"}}, (Keeps.VERSIONED, 0)),
    ],
)
def test_what_a_bucket_keeps_is_said(
    store: GoogleStore, monkeypatch: pytest.MonkeyPatch, said: dict[str, object], expected: tuple[Keeps, int]
) -> None:
    from google.cloud.storage import Bucket

    # the emulator keeps none of it
    monkeypatch.setattr(Bucket, "reload", lambda bucket, **_: bucket._properties.update(said))
    found: Protection = store.protection()
    assert (found.keeps, found.days) == expected


def test_a_bucket_that_refuses_to_replace_is_not_called_protected(
    store: GoogleStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    from google.cloud.storage import Bucket

    said = {"retentionPolicy": {"retentionPeriod": "2592000", "isLocked": True}}
    monkeypatch.setattr(Bucket, "reload", lambda bucket, **_: bucket._properties.update(said))
    with pytest.raises(RepositoryError, match="a push replaces a mark of its own, which that refuses"):
        store.protection()


@pytest.mark.parametrize("how", ["forgotten", "aborted"])
def test_an_upload_that_was_not_committed_is_never_published(
    store: GoogleStore, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    upload = store.put("a")
    upload.write(bytes(2 * PART + 1))
    if how == "aborted":
        assert upload._writer is not None
        monkeypatch.setattr(upload._writer, "terminate", _refuse)
        upload.abort()
    del upload
    gc.collect()
    assert store.below("") == []


def _refuse() -> None:
    raise NoConnectionError("lost")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("hidden", ConfigurationError),
        ('{"type": "hidden"}', ConfigurationError),
        ('["hidden"]', ConfigurationError),
        (None, SecretUnavailableError),
    ],
)
def test_a_file_that_is_no_key_is_named_and_not_quoted(
    store: GoogleStore, tmp_path: Path, content: str | None, expected: type[Exception]
) -> None:
    file = tmp_path / "credentials"
    if content is not None:
        file.write_text(content)
    with pytest.raises(expected, match="credentials") as caught:
        GoogleStore.of(replace(store.address, credentials=str(file))).is_there()
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "endpoint_url"),
    [
        ("gs:///x", None),
        ("gs:bucket", None),
        ("gs://bucket/../x", None),
        ("gs://bucket/a//b", None),
        ("gs://bucket/x?generation=1", None),
        ("gs://bucket/x", "storage:443"),
        ("gs://key:hidden@bucket/x", None),
        ("gs://bucket/x#hidden", None),
        ("gs://[bucket/hidden", None),
        ("gs://bucket/x", "https://storage?key=hidden"),
        ("gs://bucket/x", "https://key:hidden@storage"),
    ],
)
def test_what_is_no_address_is_refused_and_its_secrets_are_not_repeated(url: str, endpoint_url: str | None) -> None:
    with pytest.raises(ConfigurationError) as caught:
        GoogleStore.of(StoreAddress(url, endpoint_url))
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize(
    ("status", "words", "kind", "remedy"),
    [
        (404, "No such object: b/x", ObjectMissingError, "look at what else"),
        (404, "The specified bucket does not exist.", RepositoryError, "create the bucket"),
        (412, "conditionNotMet", ObjectExistsError, "find out"),
        (401, "Invalid Credentials", RepositoryError, "GOOGLE_APPLICATION_CREDENTIALS"),
        (403, "no storage.objects.create", RepositoryError, "Storage Object User"),
        (429, "slow down", StoreUnreachableError, "later"),
        (503, "busy", StoreUnreachableError, "later"),
        (400, "what", RepositoryError, "mend what the store says"),
    ],
)
def test_a_refusal_says_what_failed_where_and_what_to_do(
    status: int, words: str, kind: type[RepositoryError], remedy: str
) -> None:
    with pytest.raises(RepositoryError, match="gs://bucket/x") as caught, translated("gs://bucket/x"):
        raise from_http_status(status, words)  # type: ignore[no-untyped-call]
    assert type(caught.value) is kind
    assert remedy in caught.value.remedy


def test_what_was_to_give_credentials_is_not_quoted() -> None:
    with pytest.raises(RepositoryError, match="no credentials") as caught, translated("gs://bucket/x"):
        raise DefaultCredentialsError("hidden")  # type: ignore[no-untyped-call]
    assert "hidden" not in str(caught.value)


def test_a_login_of_gcloud_needs_no_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    login = {"type": "authorized_user", "client_id": "c", "client_secret": "s", "refresh_token": "hidden"}
    (tmp_path / "login.json").write_text(json.dumps(login))
    monkeypatch.delenv("STORAGE_EMULATOR_HOST", raising=False)
    monkeypatch.delenv("GOOGLE_CLOUD_PROJECT", raising=False)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "login.json"))
    assert google_client(StoreAddress("gs://bucket/x")).bucket("bucket").name == "bucket"
    (tmp_path / "login.json").write_text("[]")
    with pytest.raises(ConfigurationError, match=r"login\.json"):
        google_client(StoreAddress("gs://bucket/x"))


def test_an_answer_that_breaks_off_may_come_whole_later() -> None:
    with pytest.raises(StoreUnreachableError), translated("gs://bucket/x"):
        raise ProtocolError("broken")


def test_what_the_library_puts_before_the_words_of_an_answer_is_left_out() -> None:
    found = refusal("gs://bucket/x", 400, "POST https://storage.googleapis.com/upload?name=x: Bad things")
    assert str(found.what) == "gs://bucket/x: Google refused it: 400 (Bad things)"


def test_an_endpoint_that_does_not_answer_may_do_so_later() -> None:
    with pytest.raises(StoreUnreachableError, match="no answer"), translated("gs://bucket/x"):
        raise NoConnectionError("refused")


def test_who_has_no_such_store_does_not_wait_for_its_library() -> None:
    script = "import sys, chom_pipelines.repository.google_store; sys.exit('google.cloud' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False, env=os.environ).returncode == 0
