"""A blob on its way into Azure: in one request where it is small, in blocks where it is not."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from chom_pipelines.errors import ObjectExistsError
from chom_pipelines.repository.azure_errors import translated
from chom_pipelines.repository.marked_upload import MARK, MarkedUpload
from chom_pipelines.repository.part_buffer import part_size

if TYPE_CHECKING:
    from azure.storage.blob import BlobClient, StandardBlobTier


class AzureUpload(MarkedUpload):
    """Every request carries the MD5 of its bytes, which Azure compares before it keeps them.

    Blocks that are never made a blob of show nowhere, and Azure forgets them after a week.
    """

    def __init__(self, blob: BlobClient, where: str, *, tier: StandardBlobTier | None, anew: bool = False) -> None:
        super().__init__(where, translated, anew=anew)
        self._blob = blob
        self._options: dict[str, Any] = {"metadata": {MARK: self._mark}, "standard_blob_tier": tier}
        self._blocks: list[str] = []

    def _next_size(self) -> int:
        return part_size(len(self._blocks))

    def _send(self, data: bytes) -> None:
        # of one length, and of this upload alone: two that put the same name do not mix their blocks
        block = base64.b64encode(f"{self._mark}-{len(self._blocks):06}".encode()).decode()
        self._blob.stage_block(block, data, length=len(data), validate_content=True)
        self._blocks.append(block)

    def _publish(self, rest: bytes) -> None:
        from azure.core import MatchConditions
        from azure.core.exceptions import ResourceExistsError
        from azure.storage.blob import BlobBlock

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

    def _discard(self) -> None:
        """Nothing: Azure forgets blocks by itself."""

    def _found(self) -> tuple[str, bool]:
        there = self._blob.get_blob_properties()
        return str((there.metadata or {}).get(MARK, "")), there.size == self._bytes

    def _remove(self) -> None:
        self._blob.delete_blob()
