"""The events of a binary log, format version 4: their header, and the bodies that have no module of their own.

Numbers are little-endian. The layouts are those of the servers' own documentation (MySQL: "Replication Protocol" in its
source documentation; MariaDB: "Replication protocol" in its knowledge base) and of the logs in this project's tests.
Functions take the body, which is what follows the header, without the checksum. They raise IndexError, ValueError or
struct.error where it is not of their layout: who reads a file says then where.
"""

from __future__ import annotations

import hashlib
import re
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum, StrEnum
from struct import Struct

from chom_pipelines.server.facts import Flavour

MAGIC = b"\xfebin"
ENCRYPTED_MAGIC = b"\xfdbin"
"""How a file begins that MySQL encrypted; MariaDB's encrypted files begin as all do, and say so in an event."""

HEADER = Struct("<IBIIIH")
"""Time in seconds, kind, server id, size with header and checksum, position of what follows, flags."""
HEADER_SIZE = HEADER.size
CHECKSUM_SIZE = 4
CRC_RESIDUE = 0x2144DF1C
"""The CRC32 of anything that is followed by its own CRC32."""

IN_USE = 0x1
_FLAGS = 17  # where an event's flags are, two bytes
"""Flag of a format description: the server writes this file, or crashed while it did. No checksum covers it."""

_SERVER_VERSION_SIZE = 50
_U16, _U64 = Struct("<H"), Struct("<Q")
_QUERY = Struct("<IIBHH")
QUERY_SIZE = _QUERY.size
"""Of the fixed part of a QUERY's body."""


class Kind(IntEnum):
    """Kinds of events that are known."""

    QUERY = 2
    STOP = 3
    ROTATE = 4
    INTVAR = 5
    APPEND_BLOCK = 9
    DELETE_FILE = 11
    RAND = 13
    USER_VAR = 14
    FORMAT_DESCRIPTION = 15
    XID = 16
    BEGIN_LOAD_QUERY = 17
    EXECUTE_LOAD_QUERY = 18
    TABLE_MAP = 19
    WRITE_ROWS_V1 = 23
    UPDATE_ROWS_V1 = 24
    DELETE_ROWS_V1 = 25
    INCIDENT = 26
    HEARTBEAT = 27
    IGNORABLE = 28
    ROWS_QUERY = 29
    WRITE_ROWS = 30
    UPDATE_ROWS = 31
    DELETE_ROWS = 32
    GTID = 33
    ANONYMOUS_GTID = 34
    PREVIOUS_GTIDS = 35
    TRANSACTION_CONTEXT = 36
    VIEW_CHANGE = 37
    XA_PREPARE = 38
    PARTIAL_UPDATE_ROWS = 39
    TRANSACTION_PAYLOAD = 40
    HEARTBEAT_V2 = 41
    GTID_TAGGED = 42
    MARIADB_ANNOTATE_ROWS = 160
    MARIADB_BINLOG_CHECKPOINT = 161
    MARIADB_GTID = 162
    MARIADB_GTID_LIST = 163
    MARIADB_START_ENCRYPTION = 164
    MARIADB_QUERY_COMPRESSED = 165
    MARIADB_WRITE_ROWS_COMPRESSED_V1 = 166
    MARIADB_UPDATE_ROWS_COMPRESSED_V1 = 167
    MARIADB_DELETE_ROWS_COMPRESSED_V1 = 168
    MARIADB_WRITE_ROWS_COMPRESSED = 169
    MARIADB_UPDATE_ROWS_COMPRESSED = 170
    MARIADB_DELETE_ROWS_COMPRESSED = 171


class Checksum(StrEnum):
    """What ends each event of a file."""

    NONE = "none"
    CRC32 = "crc32"

    @property
    def size(self) -> int:
        """In bytes."""
        return CHECKSUM_SIZE if self is Checksum.CRC32 else 0


