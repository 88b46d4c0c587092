"""An object on its way into Google Cloud Storage: in one request where it is small, in chunks where it is not."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from chom_pipelines.errors import DamagedError, ObjectExistsError, ObjectMissingError, RepositoryError
from chom_pipelines.repository.google_errors import translated
from chom_pipelines.repository.part_buffer import PART, PartBuffer

if TYPE_CHECKING:
    from google.cloud.storage import Blob
    from google.cloud.storage.fileio import BlobWriter

_MARK = "upload"
_TYPE = "application/octet-stream"


class GoogleUpload:
    """Keeps a chunk in memory; nothing is there under the name before `commit`, and what was there stays.

    When it is there, its size and its CRC-32C, as Google computed them, are compared with those of what was written.
    An upload that never ends shows nowhere, and Google forgets it after a week. `patience` is what requests are made
    with.
    """

    def __init__(self, blob: Blob, where: str, *, patience: Mapping[str, Any], anew: bool = False) -> None:
        from google_crc32c import Checksum

        self._blob, self._where = blob, where
        self._patience = patience
        self._anew = anew
        self._mark = secrets.token_hex(8)
        self._blob.metadata = {_MARK: self._mark}
        self._checksum = Checksum()
        self._bytes = 0
        self._rest = PartBuffer()
        self._writer: BlobWriter | None = None
        self._open = True

    def write(self, data: bytes) -> None:
        """Append, and send what makes a chunk."""
        self._refuse_closed()
        self._bytes += len(data)
        self._checksum.update(data)
        self._rest.add(data)
        while self._rest.bytes > PART:  # so that something is left for the last one
            with translated(self._where):
                self._send(self._rest.take(PART))

    def commit(self) -> None:
        """Send the rest, and have the object made of it."""
        self._refuse_closed()
        try:
            with translated(self._where):
                self._publish()
        except RepositoryError:
            if not self._is_there():
                self.abort()
                raise
        self._open = False
        self._compare()

    def abort(self) -> None:
        """Have what was sent thrown away."""
        if self._open and self._writer is not None:
            with suppress(RepositoryError), translated(self._where):  # the error that led here is the one to tell
                self._writer.terminate()
        self._writer = None
        self._open = False
        self._rest.clear()

    def _publish(self) -> None:
        # asked first as well: who has sent all of it learns it only at the end
        if not self._anew and self._mark_there() is not None:
            raise ObjectExistsError(f"{self._where} is there already")
        rest = self._rest.take(self._rest.bytes)
        if self._writer is None:
            self._blob.upload_from_string(
                rest, content_type=_TYPE, checksum="crc32c", **self._condition, **self._patience
            )
            return
        self._writer.write(rest)
        self._writer.close()

    def _send(self, data: bytes) -> None:
        if self._writer is None:
            self._writer = _writer_of(
                self._blob, chunk_size=PART, content_type=_TYPE, checksum="crc32c", **self._condition, **self._patience
            )
        self._writer.write(data)

    @property
    def _condition(self) -> dict[str, Any]:
        return {} if self._anew else {"if_generation_match": 0}

    def _compare(self) -> None:
        """Raise DamagedError where the store has other bytes than were written; which are removed, if they may be."""
        with translated(self._where):
            self._blob.reload(**self._patience)
        if self._blob.size == self._bytes and self._blob.crc32c == base64.b64encode(self._checksum.digest()).decode():
            return
        with suppress(RepositoryError), translated(self._where):  # the error below is the one to tell
            self._blob.delete(**self._patience)
        what = f"{self._where}: the store has other bytes than the {self._bytes} that were sent"
        raise DamagedError(what, "see to the network and to the store, and run it again")

    def _is_there(self) -> bool:
        """Whether it was made after all: the library asks again where an answer is lost, and meets what it made."""
        with suppress(RepositoryError):
            return self._mark_there() == self._mark
        return False

    def _mark_there(self) -> str | None:
        """The mark of what is there, "" where it has none; None where nothing is."""
        there = self._blob.bucket.blob(self._blob.name)
        try:
            with translated(self._where):
                there.reload(**self._patience)
        except ObjectMissingError:
            return None
        return str((there.metadata or {}).get(_MARK, ""))

    def _refuse_closed(self) -> None:
        if not self._open:
            raise RepositoryError(f"{self._where}: this upload has ended already", "report this as a bug")


def _writer_of(blob: Blob, **options: Any) -> BlobWriter:  # noqa: ANN401  (of Google's library)
    """A writer that publishes nothing when it is forgotten: as a file of Python's, it would close itself then."""
    from google.cloud.storage.fileio import BlobWriter

    class Writer(BlobWriter):  # type: ignore[misc]  # it has no types
        def __del__(self) -> None:
            """Nothing: what was not committed is not to be there."""

    return Writer(blob, **options)
