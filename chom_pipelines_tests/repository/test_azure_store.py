"""What the store that is in Azure promises beyond what all stores do."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError, ServiceRequestError

from chom_pipelines.errors import (
    ConfigurationError,
    DamagedError,
    DiskFullError,
    ObjectExistsError,
    ObjectMissingError,
    RepositoryError,
    SecretUnavailableError,
    StoreUnreachableError,
)
from chom_pipelines.repository.azure_errors import translated
from chom_pipelines.repository.azure_store import AzureStore
from chom_pipelines.repository.marked_upload import MARK
from chom_pipelines.repository.part_buffer import PART
from chom_pipelines.repository.store import Folder, Keeps, StoreAddress
from chom_pipelines_tests.azurite import ACCOUNT, KEY, Azurite
from chom_pipelines_tests.offsite.hostile import hostile

MEGABYTE = 1 << 20
CONNECTION = f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY}"


@pytest.fixture
def store(azure: Azurite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AzureStore:
    monkeypatch.setattr("chom_pipelines.repository.machine_locks.cache_directory", lambda: tmp_path)
    return AzureStore.of(azure.fresh_address())


@pytest.mark.parametrize(("size", "blocks"), [(PART, 0), (PART + 1, 2), (20 * MEGABYTE, 3)])
def test_what_is_large_goes_in_blocks(azure: Azurite, store: AzureStore, size: int, blocks: int) -> None:
    Folder(store).write("a", bytes(size))
    committed, rest = azure.client.get_blob_client(store.bucket, "some/prefix/a").get_block_list("all")
    assert (len(committed), rest) == (blocks, [])


def test_blocks_of_two_uploads_of_one_name_are_not_mixed(store: AzureStore) -> None:
    one, other = store.put("a"), store.put("a", anew=True)
    for upload, byte in ((one, b"1"), (other, b"2")):
        for _ in range(20):
            upload.write(byte * MEGABYTE)
    one.commit()
    assert Folder(store).read("a") == b"1" * 20 * MEGABYTE
    with pytest.raises(RepositoryError):  # its blocks went when the other blob was made
        other.commit()
    assert Folder(store).read("a") == b"1" * 20 * MEGABYTE


@pytest.mark.parametrize("ours", [True, False])
def test_what_is_not_as_it_was_written_is_damaged_and_removed_and_what_is_anothers_stays(
    azure: Azurite, store: AzureStore, monkeypatch: pytest.MonkeyPatch, *, ours: bool
) -> None:
    upload = store.put("a")
    upload.write(b"written")
    publish = upload._publish

    def publish_and_be_replaced(rest: bytes) -> None:
        publish(rest)
        metadata = {MARK: upload._mark} if ours else {}
        blob = azure.client.get_blob_client(store.bucket, "some/prefix/a")
        blob.upload_blob(b"x", overwrite=True, metadata=metadata)

    monkeypatch.setattr(upload, "_publish", publish_and_be_replaced)
    expected = "other bytes than the 7 that were sent" if ours else "was replaced by another run"
    with pytest.raises(DamagedError if ours else RepositoryError, match=expected):
        upload.commit()
    assert store.exists("a") != ours


@pytest.mark.parametrize("size", [1000, PART + 1000])
def test_bytes_that_the_network_changes_are_refused(azure: Azurite, store: AzureStore, size: int) -> None:
    with hostile(azure.endpoint_url, seed=1, share=1, kinds=("flipped",)) as (endpoint_url, faults):
        through = AzureStore.of(replace(store.address, endpoint_url=endpoint_url))
        with pytest.raises(RepositoryError):
            Folder(through).write("a", os.urandom(size))
    assert faults["flipped"]
    assert store.below("") == []


def test_what_is_replaced_while_it_is_read_is_not_mixed(store: AzureStore) -> None:
    store.replace("a", bytes(PART + 1))
    reading = store.open("a")
    next(reading)
    store.replace("a", b"x" * (PART + 1))
    with pytest.raises(RepositoryError, match="a was replaced while it was read"):
        list(reading)


@pytest.mark.parametrize("seed", range(3))
def test_what_was_put_is_not_taken_for_anothers_when_answers_are_lost(
    azure: Azurite, store: AzureStore, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr("azure.core.pipeline.transport.HttpTransport.sleep", lambda *_: None)
    monkeypatch.setattr("chom_pipelines.repository.azure_client._TRIES_AGAIN", 40)
    with hostile(azure.endpoint_url, seed=seed, share=0.5, kinds=("broken",)) as (endpoint_url, faults):
        through = AzureStore.of(replace(store.address, endpoint_url=endpoint_url))
        for number in range(5):
            for size in (1, PART + 1):
                Folder(through).write(f"{number}-{size}", bytes(size))
    assert faults["broken"]
    assert [each.bytes for each in store.below("")] == [1, PART + 1] * 5


@pytest.mark.parametrize("prefix", ["", "/", "/x", "/x/y/"])
def test_a_store_is_a_whole_container_or_what_is_below_a_prefix(azure: Azurite, prefix: str) -> None:
    store = AzureStore.of(StoreAddress(f"az://{azure.fresh_container()}{prefix}", azure.endpoint_url))
    Folder(store).write("a/b", b"x")
    assert [each.name for each in store.below("")] == ["a/b"]
    assert store.folders("") == ["a"]
    [blob] = azure.client.get_container_client(store.bucket).list_blobs()
    assert store.where("a/b") == f"az://{store.bucket}/{blob.name}"
    assert AzureStore.of(store.address) == store


def test_a_container_is_made_where_it_is_not_there(azure: Azurite) -> None:
    store = AzureStore.of(StoreAddress("az://made-anew/x", azure.endpoint_url))
    assert not store.is_there()
    store.create()
    store.create()
    assert store.is_there()
    Folder(store).write("a", b"x")


def test_a_container_that_is_not_there_is_named_and_not_called_empty(azure: Azurite) -> None:
    store = AzureStore.of(StoreAddress("az://not-there/x", azure.endpoint_url))
    upload = store.put("a")
    for call in (lambda: store.below(""), lambda: store.folders(""), lambda: next(store.open("a")), upload.commit):
        with pytest.raises(RepositoryError, match=r"(?s)az://not-there/x.*ContainerNotFound.*create the container"):
            call()


def test_what_an_account_keeps_of_deleted_blobs_is_said(azure: Azurite, store: AzureStore) -> None:
    from azure.storage.blob import RetentionPolicy

    with pytest.raises(RepositoryError, match="does not say here whether it keeps old versions"):
        store.protection()
    azure.client.set_service_properties(delete_retention_policy=RetentionPolicy(enabled=True, days=7))
    try:
        assert store.protection().keeps is Keeps.VERSIONED
    finally:
        azure.client.set_service_properties(delete_retention_policy=RetentionPolicy(enabled=False))


def test_blobs_are_put_with_the_tier_of_chom_yaml(azure: Azurite, store: AzureStore) -> None:
    cool = AzureStore.of(replace(store.address, storage_class="Cool"))
    Folder(cool).write("small", b"x")
    Folder(cool).write("large", bytes(PART + 1))
    cool.replace("replaced", b"x")
    for each in azure.client.get_container_client(store.bucket).list_blobs():
        assert each.blob_tier == "Cool", each.name


def test_credentials_come_from_a_file_before_the_environment(
    azure: Azurite, store: AzureStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_STORAGE_KEY", "bm8=")
    file = tmp_path / "credentials"
    file.write_text(f"{CONNECTION};BlobEndpoint={azure.endpoint_url}\n")
    Folder(AzureStore.of(StoreAddress(store.address.url, None, credentials=str(file)))).write("a", b"x")
    monkeypatch.delenv("AZURE_STORAGE_KEY")
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", CONNECTION)
    assert Folder(AzureStore.of(store.address)).read("a") == b"x"


def test_a_wrong_key_is_refused_and_the_remedy_names_the_variables(
    store: AzureStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_STORAGE_KEY", "bm8=")
    with pytest.raises(RepositoryError, match=r"(?s)AuthorizationFailure|AuthenticationFailed") as caught:
        store.is_there()
    assert "bm8=" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        ("AccountKey=hidden", ConfigurationError),
        ("hidden", ConfigurationError),
        ("", ConfigurationError),
        ('{"connectionString": "AccountName=a;AccountKey=hidden"}', ConfigurationError),
        ("'AccountName=a;AccountKey=hidden'", ConfigurationError),
        (None, OSError),
    ],
)
def test_a_file_that_holds_no_connection_string_is_named_and_not_quoted(
    store: AzureStore, tmp_path: Path, content: str | None, kind: type[Exception]
) -> None:
    file = tmp_path / "credentials"
    if content is not None:
        file.write_text(content)
    expected = SecretUnavailableError if kind is OSError else ConfigurationError
    with pytest.raises(expected, match="credentials") as caught:
        AzureStore.of(replace(store.address, credentials=str(file))).is_there()
    assert "hidden" not in str(caught.value)


def test_an_account_that_is_named_nowhere_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AZURE_STORAGE_ACCOUNT", "AZURE_STORAGE_CONNECTION_STRING"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ConfigurationError, match=r"(?s)az://box/x names no storage account.*AZURE_STORAGE_ACCOUNT"):
        AzureStore.of(StoreAddress("az://box/x")).is_there()


@pytest.mark.parametrize(
    ("url", "endpoint_url"),
    [
        ("az:///x", None),
        ("az:box", None),
        ("az://box/../x", None),
        ("az://box/a//b", None),
        ("az://box/x?sig=hidden", None),
        ("az://box/x", "https://a.blob.core.windows.net?sig=hidden"),
        ("az://box/x", "azurite:10000"),
        ("az://key:hidden@box/x", None),
        ("az://box/x#sig=hidden", None),
        ("az://[box/hidden", None),
        ("az://box/x", "https://[::1/hidden"),
        ("az://box/x", "https://host:port"),
        ("az://box/x", "https://a.blob.core.windows.net#sig=hidden"),
        ("az://box/x", "https://key:hidden@azurite"),
    ],
)
def test_what_is_no_address_is_refused(url: str, endpoint_url: str | None) -> None:
    with pytest.raises(ConfigurationError) as caught:
        AzureStore.of(StoreAddress(url, endpoint_url))
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize(
    ("code", "status", "kind", "remedy"),
    [
        ("BlobNotFound", 404, ObjectMissingError, "look at what else"),
        ("BlobAlreadyExists", 409, ObjectExistsError, "find out"),
        ("ConditionNotMet", 412, ObjectExistsError, "find out"),
        ("AuthorizationPermissionMismatch", 403, RepositoryError, "Storage Blob Data Contributor"),
        ("AuthorizationFailure", 403, RepositoryError, "firewall"),
        ("AuthenticationFailed", 403, RepositoryError, "AZURE_STORAGE_CONNECTION_STRING"),
        ("BlobArchived", 409, RepositoryError, "rehydrate"),
        ("BlobImmutableDueToPolicy", 409, RepositoryError, "immutability policy"),
        ("AccountCapacityExceeded", 409, DiskFullError, "free space"),
        ("ServerBusy", 503, StoreUnreachableError, "later"),
        ("SomethingNew", 400, RepositoryError, "mend what the store says"),
    ],
)
def test_a_refusal_says_what_failed_where_and_what_to_do(
    code: str, status: int, kind: type[RepositoryError], remedy: str
) -> None:
    refused = HttpResponseError("no\nRequestId: 1")
    refused.status_code, refused.reason = status, "no"
    refused.error_code = code  # type: ignore[attr-defined]  # as the library sets it
    with pytest.raises(RepositoryError, match="az://box/x") as caught, translated("az://box/x"):
        raise refused
    assert type(caught.value) is kind
    assert remedy in caught.value.remedy


def test_what_is_no_access_tier_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"'STANDARD_IA' is no access tier.*\n.*Hot, Cool, Cold"):
        AzureStore.of(StoreAddress("az://box/x", storage_class="STANDARD_IA"))


def test_what_was_to_give_credentials_is_not_quoted() -> None:
    with pytest.raises(RepositoryError, match="no credentials") as caught, translated("az://box/x"):
        raise ClientAuthenticationError("hidden")
    assert "hidden" not in str(caught.value)


def test_credentials_that_cannot_be_used_are_a_matter_of_configuration(
    store: AzureStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AZURE_STORAGE_KEY")
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "nonsense")
    with pytest.raises(ConfigurationError, match="cannot be used"):
        store.is_there()


def test_a_token_does_not_go_over_plain_http(store: AzureStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AZURE_STORAGE_KEY")
    monkeypatch.setenv("AZURE_TENANT_ID", "t")
    monkeypatch.setenv("AZURE_CLIENT_ID", "c")
    monkeypatch.setenv("AZURE_CLIENT_SECRET", "hidden")
    with pytest.raises((RepositoryError, ConfigurationError), match=r"cannot be used|can be used") as caught:
        store.is_there()
    assert "hidden" not in str(caught.value)


def test_a_name_that_azure_would_take_for_another_is_refused(store: AzureStore) -> None:
    with pytest.raises(RepositoryError, match="cannot be the name of a blob"):
        store.put("a\\b")


def test_an_endpoint_that_does_not_answer_may_do_so_later() -> None:
    with pytest.raises(StoreUnreachableError, match="ServiceRequestError"), translated("az://box/x"):
        raise ServiceRequestError("refused")


def test_who_has_no_such_store_does_not_wait_for_its_library() -> None:
    script = "import sys, chom_pipelines.repository.azure_store; sys.exit('azure' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False, env=os.environ).returncode == 0
