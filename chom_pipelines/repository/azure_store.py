"""The store that is a container of Azure Blob Storage, or what is below a prefix of one.

Locks are this machine's: a lease of Azure's ends by the clock, whatever its holder does.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from chom_pipelines.errors import ConfigurationError, ObjectMissingError, RepositoryError
from chom_pipelines.repository.azure_client import azure_client
from chom_pipelines.repository.azure_errors import code_of, translated
from chom_pipelines.repository.azure_upload import AzureUpload
from chom_pipelines.repository.extras import refuse_missing
from chom_pipelines.repository.object_store import ObjectStore
from chom_pipelines.repository.store import (
    PIECE,
    Keeps,
    Listed,
    Protection,
    StoreAddress,
    is_name,
    refuse_bad_folder,
    refuse_bad_name,
)

if TYPE_CHECKING:
    from azure.storage.blob import BlobClient, ContainerClient, StandardBlobTier

_LOCK = "give the account version-level immutability, and lock its policy, as deploy/azure says"
_TIERS = ("Hot", "Cool", "Cold")  # what is in Archive cannot be read, and a push reads what it has put
_SPAN = 4 << 20
_AT_ONCE = 5000  # names that one answer lists: Azure takes no more


@dataclass(frozen=True)
class AzureStore(ObjectStore):
    """What is below `prefix` in the container `bucket`; the account is in its `address`, or in the environment."""

    scheme = "az"
    called = "Azure"
    example = "az://container/prefix"
    endpoint_example = "https://ACCOUNT.blob.core.windows.net"
    credentials_belong = "leave them to Azure's own variables"

    @classmethod
    def of(cls, address: StoreAddress, *, hurried: bool = False) -> AzureStore:
        """As every store's; raises ConfigurationError for a tier that is none, and where the library is missing."""
        tier = address.storage_class
        if tier and tier not in _TIERS:
            raise ConfigurationError(f"{tier!r} is no access tier of Azure", f"use one of {', '.join(_TIERS)}")
        store = super().of(address, hurried=hurried)
        refuse_missing("azure.storage.blob", "azure")
        return store

    def create(self) -> None:
        """Make the container; a prefix needs no making."""
        if not self.is_there():
            with translated(self.where("")):
                self._client.create_container()

    def is_there(self) -> bool:
        """Whether the container is."""
        from azure.core.exceptions import ResourceNotFoundError

        with translated(self.where("")):
            try:
                next(iter(self._client.list_blobs(self._inside(""), results_per_page=1)), None)
            except ResourceNotFoundError as error:
                if code_of(error) != "ContainerNotFound":
                    raise
                return False
        return True

    def protection(self) -> Protection:
        """What the container's policies and the account's soft delete say.

        Raises RepositoryError where the container has an immutability policy: whether that is locked, and for how long,
        only Azure's management tells.
        """
        with translated(self.where("")):
            found = self._client.get_container_properties()
            if found.has_immutability_policy or found.immutable_storage_with_versioning_enabled:
                what = f"{self.where('')} has an immutability policy, and Azure does not say here whether it is locked"
                remedy = "look with `az storage container immutability-policy show`"
                raise RepositoryError(what, remedy)
            account = azure_client(self.address, hurried=self.hurried)
            kept = account.get_service_properties()["delete_retention_policy"]
        if not (kept and kept.enabled):
            what = f"{self.where('')} keeps no deleted blobs, and Azure does not say here whether it keeps old versions"
            raise RepositoryError(what, "look with `az storage account blob-service-properties show`")
        return Protection(Keeps.VERSIONED, 0, _LOCK)

    def put(self, name: str, *, anew: bool = False) -> AzureUpload:
        """Begin an upload; nothing is sent before a block is full."""
        refuse_bad_name(name)
        with translated(self.where(name)):
            return AzureUpload(self._blob(name), self.where(name), tier=self._tier, anew=anew)

    def replace(self, name: str, data: bytes) -> None:
        """Put it without a condition."""
        refuse_bad_name(name)
        with translated(self.where(name)):
            self._blob(name).upload_blob(
                data, overwrite=True, length=len(data), validate_content=True, standard_blob_tier=self._tier
            )

    def open(self, name: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """Ask for a part at a time, of the blob that the first one was of."""
        refuse_bad_name(name)
        if length == 0:
            if not self.exists(name):
                raise ObjectMissingError(f"{self.where(name)} is not there")
            return
        at, last, etag = start, None if length is None else start + length, ""
        while last is None or at < last:
            count = _SPAN if last is None else min(_SPAN, last - at)
            data, etag, size = self._span(name, at, count, etag)
            yield from (data[begin : begin + PIECE] for begin in range(0, len(data), PIECE))
            at += len(data)
            if at >= size or not data:
                return

    def exists(self, name: str) -> bool:
        """Whether Azure knows the blob."""
        refuse_bad_name(name)
        with translated(self.where(name)):
            return self._blob(name).exists()

    def below(self, folder: str) -> list[Listed]:
        """Every blob below whose name is one; others are not this store's."""
        refuse_bad_folder(folder)
        begin = len(self._inside(""))
        with translated(self.where(folder)):
            listed = self._client.list_blobs(self._inside(folder), results_per_page=_AT_ONCE)
            found = [Listed(each.name[begin:], each.size) for each in listed]
        return sorted((each for each in found if is_name(each.name)), key=lambda each: each.name)

    def folders(self, folder: str) -> list[str]:
        """What stands before the next slash."""
        from azure.storage.blob import BlobPrefix

        refuse_bad_folder(folder)
        inside = self._inside(folder)
        with translated(self.where(folder)):
            listed = self._client.walk_blobs(inside, delimiter="/", results_per_page=_AT_ONCE)
            found = {each.name[len(inside) : -1] for each in listed if isinstance(each, BlobPrefix)}
        return sorted(filter(is_name, found))

    def delete(self, name: str) -> None:
        """Delete the blob; where the account keeps deleted ones, it is one of those."""
        refuse_bad_name(name)
        self._delete(self._key(name))

    def delete_folder(self, folder: str) -> None:
        """Delete every blob below it."""
        refuse_bad_name(folder)
        with translated(self.where(folder)):
            keys = [each.name for each in self._client.list_blobs(self._inside(folder), results_per_page=_AT_ONCE)]
        for key in keys:
            self._delete(key)

    def forget_uploads(self, folder: str) -> None:
        """Nothing: blocks of which no blob was made show nowhere, and Azure forgets them after a week."""
        refuse_bad_name(folder)

    @cached_property
    def _client(self) -> ContainerClient:
        """Made when it is first needed."""
        return azure_client(self.address, hurried=self.hurried).get_container_client(self.bucket)

    def _key(self, name: str) -> str:
        if "\\" in name:  # which Azure takes for a slash
            raise RepositoryError(f"{name!r} cannot be the name of a blob", "report this as a bug")
        return super()._key(name)

    @property
    def _tier(self) -> StandardBlobTier | None:
        from azure.storage.blob import StandardBlobTier

        return StandardBlobTier(self.address.storage_class) if self.address.storage_class else None

    def _blob(self, name: str) -> BlobClient:
        return self._client.get_blob_client(self._key(name))

    def _delete(self, key: str) -> None:
        from azure.core.exceptions import ResourceNotFoundError

        with translated(f"az://{self.bucket}/{key}"):
            try:
                self._client.delete_blob(key, delete_snapshots="include")
            except ResourceNotFoundError as error:
                if code_of(error) not in {"BlobNotFound", "404"}:
                    raise

    def _span(self, name: str, at: int, count: int, etag: str) -> tuple[bytes, str, int]:
        """The bytes from `at` on, `count` at most, the blob's ETag and its size; nothing where it ends before that.

        `etag`: of which blob, "" for any.
        """
        from azure.core import MatchConditions
        from azure.core.exceptions import HttpResponseError, ResourceModifiedError

        same: dict[str, Any] = {"etag": etag, "match_condition": MatchConditions.IfNotModified} if etag else {}
        with translated(self.where(name)):
            try:
                answer = self._blob(name).download_blob(at, count, **same)
                size = int((answer.properties.content_range or "/0").rpartition("/")[2])
                return answer.readall(), answer.properties.etag, size
            except ResourceModifiedError as error:
                raise RepositoryError(f"{self.where(name)} was replaced while it was read", "read it again") from error
            except HttpResponseError as error:
                if code_of(error) != "InvalidRange":
                    raise
                return b"", etag, at
