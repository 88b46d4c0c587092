"""The events of a binary log, format version 4: their header, and the bodies of all but row events.

Numbers are little-endian. The layouts are those of the servers' own documentation (MySQL: "Replication Protocol" in its
source documentation; MariaDB: "Replication protocol" in its knowledge base) and of the logs in this project's tests.
Functions take the body, which is what follows the header, without the checksum. They raise IndexError, ValueError or
struct.error where it is not of their layout: who reads a file says then where.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from struct import Struct
from typing import NamedTuple
from uuid import UUID

from chom_pipelines.binlogs.gtids import GtidPosition, GtidSet, Interval, MariadbGtid

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
"""Flag of a format description: the server writes this file, or crashed while it did. No checksum covers it."""
ARTIFICIAL = 0x20
"""Flag of an event that is in no file: the server made it up for who reads through the replication protocol."""

_SERVER_VERSION_SIZE = 50
_GNO = Struct("<B16sqB")
_U16, _U32, _U64 = Struct("<H"), Struct("<I"), Struct("<Q")
_QUERY = Struct("<IIBHH")
QUERY_SIZE = _QUERY.size
"""Of the fixed part of a QUERY's body."""
_MARIADB_GTID = Struct("<QIB")
_MARIADB_LISTED = Struct("<IIQ")
_INTERVAL = Struct("<qq")
_STANDALONE, _GROUP_COMMIT_ID, _XA = 0x01, 0x02, 0xC0  # flags of MariaDB's GTID events
_ALTER = 0x0E
_LOGICAL_CLOCK = 2  # the kind of the timestamps in a GTID event; the only one that there is


class Kind(IntEnum):
    """Kinds of events; those that are missing here are of no consequence."""

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
    def is_mariadb(self) -> bool:
        """Whether a MariaDB wrote it."""
        return "MariaDB" in self.server_version

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


@dataclass(frozen=True)
class Query:
    """A statement as text. `text` is cut off at the number of bytes that was asked for."""

    database: str
    text: bytes
    error: int

    @staticmethod
    def parse(body: bytes, limit: int, *, compressed: bool = False) -> Query:
        """Read the body; `compressed` is MariaDB's kind of its own."""
        _, _, database_size, error, variables = _QUERY.unpack_from(body)
        at = _QUERY.size + variables
        database = body[at : at + database_size].decode(errors="backslashreplace")
        at += database_size + 1
        if at > len(body) or body[at - 1]:
            raise ValueError("the database's name does not end where it should")
        text = mariadb_decompressed(body[at:], limit) if compressed else body[at : at + limit]
        return Query(database, text, error)


class MysqlGtidEvent(NamedTuple):
    """What precedes each transaction on MySQL. Times are in microseconds since 1970, 0 where the server wrote none."""

    source: str
    """`uuid`, or `uuid:tag`."""
    number: int
    committed_here: int
    committed_first: int
    """Where it was committed first: of a replicated transaction, on its source."""


def parse_mysql_gtid(body: bytes, sources: dict[bytes, str]) -> MysqlGtidEvent:
    """Read the body of a GTID or an ANONYMOUS_GTID event; `sources` keeps texts of UUIDs for the next time."""
    _, sid, number, clock = _GNO.unpack_from(body)
    source = sources.get(sid)
    if source is None:
        source = sources[sid] = str(UUID(bytes=sid))
    here = first = 0
    if clock == _LOGICAL_CLOCK and len(body) >= 49:  # noqa: PLR2004  (servers before 8.0 wrote no times)
        here = int.from_bytes(body[42:49], "little")
        first = here & ~(1 << 55)
        if here != first:  # bit 55 says that another time follows
            here, first = first, int.from_bytes(body[49:56], "little")
    return MysqlGtidEvent(source, number, here, first)


def parse_mysql_tagged_gtid(body: bytes) -> MysqlGtidEvent:
    """Read the body of a GTID_TAGGED event, which is a message of MySQL's serialization library (its readme.md)."""
    values = {"number": 0, "here": 0, "first": 0}
    version, at = varint(body, 0)
    size, at = varint(body, at)
    if version != 1 or size != len(body):
        raise ValueError("it is not serialized in a known way")
    _, at = varint(body, at)
    uuid, tag = b"", ""
    while at < len(body):
        field, at = varint(body, at)
        if field == 1:
            octets = []
            for _ in range(16):
                octet, at = varint(body, at)
                octets.append(octet)
            uuid = bytes(octets)
        elif field == 3:  # noqa: PLR2004
            length, at = varint(body, at)
            tag = body[at : at + length].decode("ascii")
            at += length
        else:
            value, at = varint(body, at)
            name = {2: "number", 6: "here", 7: "first"}.get(field)
            if name is not None:
                values[name] = value
    source = str(UUID(bytes=uuid)) + (f":{tag}" if tag else "")
    here = values["here"]
    return MysqlGtidEvent(source, _signed(values["number"]), here, values["first"] or here)