@dataclass(frozen=True)
class FormatDescription:
    """A file's first event, which says how the others are to be read."""

    event: bytes
    """The whole event, header and checksum included, as it is in the file."""
    format_version: int
    server_version: str
    server_id: int
    checksum: Checksum
    in_use: bool

    @property
    def flavour(self) -> Flavour:
        """The family of the server that wrote it."""
        return Flavour.MARIADB if "MariaDB" in self.server_version else Flavour.MYSQL

    @property
    def begun_by_start(self) -> bool:
        """Whether it is the first file since its server started, and not one that followed another one."""
        created = HEADER_SIZE + 2 + _SERVER_VERSION_SIZE
        return self.event[created : created + 4] != bytes(4)

    @property
    def opened(self) -> datetime:
        """When the server began the file, in whole seconds, by the clock of the session that had it do so."""
        return datetime.fromtimestamp(int.from_bytes(self.event[:4], "little"), UTC)

    @property
    def fingerprint(self) -> str:
        """Its SHA-256, which knows the second in which the file was begun.

        The flag of a file that is still written is left out: it goes when the file is closed.
        """
        return hashlib.sha256(self._closed).hexdigest()

    @property
    def _closed(self) -> bytes:
        flags = _U16.unpack_from(self.event, _FLAGS)[0] & ~IN_USE
        return self.event[:_FLAGS] + _U16.pack(flags) + self.event[HEADER_SIZE:]

    @staticmethod
    def parse(event: bytes) -> FormatDescription:
        """Read the whole event; its checksum, which it has whatever the others have, is checked.

        Raises ValueError where it is none, or is of another version or algorithm.
        """
        _, kind, server_id, size, _, flags = HEADER.unpack_from(event)
        if kind != Kind.FORMAT_DESCRIPTION or size != len(event):
            raise ValueError("it is no format description event")
        version = int.from_bytes(event[HEADER_SIZE : HEADER_SIZE + 2], "little")
        if version != 4:  # noqa: PLR2004  (the only version since MySQL 5.0)
            raise ValueError(f"it is of format version {version}, and only version 4 is known")
        algorithm = event[-CHECKSUM_SIZE - 1]
        if algorithm not in (0, 1):
            raise ValueError(f"its events have checksums of an unknown algorithm, number {algorithm}")
        unused = event[:17] + _U16.pack(flags & ~IN_USE) + event[HEADER_SIZE:]
        if zlib.crc32(unused) != CRC_RESIDUE:
            raise ValueError("its checksum is wrong")
        text = event[HEADER_SIZE + 2 : HEADER_SIZE + 2 + _SERVER_VERSION_SIZE].rstrip(b"\0")
        checksum = Checksum.CRC32 if algorithm else Checksum.NONE
        return FormatDescription(event, version, text.decode(), server_id, checksum, bool(flags & IN_USE))


def lenenc(data: bytes, at: int) -> tuple[int, int]:
    """Read a length-encoded integer; returns it and where it ends."""
    first = data[at]
    if first < 251:  # noqa: PLR2004
        return first, at + 1
    size = {252: 2, 253: 3, 254: 8}.get(first, 0)
    if not size or at + 1 + size > len(data):
        raise ValueError("a number is cut off or is none")
    return int.from_bytes(data[at + 1 : at + 1 + size], "little"), at + 1 + size


def mariadb_decompressed(data: bytes, limit: int) -> bytes:
    """The first `limit` bytes of what MariaDB compressed in an event; it may be cut off."""
    at = mariadb_compressed_start(data)
    return zlib.decompressobj().decompress(data[at:], limit)


def mariadb_compressed_start(data: bytes, at: int = 0) -> int:
    """Where the zlib stream of compressed data begins, behind its algorithm and length."""
    if data[at] & 0xF0 != 0x80:  # noqa: PLR2004  (bit 7 is always set, bits 4 to 6 are the algorithm: 0 is zlib)
        raise ValueError(f"it is compressed by an unknown algorithm, {data[at]:#x}")
    return at + 1 + (data[at] & 0x0F)


