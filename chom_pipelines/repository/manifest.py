"""What a backup says of itself: one envelope for every kind, and a payload by method.

The manifest is the last object of a backup to be put, and makes it one. It is authenticated as a whole: with the data
key's MAC key where the backup is encrypted, else by a plain SHA-256, which finds rot but not forgery.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from typing import Any

from pydantic import AwareDatetime, Field, NonNegativeInt, model_validator

from chom_pipelines.errors import UnknownFormatError, UnsupportedBackupError
from chom_pipelines.repository.data_keys import KeySource
from chom_pipelines.repository.layout import Kind, parse_id
from chom_pipelines.repository.master_keys import WrappedKey
from chom_pipelines.repository.objects import StoredObject
from chom_pipelines.repository.payloads import Hex, LogicalPayload, Method, Payload, PhysicalPayload
from chom_pipelines.repository.records import Record
from chom_pipelines.repository.sealing import SealedDocument

FORMAT = 2

_POSSIBLE = {
    Kind.FULL: {Method.LOGICAL, Method.PHYSICAL},
    Kind.INCREMENTAL: {Method.PHYSICAL},
    Kind.BINLOG: {Method.BINLOG},
}


class SourceZones(Record):
    """What the server that was backed up knew of time zones."""

    system: dict[int, int] = Field(
        min_length=1, description="what SYSTEM is: from when on, in seconds since 1970, how many seconds ahead of UTC"
    )
    named: tuple[str, ...] | NonNegativeInt | None = Field(
        description="those that it knew by their names, or how many; None: that could not be asked"
    )


class SourceServer(Record):
    """The server that was backed up, as it described itself."""

    flavour: str
    version: str
    hostname: str
    server_id: int
    server_uuid: str | None = None
    variables: dict[str, str] = Field(default_factory=dict, description="those that matter to a restore")
    zones: SourceZones | None = Field(default=None, description="of a full backup; None: it was not asked")


class Position(Record):
    """A place in the binary log: before the event at this position, after all of these transactions."""

    file: str
    position: NonNegativeInt
    gtid: str | None = Field(default=None, description="MariaDB: domain-server-sequence; MySQL: a set; None: without")


class Coordinates(Record):
    """What a backup covers of the binary log. All None: the server writes none."""

    start: Position | None = Field(default=None, description="where it goes on from; None: it holds all before `end`")
    end: Position | None = Field(default=None, description="where replay goes on: the snapshot, the end of a segment")
    purged: str | None = Field(default=None, description="GTIDs that the server's own binary log no longer has")
    head: Hex | None = Field(
        default=None, description="of a full backup: SHA-256 of the first event of `end`'s file; None: it was not got"
    )


class ReplicationSource(Record):
    """Up to where a replica has executed the binary log of the server that it follows."""

    name: str = Field(description="of the channel or connection; usually empty")
    host: str
    port: NonNegativeInt
    file: str = Field(description="of the source's binary log; empty until something of it was executed")
    position: NonNegativeInt = Field(
        description="all before it is in the backup; MySQL notes it down late, so that more may be: GTIDs are exact"
    )
    gtid: str | None = Field(default=None, description="what was executed of all sources; None: without")


class Manifest(Record):
    """A complete backup's description, `manifest.json`."""

    format: int = FORMAT
    tool: str
    id: str
    server: str = Field(description="its name in the inventory")
    kind: Kind
    parent: str | None = Field(default=None, description="the id of the backup without which this one is nothing")
    started: AwareDatetime
    as_of: AwareDatetime = Field(description="what it holds is as of then: a snapshot, the last event of a segment")
    finished: AwareDatetime
    source: SourceServer
    coordinates: Coordinates
    sources: tuple[ReplicationSource, ...] = Field(default=(), description="whom the server replicates, at `as_of`")
    key: KeySource | None = None
    payload: Payload
    objects: tuple[StoredObject, ...]
    warnings: tuple[str, ...] = ()
    guide: Hex | None = Field(default=None, description="SHA-256 of RESTORE.md, None where there is none")

    @model_validator(mode="after")
    def _possible(self) -> Manifest:
        identity = parse_id(self.id)
        if identity is None or identity.kind is not self.kind:
            raise ValueError(f"{self.id!r} is no id of a {self.kind.value} backup")
        if self.method not in _POSSIBLE[self.kind]:
            raise ValueError(f"there are no {self.kind.value} backups of the method {self.method.value}")
        if (self.parent is None) == (self.kind is Kind.INCREMENTAL):
            raise ValueError("an incremental backup has a parent, and no other has one")
        parent = parse_id(self.parent) if self.parent else None
        if self.parent and not (parent and parent.time and identity.time and parent.time < identity.time):
            raise ValueError(f"{self.parent!r} is no id of an earlier backup, on which it could build")
        base = self.payload.base if isinstance(self.payload, PhysicalPayload) else None
        if (base is None) == (self.kind is Kind.INCREMENTAL):
            raise ValueError("an incremental backup has its parent's fingerprint, and no other has one")
        return self

    @property
    def method(self) -> Method:
        """How it was taken."""
        return self.payload.method

    @property
    def logical(self) -> LogicalPayload:
        """Its payload, where that is rows and definitions; raises UnsupportedBackupError for another method."""
        if not isinstance(self.payload, LogicalPayload):
            what = f"{self.id} of {self.server} is a {self.method.value} backup"
            raise UnsupportedBackupError(what, "this version reads logical backups only; use the one that took it")
        return self.payload

    @property
    def physical(self) -> PhysicalPayload:
        """Its payload, where that is data files; raises UnsupportedBackupError for another method."""
        if not isinstance(self.payload, PhysicalPayload):
            what = f"{self.id} of {self.server} is a {self.method.value} backup, without data files"
            raise UnsupportedBackupError(what, "choose a physical backup, which `chom backups` names so")
        return self.payload

    @property
    def fingerprint(self) -> str:
        """What tells it from all other backups, whichever key wraps its own: SHA-256 of all else that it says.

        Without defaults, so that it stays the same where a later version has more to say.
        """
        return hashlib.sha256(self.model_dump_json(exclude={"key"}, exclude_defaults=True).encode()).hexdigest()

    @property
    def tables(self) -> int:
        """How many it has; 0 of a binary log."""
        if isinstance(self.payload, LogicalPayload):
            return len(self.payload.tables)
        return self.payload.tables if isinstance(self.payload, PhysicalPayload) else 0

    @property
    def key_name(self) -> str | None:
        """The name of its master key, or of the key of its stream; None where it is not encrypted."""
        if self.key is None:
            return None
        return self.key.key_name if isinstance(self.key, WrappedKey) else self.key.stream_key

    @property
    def seconds(self) -> float:
        """How long it took."""
        return (self.finished - self.started).total_seconds()

    @property
    def raw_bytes(self) -> int:
        """Bytes before compression."""
        return sum(stored.raw_bytes for stored in self.objects)

    @property
    def stored_bytes(self) -> int:
        """Bytes as stored."""
        return sum(stored.bytes for stored in self.objects)

    @property
    def ratio(self) -> float:
        """Raw bytes by stored bytes."""
        return self.raw_bytes / self.stored_bytes if self.stored_bytes else 1.0