def varint(data: bytes, at: int) -> tuple[int, int]:
    """Read a variable-length integer of MySQL's serialization library, and where it ends.

    The number of ones that end its first byte is that of the bytes that follow.
    """
    first = data[at]
    size = (~first & (first + 1)).bit_length()  # up to the lowest zero, 9 where there is none
    end = at + size
    if end > len(data):
        raise ValueError("a number is cut off")
    if size == 9:  # noqa: PLR2004  (no room for a zero: the number has the other eight bytes to itself)
        return int.from_bytes(data[at + 1 : end], "little"), end
    return int.from_bytes(data[at:end], "little") >> size, end


def _signed(value: int) -> int:
    return -(value >> 1) - 1 if value & 1 else value >> 1


def parse_previous_gtids(body: bytes) -> GtidSet:
    """Read the body of a PREVIOUS_GTIDS event, with or without tags."""
    # a set with tags has a 1 in its first and its eighth byte, and the number of sources between them
    (sources,) = _U64.unpack_from(body)
    tagged = body[7] == 1
    if tagged:
        sources = int.from_bytes(body[1:7], "little")
    at = 8
    found: dict[str, tuple[Interval, ...]] = {}
    for _ in range(sources):
        source = str(UUID(bytes=body[at : at + 16]))
        at += 16
        if tagged:
            length, at = varint(body, at)
            source += f":{body[at : at + length].decode('ascii')}" if length else ""
            at += length
        (count,) = _U64.unpack_from(body, at)
        at += 8
        end = at + count * _INTERVAL.size
        if end > len(body):
            raise ValueError("there are fewer intervals than it says")
        found[source] = tuple((first, end - 1) for first, end in _INTERVAL.iter_unpack(body[at:end]))
        at = end
    if at != len(body):
        raise ValueError("there is more than it says")
    return GtidSet(dict(sorted(found.items())))


class Alter(IntEnum):
    """What a MariaDB that logs ALTER TABLE in two phases logs: see its `binlog_alter_two_phase`."""

    WHOLE = 0
    START = 2
    COMMIT = 4
    ROLLBACK = 8


class MariadbGtidEvent(NamedTuple):
    """What begins each transaction on MariaDB."""

    gtid: MariadbGtid
    flags: int
    alter: Alter

    @property
    def is_standalone(self) -> bool:
        """One statement follows, with nothing that ends it."""
        return bool(self.flags & _STANDALONE)


def parse_mariadb_gtid(body: bytes, server_id: int) -> MariadbGtidEvent:
    """Read the body; the server's id is in the event's header."""
    sequence, domain, flags = _MARIADB_GTID.unpack_from(body)
    alter = Alter.WHOLE
    if flags & _STANDALONE:  # then more flags follow, behind what the first ones announce
        at = _MARIADB_GTID.size + (8 if flags & _GROUP_COMMIT_ID else 0)
        if flags & _XA:
            at += 6 + body[at + 4] + body[at + 5]
        alter = Alter(body[at] & _ALTER) if at < len(body) else alter
    return MariadbGtidEvent(MariadbGtid(domain, server_id, sequence), flags, alter)


def parse_gtid_list(body: bytes) -> GtidPosition:
    """Read the body of a GTID_LIST event: of each domain the GTIDs of all servers, the last one last."""
    count = _U32.unpack_from(body)[0] & 0x0FFFFFFF  # the upper four bits are flags
    listed = body[4 : 4 + count * _MARIADB_LISTED.size]
    if len(listed) != count * _MARIADB_LISTED.size:
        raise ValueError("there are fewer GTIDs than it says")
    return GtidPosition.of(MariadbGtid(*numbers) for numbers in _MARIADB_LISTED.iter_unpack(listed))


def parse_incident(body: bytes) -> tuple[int, str]:
    """Read the number and the text of an INCIDENT event: events were lost before it."""
    (number,) = _U16.unpack_from(body)
    return number, body[3 : 3 + body[2]].decode(errors="backslashreplace")
