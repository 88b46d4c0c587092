"""A blob on its way into Azure: in one request where it is small, in blocks where it is not."""

from __future__ import annotations

import base64
import secrets
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from chom_pipelines.errors import DamagedError, ObjectExistsError, ObjectMissingError, RepositoryError
from chom_pipelines.repository.azure_errors import translated
from chom_pipelines.repository.part_buffer import PartBuffer, part_size

if TYPE_CHECKING:
    from azure.storage.blob import BlobClient, StandardBlobTier

_MARK = "upload"


class AzureUpload:
    """Keeps a block in memory; nothing is there under the name before `commit`, and what was there stays.

    Every request carries the MD5 of its bytes, which Azure compares before it keeps them. Blocks that are never made a
    blob of show nowhere, and Azure forgets them after a week.
    """

    def __init__(self, blob: BlobClient, where: str, *, tier: StandardBlobTier | None, anew: bool = False) -> None:
        self._blob, self._where = blob, where
        self._anew = anew
        self._mark = secrets.token_hex(8)
        self._options: dict[str, Any] = {"metadata": {_MARK: self._mark}, "standard_blob_tier": tier}
        self._bytes = 0
        self._rest = PartBuffer()
        self._blocks: list[str] = []
        self._open = True

    def write(self, data: bytes) -> None:
        """Append, and send what makes a block."""
        self._refuse_closed()
        self._bytes += len(data)
        self._rest.add(data)
        while self._rest.bytes > (size := part_size(len(self._blocks))):  # so that something is left for the last one
            with translated(self._where):
                self._send(self._rest.take(size))

    def commit(self) -> None:
        """Send the rest, and have the blob made of it."""
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
        """Send no more."""
        self._open = False
        self._rest.clear()

    def _publish(self) -> None:
        from azure.core import MatchConditions
        from azure.core.exceptions import ResourceExistsError
        from azure.storage.blob import BlobBlock

        rest = self._rest.take(self._rest.bytes)
        if not self._blocks:
            try:
                self._blob.upload_blob(
                    rest, overwrite=self._anew, length=len(rest), validate_content=True, **self._options
                )
            except ResourceExistsError:
                if self._mark_there() is not None:
                    raise
                # only blocks of another upload are there: what is made of blocks does not stumble over those
            else:
                return
        # a list of blocks that somebody else's blob has replaced would be refused for that, and not for the name
        if not self._anew and self._mark_there() is not None:
            raise ObjectExistsError(f"{self._where} is there already")
        self._send(rest)
        unless_there: dict[str, Any] = {} if self._anew else {"match_condition": MatchConditions.IfMissing}
        self._blob.commit_block_list([BlobBlock(each) for each in self._blocks], **self._options, **unless_there)

    def _send(self, data: bytes) -> None:
        # of one length, and of this upload alone: two that put the same name do not mix their blocks
        block = base64.b64encode(f"{self._mark}-{len(self._blocks):06}".encode()).decode()
        self._blob.stage_block(block, data, length=len(data), validate_content=True)
        self._blocks.append(block)

    def _compare(self) -> None:
        """Raise DamagedError where the store has not as many bytes as were written; then they are removed."""
        with translated(self._where):
            size = self._blob.get_blob_properties().size
        if size == self._bytes:
            return
        with suppress(RepositoryError), translated(self._where):  # the error below is the one to tell
            self._blob.delete_blob()
        what = f"{self._where}: the store has {size} bytes, and {self._bytes} were sent"
        raise DamagedError(what, "see to the network and to the store, and run it again")

    def _is_there(self) -> bool:
        """Whether it was made after all: the library asks again where an answer is lost, and meets what it made."""
        with suppress(RepositoryError):
            return self._mark_there() == self._mark
        return False

    def _mark_there(self) -> str | None:
        """The mark of what is there, "" where it has none; None where nothing is."""
        try:
            with translated(self._where):
                metadata = self._blob.get_blob_properties().metadata
        except ObjectMissingError:
            return None
        return str((metadata or {}).get(_MARK, ""))

    def _refuse_closed(self) -> None:
        if not self._open:
            raise RepositoryError(f"{self._where}: this upload has ended already", "report this as a bug")
