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
from chom_pipelines.errors import DamagedError, ObjectMissingError, UnencryptedError
from chom_pipelines.repository.data_keys import StreamKey, opened_key, parsed_key
from chom_pipelines.repository.encryption import DataKey
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.payloads import Hex
from chom_pipelines.repository.records import Record
from chom_pipelines.repository.sealing import SealedDocument
from chom_pipelines.repository.streams import Stream

NAME = "heard.json"
FORMAT = 1


class Heard(Record):
    """At `time` all was archived, and the archive ended at this place."""

    format: int = FORMAT
    server: str = Field(description="its name in the inventory")
    history: str
    file: str = Field(description="of the last piece that was archived")
    end: NonNegativeInt = Field(description="the position in it at which that ends")
    head: Hex = Field(description="SHA-256 of the file's first event")
    time: AwareDatetime = Field(description="by the server's clock, asked before it told where its log ends")
    key: StreamKey | None = Field(description="with which this is sealed; None: it is not encrypted")

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


def read_heard(parts: Stream, history: str, keyring: Keyring | None) -> Heard | None:
    """What was noted last; None: nothing was.

    Raises DamagedError where it cannot be believed, UnencryptedError, KeyUnavailableError, UnknownFormatError.
    """
    where = parts.folder.where(NAME)
    try:
        data = parts.folder.read(NAME)
    except ObjectMissingError:
        return None
    source = parsed_key(DOCUMENT.peek(data, where).get("key"), where)
    if source is None and keyring and not keyring.accepts_plain:
        what = f"{where} is not encrypted, so that whoever can write there may have made it"
        raise UnencryptedError(what, "remove it: the next one that `chom stream` writes is")
    key = opened_key(source, parts.folder, keyring, where) if source else None
    heard = DOCUMENT.unseal(data, key.mac if key else None, where)
    if (heard.server, heard.history) != (parts.server, history):
        raise DamagedError(f"{where} is the record of {heard.server}, {heard.history}", "remove it")
    return heard


def extended(history: History, heard: Heard | None) -> History:
    """The history, of which all that was committed up to that time is known to be in it."""
    if heard is None:
        return history
    segments = (replace(each, heard=heard.time) if heard.extends(each) else each for each in history.segments)
    return replace(history, segments=tuple(segments))
