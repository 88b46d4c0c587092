"""What a backup says of itself: format, server, coordinates, tables with their digests, stored objects, warnings.

The manifest is the last file of a backup to be written. It is authenticated as a whole: with the data key's MAC key
where the backup is encrypted, else by a plain SHA-256, which finds rot but not forgery.
"""

import hashlib
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from chom_pipelines.repository.codecs import Codec
from chom_pipelines.repository.keys import WrappedKey
from chom_pipelines.repository.objects import StoredObject
from chom_pipelines.repository.sealing import SealedDocument

FORMAT = 1

Hex = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Method(StrEnum):
    """How a full backup is taken."""

    LOGICAL = "logical"
    PHYSICAL = "physical"


class SourceServer(_Model):
    """The server that was backed up, as it described itself."""

    flavour: str
    version: str
    hostname: str
    server_id: int
    server_uuid: str | None = None
    variables: dict[str, str] = Field(default_factory=dict, description="those that matter to a restore")


class Coordinates(_Model):
    """Where in the binary log the snapshot stands. All None: the server writes no binary log."""

    file: str | None = None
    position: int | None = None
    gtid: str | None = None


class Part(_Model):
    """One key range of a table: rows with lower <= key < upper; None is an open end."""

    lower: str | None = Field(default=None, description="SQL literal of the first key column")
    upper: str | None = None
    rows: int
    bytes: int = Field(description="bytes of tab-separated text")
    digest: Hex
    objects: tuple[str, ...] = Field(description="stored objects in order; a bundle's is path#member")


class Table(_Model):
    """One base table's data."""

    database: str
    name: str
    engine: str
    transactional: bool
    columns: tuple[str, ...] = Field(description="the columns of the data, in order")
    load: str = Field(description="the part of LOAD DATA after its LINES clause: columns, and SET where one needs it")
    key_column: str | None = Field(default=None, description="the column that ranges cut")
    parts: tuple[Part, ...]

    @property
    def rows(self) -> int:
        """Rows in all parts."""
        return sum(part.rows for part in self.parts)

    @property
    def bytes(self) -> int:
        """Bytes of tab-separated text in all parts."""
        return sum(part.bytes for part in self.parts)

    @property
    def digest(self) -> str:
        """SHA-256 over the digests of the parts in order."""
        return hashlib.sha256("".join(part.digest for part in self.parts).encode()).hexdigest()


class SchemaObject(_Model):
    """One definition in the schema files: kind, name, and the SHA-256 of its statement."""

    kind: str = Field(
        description="database, sequence, table, view, procedure, function, package, trigger, event, account"
    )
    database: str
    name: str
    digest: Hex


class Manifest(_Model):
    """A complete backup's description, `manifest.json`."""

    format: int = FORMAT
    tool: str
    id: str
    server: str = Field(description="its name in the inventory")
    method: Method
    started: datetime
    snapshot: datetime
    finished: datetime
    source: SourceServer
    coordinates: Coordinates
    databases: tuple[str, ...]
    codec: Codec
    level: int
    key: WrappedKey | None = None
    tables: tuple[Table, ...]
    schema_objects: tuple[SchemaObject, ...]
    objects: tuple[StoredObject, ...]
    non_transactional: tuple[str, ...] = Field(default=(), description="tables that no snapshot covers")
    warnings: tuple[str, ...] = ()
    guide: Hex | None = Field(default=None, description="SHA-256 of RESTORE.md, None where there is none")

    @property
    def raw_bytes(self) -> int:
        """Bytes before compression."""
        return sum(stored.raw_bytes for stored in self.objects)

    @property
    def stored_bytes(self) -> int:
        """Bytes as stored."""
        return sum(stored.bytes for stored in self.objects)

    @property
    def rows(self) -> int:
        """Rows in all tables."""
        return sum(table.rows for table in self.tables)

    @property
    def ratio(self) -> float:
        """Raw bytes by stored bytes."""
        return self.raw_bytes / self.stored_bytes if self.stored_bytes else 1.0


_DOCUMENT = SealedDocument("manifest", FORMAT, Manifest)


def seal(manifest: Manifest, mac_key: bytes | None) -> bytes:
    """Serialise with an authenticator; one object a line, so that grep and sed read it."""
    return _DOCUMENT.seal(manifest, mac_key)


def peek(data: bytes, where: str) -> dict[str, Any]:
    """The manifest as plain JSON, not yet authenticated: to find the key that it names.

    Raises DamagedError where it is no manifest, UnknownFormatError where it is of another format.
    """
    return _DOCUMENT.peek(data, where)


def unseal(data: bytes, mac_key: bytes | None, where: str) -> Manifest:
    """Check the authenticator and parse.

    Raises DamagedError where the manifest was changed, or UnknownFormatError.
    """
    return _DOCUMENT.unseal(data, mac_key, where)