@dataclass(frozen=True)
class Rotate:
    """The file ends here, and goes on in another."""

    file: str
    position: int

    @staticmethod
    def parse(body: bytes) -> Rotate:
        """Read the body."""
        return Rotate(body[8:].decode(), _U64.unpack_from(body)[0])


_SQL_MODE, _ZONE, _CATALOG = 1, 5, 6
_BEFORE_ZONE = {0: 4, _SQL_MODE: 8, 3: 4, 4: 6}
"""Status variables: flags, SQL mode, steps of AUTO_INCREMENT, character sets; and the bytes that they have."""


_DIRECTORY = re.compile(rb"\bDIRECTORY\b", re.IGNORECASE)
"""Of DATA DIRECTORY and INDEX DIRECTORY, which comments may part, and of what only looks like it."""
_CHANGES_ROWS = re.compile(rb"\s*(?:INSERT|UPDATE|DELETE|REPLACE|LOAD)\b", re.IGNORECASE)
_MOST_SEARCHED = 1 << 20


@dataclass(frozen=True)
class Query:
    """A statement as text. `text` is cut off at the number of bytes that was asked for."""

    database: str
    text: bytes
    error: int
    sql_mode: int
    """Of the session, as a number; 0 where the log does not say."""
    is_cut: bool
    """There is more of it than `text`, or may be."""
    has_directory: bool
    """All of it, of which `text` is the beginning, has that word somewhere, or may have."""

    @staticmethod
    def parse(body: bytes, limit: int, *, compressed: bool = False, cut: bool = False) -> Query:
        """Read the body; `compressed` is MariaDB's kind of its own. Where it is `cut` off, not all of it is known."""
        _, _, database_size, error, variables = _QUERY.unpack_from(body)
        at = _QUERY.size + variables
        database = body[at : at + database_size].decode(errors="backslashreplace")
        at += database_size + 1
        if at > len(body) or body[at - 1]:
            raise ValueError("the database's name does not end where it should")
        whole = mariadb_decompressed(body[at:], _MOST_SEARCHED) if compressed else body[at:]
        text = whole[:limit]
        is_cut = cut or len(whole) > limit
        has_directory = cut or len(whole) == _MOST_SEARCHED or _DIRECTORY.search(whole) is not None
        mode = _variable(body, 0, 0, _SQL_MODE)
        sql_mode = 0 if mode is None else _U64.unpack_from(body, mode)[0]
        return Query(database, text, error, sql_mode, is_cut, has_directory and _CHANGES_ROWS.match(text) is None)


SYSTEM_ZONE = "SYSTEM"
"""The time zone of the server's machine."""


def named_zone(buffer: bytes, begin: int, extra: int = 0) -> str | None:
    """The session's time zone where a statement depends on it and it has a name, which means something else elsewhere.

    A QUERY event's body begins at `begin`; `extra` is what its kind has between the fixed part and the status
    variables. These come in an order, and few are in front of the zone.
    """
    at = _variable(buffer, begin, extra, _ZONE)
    if at is None:
        return None
    name = buffer[at + 1 : at + 1 + buffer[at]].decode(errors="backslashreplace")
    return None if name[:1] in {"+", "-"} else name


def _variable(buffer: bytes, begin: int, extra: int, wanted: int) -> int | None:
    """Where the value of this status variable begins in a QUERY event; None: it is not among the first ones."""
    at = begin + QUERY_SIZE + extra
    end = at + int.from_bytes(buffer[begin + QUERY_SIZE - 2 : begin + QUERY_SIZE], "little")
    while at < end:
        code = buffer[at]
        if code == wanted:
            return at + 1
        if code == _CATALOG:
            at += 2 + buffer[at + 1]
        elif code in _BEFORE_ZONE:
            at += 1 + _BEFORE_ZONE[code]
        else:
            return None
    return None


def parse_incident(body: bytes) -> tuple[int, str]:
    """Read the number and the text of an INCIDENT event: events were lost before it."""
    (number,) = _U16.unpack_from(body)
    return number, body[3 : 3 + body[2]].decode(errors="backslashreplace")
