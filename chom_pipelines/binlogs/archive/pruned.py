"""Where retention has cut a history off: what it has deleted is not archived anew, though the server may still have it.

The record is a small sealed object beside the segments. It names the first one that stays, and holds for as long as
that is there: a server that began to count its files anew has other files under these names.
"""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import Field

from chom_pipelines.binlogs.archive.segments import Segment
from chom_pipelines.binlogs.archive.stream_records import StreamRecord, read_record
from chom_pipelines.repository.data_keys import StreamKey, opened_key
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.log_name import InLogFile
from chom_pipelines.repository.payloads import Hex
from chom_pipelines.repository.sealing import SealedDocument
from chom_pipelines.repository.streams import Stream

NAME = "pruned.json"
FORMAT = 1


class Pruned(StreamRecord, InLogFile):
    """Nothing before this file stays."""

    format: int = FORMAT
    file: str = Field(description="of the first segment that stays")
    head: Hex = Field(description="SHA-256 of that file's first event")

    def holds_for(self, segments: Iterable[Segment]) -> bool:
        """The file is among them."""
        return any((each.file, each.head) == (self.file, self.head) for each in segments)


DOCUMENT = SealedDocument("record of what was deleted", FORMAT, Pruned)


def keep_pruned(stream: Stream, first: Segment, stream_key: str | None, keyring: Keyring | None) -> None:
    """Note that nothing before `first` stays, ahead of its deletion; `stream_key` is one of this stream's segments.

    Raises DiskFullError, RepositoryError, KeyUnavailableError.
    """
    key = StreamKey(stream_key) if stream_key else None
    sealing = opened_key(key, stream.folder, keyring, stream.folder.where(NAME)) if key else None
    pruned = Pruned(server=stream.server, history=first.history, key=key, file=first.file, head=first.head)
    stream.folder.replace(NAME, DOCUMENT.seal(pruned, sealing.mac if sealing else None))


def read_pruned(stream: Stream, keyring: Keyring | None) -> Pruned | None:
    """What was noted last of this history; None: nothing was. Raises what `read_record` raises."""
    return read_record(DOCUMENT, stream, NAME, keyring)
