"""Small sealed records of a history, beside its segments or parts: what they have in common, and how they are read."""

from __future__ import annotations

from typing import TypeVar

from pydantic import Field

from chom_pipelines.errors import DamagedError, ObjectMissingError, UnencryptedError
from chom_pipelines.repository.data_keys import StreamKey, opened_key, parsed_key
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.records import Record
from chom_pipelines.repository.sealing import SealedDocument
from chom_pipelines.repository.streams import Stream


class StreamRecord(Record):
    """Of a server's history."""

    server: str = Field(description="its name in the inventory")
    history: str
    key: StreamKey | None = Field(description="with which this is sealed; None: it is not encrypted")


Model = TypeVar("Model", bound=StreamRecord)


def read_record(document: SealedDocument[Model], stream: Stream, name: str, keyring: Keyring | None) -> Model | None:
    """The record of that name in the stream of a history; None: there is none.

    Raises DamagedError where it cannot be believed, UnencryptedError, KeyUnavailableError, UnknownFormatError.
    """
    where = stream.folder.where(name)
    try:
        data = stream.folder.read(name)
    except ObjectMissingError:
        return None
    source = parsed_key(document.peek(data, where).get("key"), where)
    if source is None and keyring and not keyring.accepts_plain:
        what = f"{where} is not encrypted, so that whoever can write there may have made it"
        raise UnencryptedError(what, "remove it: the next one that is written is encrypted")
    key = opened_key(source, stream.folder, keyring, where) if source else None
    found = document.unseal(data, key.mac if key else None, where)
    if (found.server, found.history) != (stream.server, stream.folder.basename):
        raise DamagedError(f"{where} is the record of {found.server}, {found.history}", "remove it")
    return found
