"""What a stream has heard: that at some time the server had written nothing that is not archived.

The log of an idle server tells no time, so that what is at stake would seem to grow. The record is one small sealed
object beside the parts, which is replaced every few seconds. It names the piece with which the archive ended then:
where that is not there, the record says nothing.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from pydantic import AwareDatetime, Field, NonNegativeInt

from chom_pipelines.binlogs.archive.histories import History
from chom_pipelines.binlogs.archive.segments import Segment
from chom_pipelines.binlogs.archive.stream_records import StreamRecord, read_record
from chom_pipelines.repository.data_keys import StreamKey
from chom_pipelines.repository.encryption import DataKey
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.payloads import Hex
from chom_pipelines.repository.sealing import SealedDocument
from chom_pipelines.repository.streams import Stream

NAME = "heard.json"
FORMAT = 1


class Heard(StreamRecord):
    """At `time` all was archived, and the archive ended at this place."""

    format: int = FORMAT
    file: str = Field(description="of the last piece that was archived")
    end: NonNegativeInt = Field(description="the position in it at which that ends")
    head: Hex = Field(description="SHA-256 of the file's first event")
    time: AwareDatetime = Field(description="by the server's clock, asked before it told where its log ends")

    def extends(self, segment: Segment) -> bool:
        """The segment holds the place."""
        return segment.head == self.head and segment.file == self.file and segment.start < self.end <= segment.end


DOCUMENT = SealedDocument("record of a stream", FORMAT, Heard)


def keep_heard(history: History, last: Segment, time: datetime, key: tuple[StreamKey, DataKey] | None) -> None:
    """Note that all was archived at this time, with `last` as its end; raises DiskFullError, RepositoryError."""
    heard = Heard(
        server=history.stream.server,
        history=history.name,
        file=last.file,
        end=last.end,
        head=last.head,
        time=time,
        key=key[0] if key else None,
    )
    history.parts.folder.replace(NAME, DOCUMENT.seal(heard, key[1].mac if key else None))


def read_heard(parts: Stream, keyring: Keyring | None) -> Heard | None:
    """What was noted last of this history; None: nothing was. Raises what `read_record` raises."""
    return read_record(DOCUMENT, parts, NAME, keyring)


def extended(history: History, heard: Heard | None) -> History:
    """The history, of which all that was committed up to that time is known to be in it."""
    if heard is None:
        return history
    segments = (replace(each, heard=heard.time) if heard.extends(each) else each for each in history.segments)
    return replace(history, segments=tuple(segments))
