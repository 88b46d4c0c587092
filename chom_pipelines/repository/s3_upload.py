"""An object on its way into S3: in one request where it is small, in parts where it is not."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Mapping
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any

from zlib_ng.zlib_ng import crc32

from chom_pipelines.errors import DamagedError, ObjectExistsError, RepositoryError, StoreUnreachableError
from chom_pipelines.repository.part_buffer import PartBuffer, part_size
from chom_pipelines.repository.s3_errors import is_missing, translated
from chom_pipelines.repository.store import PIECE

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client
    from types_boto3_s3.type_defs import CompletedPartTypeDef, CreateMultipartUploadRequestTypeDef

_MARK = "upload"
_CRC_BYTES = 4


class S3Upload:
    """Keeps a part in memory; nothing is there under the name before `commit`, and what was there stays.

    Every request carries a checksum (CRC-32), which S3 compares, unless AWS_REQUEST_CHECKSUM_CALCULATION=when_required
    says that the store does not know them. When it is there, the store is asked for the size and the checksum of what
    it has; one that tells no checksum has to send it back. `options` are what the object is put with.
    """

    def __init__(
        self,
        client: S3Client,
        bucket: str,
        key: str,
        where: str,
        *,
        options: Mapping[str, Any],
        anew: bool = False,
    ) -> None:
        self._client = client
        self._bucket, self._key, self._where = bucket, key, where
        self._options = options
        self._condition: dict[str, Any] = {} if anew else {"IfNoneMatch": "*"}
        self._mark = secrets.token_hex(8)
        self._bytes = self._crc32 = 0
        self._rest = PartBuffer()
        self._id: str | None = None
        self._parts: list[CompletedPartTypeDef] = []
        self._crc32_of_parts: list[int] = []
        self._open = True

    def write(self, data: bytes) -> None:
        """Append, and send what makes a part."""
        self._refuse_closed()
        self._bytes += len(data)
        self._crc32 = crc32(data, self._crc32)
        self._rest.add(data)
        while self._rest.bytes > (size := part_size(len(self._parts))):  # so that something is left for the last part
            with translated(self._where):
                self._send(self._rest.take(size))

    def commit(self) -> None:
        """Send the rest, and have the object made of it."""
        self._refuse_closed()
        try:
            with translated(self._where):
                self._publish()
        except BaseException as error:
            if not isinstance(error, RepositoryError) or not self._is_there():
                self.abort()
                raise
        self._open = False
        with translated(self._where):
            self._compare()

    def abort(self) -> None:
        """Have the parts thrown away."""
        if self._open and self._id is not None:
            # The error that led here is the one to tell; parts that stay show nowhere, and go with their folder.
            with suppress(RepositoryError), translated(self._where):
                self._client.abort_multipart_upload(Bucket=self._bucket, Key=self._key, UploadId=self._id)
        self._open = False
        self._rest.clear()

    def _publish(self) -> None:
        # Asked first as well, for stores that accept the condition and do not know it; those that do leave no gap.
        if self._condition and found_metadata(self._client, self._bucket, self._key) is not None:
            raise ObjectExistsError(f"{self._where} is there already")
        if self._id is None:
            self._client.put_object(
                Bucket=self._bucket,
                Key=self._key,
                Body=self._rest.take(self._rest.bytes),
                Metadata={_MARK: self._mark},
                **self._condition,
                **self._checksum(self._crc32),
                **self._options,
            )
            return
        self._send(self._rest.take(self._rest.bytes))
        self._client.complete_multipart_upload(
            Bucket=self._bucket,
            Key=self._key,
            UploadId=self._id,
            MultipartUpload={"Parts": self._parts},
            **self._condition,
        )

    def _compare(self) -> None:
        """Raise DamagedError where the store has other bytes than were written; then they are removed, if they may be.

        What a store keeps of an object of several parts is a checksum of their checksums, unless it says another type.
        """
        found = self._client.head_object(Bucket=self._bucket, Key=self._key, ChecksumMode="ENABLED")
        told, size = found.get("ChecksumCRC32", ""), found["ContentLength"]
        if not told:
            told, size = self._read_back()
        if size == self._bytes and told.partition("-")[0] in {_text(self._crc32), self._of_parts()}:
            return
        with suppress(RepositoryError), translated(self._where):  # the error below is the one to tell
            self._client.delete_object(Bucket=self._bucket, Key=self._key)
        what = f"{self._where}: the store has other bytes than the {self._bytes} that were sent"
        raise DamagedError(what, "see to the network and to the store, and run it again")

    def _read_back(self) -> tuple[str, int]:
        size = checksum = 0
        with closing(self._client.get_object(Bucket=self._bucket, Key=self._key)["Body"]) as body:
            while piece := body.read(PIECE):
                size, checksum = size + len(piece), crc32(piece, checksum)
        return _text(checksum), size

    def _of_parts(self) -> str:
        """As a store tells it of an object of several parts, but for `-` and their number, which some leave out."""
        checksums = b"".join(each.to_bytes(_CRC_BYTES, "big") for each in self._crc32_of_parts)
        return _text(crc32(checksums))

    def _send(self, data: bytes) -> None:
        if self._id is None:
            self._id = self._begun()
        number = len(self._parts) + 1
        checksum = crc32(data)
        self._crc32_of_parts.append(checksum)
        answer = self._client.upload_part(
            Bucket=self._bucket,
            Key=self._key,
            UploadId=self._id,
            PartNumber=number,
            Body=data,
            **self._checksum(checksum),
        )
        part: CompletedPartTypeDef = {"PartNumber": number, "ETag": answer["ETag"]}
        if told := answer.get("ChecksumCRC32"):
            if told != _text(checksum):
                what = f"{self._where}: the store got other bytes of its part {number} than were sent"
                raise StoreUnreachableError(what, "run it again; where that happens again, see to the network")
            part["ChecksumCRC32"] = told
        self._parts.append(part)

    def _begun(self) -> str:
        request: CreateMultipartUploadRequestTypeDef = {
            "Bucket": self._bucket,
            "Key": self._key,
            "Metadata": {_MARK: self._mark},
            **self._options,  # type: ignore[typeddict-item]  # of which the stubs know the names, and not that they are
        }
        if self._knows_checksums:
            request["ChecksumAlgorithm"] = "CRC32"
        return self._client.create_multipart_upload(**request)["UploadId"]

    @property
    def _knows_checksums(self) -> bool:
        """As far as is known of the store."""
        config = self._client.meta.config
        return bool(config.request_checksum_calculation == "when_supported")  # type: ignore[attr-defined]  # stubs lack it

    def _checksum(self, checksum: int) -> dict[str, Any]:
        """What a request says of its body: boto3 would compute the same by a slower function."""
        return {"ChecksumAlgorithm": "CRC32", "ChecksumCRC32": _text(checksum)} if self._knows_checksums else {}

    def _is_there(self) -> bool:
        """Whether it was made after all: boto3 asks again where an answer is lost, and then meets what it made."""
        with suppress(RepositoryError), translated(self._where):
            return (found_metadata(self._client, self._bucket, self._key) or {}).get(_MARK) == self._mark
        return False

    def _refuse_closed(self) -> None:
        if not self._open:
            raise RepositoryError(f"{self._where}: this upload has ended already", "report this as a bug")


def found_metadata(client: S3Client, bucket: str, key: str) -> dict[str, str] | None:
    """What was put with an object; None where there is none. Raises what boto3 raises."""
    from botocore.exceptions import ClientError

    try:
        return client.head_object(Bucket=bucket, Key=key)["Metadata"]
    except ClientError as error:
        if is_missing(error):
            return None
        raise


def _text(checksum: int) -> str:
    """As S3 writes a CRC-32."""
    return base64.b64encode(checksum.to_bytes(_CRC_BYTES, "big")).decode()
