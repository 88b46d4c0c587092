"""An object on its way into Google Cloud Storage: in one request where it is small, in chunks where it is not."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from chom_pipelines.errors import ObjectExistsError, RepositoryError
from chom_pipelines.repository.google_errors import translated
from chom_pipelines.repository.marked_upload import MARK, MarkedUpload
from chom_pipelines.repository.part_buffer import PART

if TYPE_CHECKING:
    from google.cloud.storage import Blob
    from google.cloud.storage.fileio import BlobWriter

_TYPE = "application/octet-stream"


class GoogleUpload(MarkedUpload):
    """Its size and its CRC-32C, as Google computed them, are compared with those of what was written.

    An upload that never ends shows nowhere, and Google forgets it after a week. `patience` is what requests are made
    with.
    """

    def __init__(self, blob: Blob, where: str, *, patience: Mapping[str, Any], anew: bool = False) -> None:
        from google_crc32c import Checksum

        super().__init__(where, translated, anew=anew)
        self._blob = blob
        self._blob.metadata = {MARK: self._mark}
        condition = {} if anew else {"if_generation_match": 0}
        self._options = {"content_type": _TYPE, "checksum": "crc32c", **condition, **patience}
        self._patience = patience
        self._checksum = Checksum()
        self._writer: BlobWriter | None = None

    def _note(self, data: bytes) -> None:
        self._checksum.update(data)

    def _next_size(self) -> int:
        return PART

    def _send(self, data: bytes) -> None:
        if self._writer is None:
            self._writer = _writer_of(self._blob, chunk_size=PART, **self._options)
        self._writer.write(data)

    def _publish(self, rest: bytes) -> None:
        # asked first as well: a large upload would learn it only at the end
        if not self._anew and self._mark_there() is not None:
            raise ObjectExistsError(f"{self._where} is there already")
        if self._writer is None:
            self._blob.upload_from_string(rest, **self._options)
            return
        self._writer.write(rest)
        self._writer.close()

    def _discard(self) -> None:
        if self._writer is not None:
            with suppress(RepositoryError), translated(self._where):  # the error that led here is the one to tell
                self._writer.terminate()
        self._writer = None

    def _found(self) -> tuple[str, bool]:
        there = self._blob.bucket.blob(self._blob.name)
        there.reload(**self._patience)
        checksum = base64.b64encode(self._checksum.digest()).decode()
        return str((there.metadata or {}).get(MARK, "")), (there.size, there.crc32c) == (self._bytes, checksum)

    def _remove(self) -> None:
        self._blob.bucket.blob(self._blob.name).delete(**self._patience)


def _writer_of(blob: Blob, **options: Any) -> BlobWriter:  # noqa: ANN401  (of Google's library)
    """A writer that publishes nothing when it is forgotten: as a file of Python's, it would close itself then."""
    from google.cloud.storage.fileio import BlobWriter

    class Writer(BlobWriter):  # type: ignore[misc]  # it has no types
        def __del__(self) -> None:
            """Nothing: what was not committed is not to be there."""

    return Writer(blob, **options)
