"""Where retention has cut a history off: what it has deleted is not archived anew, though the server may still have it.

The record is a small sealed object beside the segments. It names the last file that was deleted, and one that stays: it
holds for as long as that is there, as a server that began to count its files anew has others under these names.
"""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import Field

from chom_pipelines.binlogs.archive.segments import Segment
from chom_pipelines.binlogs.archive.stream_records import StreamRecord, read_record
from chom_pipelines.errors import KeyUnavailableError
from chom_pipelines.repository.data_keys import StreamKey, opened_key
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.log_name import LogName
from chom_pipelines.repository.payloads import Hex
from chom_pipelines.repository.sealing import SealedDocument
from chom_pipelines.repository.streams import Stream

NAME = "pruned.json"
FORMAT = 1


class Pruned(StreamRecord):
    """Everything up to `deleted` has been deleted, and `stays` is there."""

    format: int = FORMAT
    deleted: str = Field(description="the last file of which retention has deleted the segment")
    stays: str = Field(description="a later file, of which the segment stays")
    head: Hex = Field(description="SHA-256 of the first event of the file that stays")

    def holds_for(self, segments: Iterable[Segment]) -> bool:
        """The file that stays is among them."""
        return any((each.file, each.head) == (self.stays, self.head) for each in segments)

    def is_past(self, file: str) -> bool:
        """It is one of those that were deleted, or lacked even before these."""
        name, deleted, stays = map(LogName.of, (file, self.deleted, self.stays))
        return name.base == deleted.base == stays.base and name.number <= min(deleted.number, stays.number - 1)


DOCUMENT = SealedDocument("record of what was deleted", FORMAT, Pruned)


def keep_pruned(stream: Stream, deleted: Segment, stays: Segment, keyring: Keyring | None) -> None:
    """Note that all up to `deleted` is to go, with whose key this is sealed, and `stays` is there.

    Raises DiskFullError, RepositoryError, KeyUnavailableError.
    """
    key = StreamKey(deleted.stream_key) if deleted.stream_key else None
    sealing = opened_key(key, stream.folder, keyring, stream.folder.where(NAME)) if key else None
    pruned = Pruned(
        server=stream.server,
        history=deleted.history,
        key=key,
        deleted=deleted.file,
        stays=stays.file,
        head=stays.head,
    )
    stream.folder.replace(NAME, DOCUMENT.seal(pruned, sealing.mac if sealing else None))


def read_pruned(stream: Stream, keyring: Keyring | None) -> Pruned | None:
    """What was noted last of this history; None: nothing was. Raises what `read_record` raises.

    Who can encrypt and not decrypt takes it as it is, as manifests: at most files before one that is there are past.
    """
    try:
        return read_record(DOCUMENT, stream, NAME, keyring)
    except KeyUnavailableError:
        where = stream.folder.where(NAME)
        body = DOCUMENT.peek(stream.folder.read(NAME), where)
        body.pop("seal", None)
        return DOCUMENT.parse(body, where)