_DOCUMENT = SealedDocument("manifest", FORMAT, Manifest)


def seal(manifest: Manifest, mac_key: bytes | None) -> bytes:
    """Serialise with an authenticator; one object a line, so that grep and sed read it."""
    return _DOCUMENT.seal(manifest, mac_key)


def rewrapped(data: bytes, mac_key: bytes, where: str, key: WrappedKey) -> bytes:
    """The same manifest with its data key wrapped otherwise; raises DamagedError where it is not authentic."""
    return _DOCUMENT.resealed(data, mac_key, where, key=asdict(key))


def peek(data: bytes, where: str) -> dict[str, Any]:
    """The manifest as plain JSON, not yet authenticated: to find the key that it names.

    Raises DamagedError where it is no manifest, UnknownFormatError where it is of another format.
    """
    return _DOCUMENT.peek(data, where)


def unseal(data: bytes, mac_key: bytes | None, where: str) -> Manifest:
    """Check the authenticator and parse.

    Raises DamagedError where the manifest was changed; UnknownFormatError where its format, kind or
    method is not known here.
    """
    body = _DOCUMENT.authenticated(data, mac_key, where)
    payload = body.get("payload")
    method = payload.get("method") if isinstance(payload, dict) else None
    for what, found, known in (("kind", body.get("kind"), Kind), ("method", method, Method)):
        if isinstance(found, str) and found not in set(known):
            message = f"{where}: the backup is of the {what} {found!r}; this version knows {', '.join(known)}"
            raise UnknownFormatError(message, "use the version of chom that wrote it, or a newer one")
    return _DOCUMENT.parse(body, where)


def unauthenticated(body: dict[str, Any]) -> Manifest:
    """A peeked manifest, for who has not its key and says so; raises pydantic's ValidationError."""
    return Manifest.model_validate({name: value for name, value in body.items() if name != "seal"})
