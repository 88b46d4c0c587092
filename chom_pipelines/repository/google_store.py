"""The store that is a bucket of Google Cloud Storage, or what is below a prefix of one.

Locks are this machine's: Google Cloud Storage has none that a killed holder does not keep.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from chom_pipelines.errors import ObjectMissingError, RepositoryError
from chom_pipelines.repository.extras import refuse_missing
from chom_pipelines.repository.google_client import google_client, patience
from chom_pipelines.repository.google_errors import translated
from chom_pipelines.repository.google_upload import GoogleUpload
from chom_pipelines.repository.object_store import ObjectStore
from chom_pipelines.repository.part_buffer import PART
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
    from google.cloud.storage import Blob, Bucket

_AT_ONCE = 1000  # names that one answer lists: Google takes no more
_LOCK = "keep what is deleted by soft delete: `gcloud storage buckets update --soft-delete-duration=30d`"


@dataclass(frozen=True)
class GoogleStore(ObjectStore):
    """What is below `prefix` in `bucket`."""

    scheme = "gs"
    called = "Google Cloud Storage"
    example = "gs://bucket/prefix"
    credentials_belong = "leave them to GOOGLE_APPLICATION_CREDENTIALS"

    @classmethod
    def of(cls, address: StoreAddress, *, hurried: bool = False) -> GoogleStore:
        """As every store's; raises ConfigurationError where the library is missing."""
        store = super().of(address, hurried=hurried)
        refuse_missing("google.cloud.storage", "google")
        return store

    def create(self) -> None:
        """Make the bucket, in the region of the address; a prefix needs no making."""
        if not self.is_there():
            with translated(self.where("")):
                self._bucket.create(location=self.address.region, **self._patience)

    def is_there(self) -> bool:
        """Whether the bucket is."""
        from google.api_core.exceptions import NotFound

        with translated(self.where("")):
            try:
                next(iter(self._listed("", max_results=1)), None)
            except NotFound:
                return False
        return True

    def protection(self) -> Protection:
        """What the bucket's retention policy, versioning and soft delete say."""
        with translated(self.where("")):
            self._bucket.reload(**self._patience)
            found = self._bucket
        if found.retention_period:
            what = f"{self.where('')} has a retention policy, and a push replaces a mark of its own, which that refuses"
            raise RepositoryError(what, _LOCK)
        kept = found.versioning_enabled or found.soft_delete_policy.retention_duration_seconds
        return Protection(Keeps.VERSIONED if kept else Keeps.NOTHING, 0, _LOCK)

    def put(self, name: str, *, anew: bool = False) -> GoogleUpload:
        """Begin an upload; nothing is sent before a chunk is full."""
        refuse_bad_name(name)
        with translated(self.where(name)):
            return GoogleUpload(self._new_blob(name), self.where(name), patience=self._patience, anew=anew)

    def replace(self, name: str, data: bytes) -> None:
        """Put it without a condition."""
        refuse_bad_name(name)
        with translated(self.where(name)):
            self._new_blob(name).upload_from_string(
                data, content_type="application/octet-stream", checksum="crc32c", **self._patience
            )

    def open(self, name: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """Ask for a part at a time, of the object that was there when the first was asked for."""
        refuse_bad_name(name)
        blob = self._found(name)
        if blob is None:
            raise ObjectMissingError(f"{self.where(name)} is not there")
        at, end = start, int(blob.size or 0) if length is None else min(start + length, int(blob.size or 0))
        while at < end:
            data = self._span(blob, name, at, min(end, at + PART))
            yield from (data[begin : begin + PIECE] for begin in range(0, len(data), PIECE))
            at += len(data)

    def exists(self, name: str) -> bool:
        """Whether Google knows the object."""
        refuse_bad_name(name)
        return self._found(name) is not None

    def below(self, folder: str) -> list[Listed]:
        """Every object below whose name is one; others are not this store's, such as those that stand for folders."""
        refuse_bad_folder(folder)
        begin = len(self._inside(""))
        with translated(self.where(folder)):
            found = [Listed(each.name[begin:], int(each.size or 0)) for each in self._listed(folder)]
        return sorted((each for each in found if is_name(each.name)), key=lambda each: each.name)

    def folders(self, folder: str) -> list[str]:
        """What stands before the next slash."""
        refuse_bad_folder(folder)
        inside = self._inside(folder)
        with translated(self.where(folder)):
            pages = self._listed(folder, delimiter="/").pages
            found = {each[len(inside) : -1] for page in pages for each in page.prefixes}
        return sorted(filter(is_name, found))

    def delete(self, name: str) -> None:
        """Delete the object; where the bucket keeps versions, that one becomes an old one."""
        refuse_bad_name(name)
        self._delete(self._key(name))

    def delete_folder(self, folder: str) -> None:
        """Delete every object below it."""
        refuse_bad_name(folder)
        with translated(self.where(folder)):
            keys = [each.name for each in self._listed(folder)]
        for key in keys:
            self._delete(key)

    def forget_uploads(self, folder: str) -> None:
        """Nothing: an upload that never ended shows nowhere, and Google forgets it after a week."""
        refuse_bad_name(folder)

    @cached_property
    def _bucket(self) -> Bucket:
        """Its client is made when it is first needed."""
        return google_client(self.address).bucket(self.bucket)

    @cached_property
    def _patience(self) -> dict[str, Any]:
        return patience(hurried=self.hurried)

    def _new_blob(self, name: str) -> Blob:
        blob = self._bucket.blob(self._key(name), kms_key_name=self.address.kms_key)
        if self.address.storage_class:
            blob.storage_class = self.address.storage_class
        return blob

    def _listed(self, folder: str, **options: Any) -> Any:  # noqa: ANN401  (its pages are of no public type)
        return self._bucket.list_blobs(prefix=self._inside(folder), page_size=_AT_ONCE, **options, **self._patience)

    def _found(self, name: str) -> Blob | None:
        """With its size and its generation."""
        try:
            with translated(self.where(name)):
                blob = self._bucket.blob(self._key(name))
                blob.reload(**self._patience)
        except ObjectMissingError:
            return None
        return blob

    def _span(self, blob: Blob, name: str, begin: int, end: int) -> bytes:
        try:
            with translated(self.where(name)):
                data = blob.download_as_bytes(
                    start=begin, end=end - 1, raw_download=True, checksum=None, **self._patience
                )
        except ObjectMissingError as error:  # it asks for that generation
            raise RepositoryError(f"{self.where(name)} was replaced while it was read", "read it again") from error
        if len(data) != end - begin:
            raise RepositoryError(
                f"{self.where(name)}: an answer has {len(data)} bytes, and {end - begin} were asked for"
            )
        return bytes(data)

    def _delete(self, key: str) -> None:
        with suppress(ObjectMissingError), translated(f"gs://{self.bucket}/{key}"):
            self._bucket.delete_blob(key, **self._patience)
