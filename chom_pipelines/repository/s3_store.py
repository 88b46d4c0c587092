"""The store that is a bucket of S3, or of what speaks its language, or what is below a prefix of one.

Locks are this machine's: S3 has none that a killed holder does not keep.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from chom_pipelines.errors import ObjectMissingError
from chom_pipelines.repository.object_store import ObjectStore
from chom_pipelines.repository.s3_client import put_options, s3_client
from chom_pipelines.repository.s3_errors import broken_off, code_of, refusal, translated
from chom_pipelines.repository.s3_protection import bucket_protection
from chom_pipelines.repository.s3_upload import S3Upload, found_metadata
from chom_pipelines.repository.store import (
    PIECE,
    Listed,
    Protection,
    is_name,
    refuse_bad_folder,
    refuse_bad_name,
)

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client
    from types_boto3_s3.type_defs import GetObjectOutputTypeDef, GetObjectRequestTypeDef, ObjectIdentifierTypeDef

_AT_ONCE = 1000  # names that one answer lists, and one request deletes: S3 takes no more
_BREAKS = 5
_EVERYWHERE = "us-east-1"  # which alone must not be named where a bucket is made


@dataclass(frozen=True)
class S3Store(ObjectStore):
    """What is below `prefix` in `bucket`; of its `address` AWS's own settings say what that does not."""

    scheme = "s3"
    called = "S3"
    example = "s3://bucket/prefix"
    credentials_belong = "leave them to AWS's own settings"

    def create(self) -> None:
        """Make the bucket; a prefix needs no making."""
        if self.is_there():
            return
        with translated(self.where("")):
            region = self._client.meta.region_name
            if region in {_EVERYWHERE, "aws-global"}:
                self._client.create_bucket(Bucket=self.bucket)
            else:
                self._client.create_bucket(
                    Bucket=self.bucket,
                    CreateBucketConfiguration={"LocationConstraint": region},  # type: ignore[typeddict-item]
                )

    def is_there(self) -> bool:
        """Whether the bucket is."""
        from botocore.exceptions import ClientError

        with translated(self.where("")):
            try:
                self._client.list_objects_v2(Bucket=self.bucket, Prefix=self._inside(""), MaxKeys=1)
            except ClientError as error:
                if code_of(error) != "NoSuchBucket":
                    raise
                return False
        return True

    def protection(self) -> Protection:
        """What the bucket's versioning and object lock say."""
        with translated(self.where("")):
            return bucket_protection(self._client, self.bucket)

    def put(self, name: str, *, anew: bool = False) -> S3Upload:
        """Begin an upload; nothing is sent before a part is full."""
        refuse_bad_name(name)
        with translated(self.where(name)):
            place = (self._client, self.bucket, self._key(name), self.where(name))
            return S3Upload(*place, options=put_options(self.address), anew=anew)

    def replace(self, name: str, data: bytes) -> None:
        """Put it without a condition."""
        refuse_bad_name(name)
        with translated(self.where(name)):
            self._client.put_object(Bucket=self.bucket, Key=self._key(name), Body=data, **put_options(self.address))

    def open(self, name: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """Ask for the range; where an answer breaks off, ask for the rest of the same object."""
        refuse_bad_name(name)
        if length == 0:  # of which there is no range to ask for
            if not self.exists(name):
                raise ObjectMissingError(f"{self.where(name)} is not there")
            return
        request: GetObjectRequestTypeDef = {"Bucket": self.bucket, "Key": self._key(name)}
        at, last, breaks = start, None if length is None else start + length - 1, 0
        with translated(self.where(name)):
            while last is None or at <= last:
                if at or last is not None:
                    request["Range"] = f"bytes={at}-{'' if last is None else last}"
                answer = self._answer(request)
                if answer is None:
                    return
                request["IfMatch"] = answer["ETag"]
                try:
                    with closing(answer["Body"]) as body:
                        while piece := body.read(PIECE):
                            at, breaks = at + len(piece), 0
                            yield piece
                except broken_off():
                    breaks += 1
                    if breaks > _BREAKS:
                        raise
                else:
                    return

    def exists(self, name: str) -> bool:
        """Whether S3 knows the object."""
        refuse_bad_name(name)
        with translated(self.where(name)):
            return found_metadata(self._client, self.bucket, self._key(name)) is not None

    def below(self, folder: str) -> list[Listed]:
        """Every key below that is a name; others are not this store's, such as those that a console has for folders."""
        refuse_bad_folder(folder)
        begin = len(self._inside(""))
        found = [Listed(key[begin:], size) for key, size in self._keys(folder)]
        return sorted((each for each in found if is_name(each.name)), key=lambda each: each.name)

    def folders(self, folder: str) -> list[str]:
        """What stands before the next slash."""
        refuse_bad_folder(folder)
        inside = self._inside(folder)
        with translated(self.where(folder)):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self.bucket, Prefix=inside, Delimiter="/", PaginationConfig={"PageSize": _AT_ONCE}
            )
            found = {each["Prefix"][len(inside) : -1] for page in pages for each in page.get("CommonPrefixes", ())}
        return sorted(filter(is_name, found))

    def delete(self, name: str) -> None:
        """Delete the object; where the bucket keeps versions, that one becomes an old one."""
        refuse_bad_name(name)
        with translated(self.where(name)):
            self._client.delete_object(Bucket=self.bucket, Key=self._key(name))

    def delete_folder(self, folder: str) -> None:
        """Abort the uploads first, so that none ends meanwhile, and delete every key."""
        self.forget_uploads(folder)
        with translated(self.where(folder)):
            keys = [key for key, _ in self._keys(folder)]
            for begin in range(0, len(keys), _AT_ONCE):
                self._delete_keys(keys[begin : begin + _AT_ONCE])

    def forget_uploads(self, folder: str) -> None:
        """Abort them: their parts cost, and show nowhere."""
        refuse_bad_name(folder)
        inside = self._inside(folder)
        with translated(self.where(folder)):
            for page in self._client.get_paginator("list_multipart_uploads").paginate(
                Bucket=self.bucket, Prefix=inside
            ):
                for upload in page.get("Uploads", ()):
                    if upload["Key"].startswith(inside):
                        self._client.abort_multipart_upload(
                            Bucket=self.bucket, Key=upload["Key"], UploadId=upload["UploadId"]
                        )

    @cached_property
    def _client(self) -> S3Client:
        """Made when it is first needed."""
        with translated(self.where("")):
            return s3_client(self.address, hurried=self.hurried)

    def _keys(self, folder: str) -> Iterator[tuple[str, int]]:
        with translated(self.where(folder)):
            for page in self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self.bucket, Prefix=self._inside(folder), PaginationConfig={"PageSize": _AT_ONCE}
            ):
                yield from ((each["Key"], each["Size"]) for each in page.get("Contents", ()))

    def _delete_keys(self, keys: list[str]) -> None:
        objects: list[ObjectIdentifierTypeDef] = [{"Key": key} for key in keys]
        answer = self._client.delete_objects(Bucket=self.bucket, Delete={"Objects": objects, "Quiet": True})
        for error in answer.get("Errors", ()):
            where = f"s3://{self.bucket}/{error.get('Key')}"
            raise refusal(where, "DeleteObjects", error.get("Code", "no code"), error.get("Message", ""))

    def _answer(self, request: GetObjectRequestTypeDef) -> GetObjectOutputTypeDef | None:
        """None where the object ends before the range begins."""
        from botocore.exceptions import ClientError

        try:
            return self._client.get_object(**request)
        except ClientError as error:
            if code_of(error) != "InvalidRange":
                raise
            return None
