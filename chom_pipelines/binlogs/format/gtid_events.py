"""The events that say which transaction follows, and which came before a file: GTIDs of both families.

As in `events`, functions take the body, and raise IndexError, ValueError or struct.error where it is not of its layout.
"""

from __future__ import annotations

from enum import IntEnum
from struct import Struct
from typing import NamedTuple
from uuid import UUID

from chom_pipelines.binlogs.format.gtid_position import GtidPosition, MariadbGtid
from chom_pipelines.binlogs.format.gtid_set import GtidSet, Interval

_U32, _U64 = Struct("<I"), Struct("<Q")
_GNO = Struct("<B16sqB")
_MARIADB_GTID = Struct("<QIB")
_MARIADB_LISTED = Struct("<IIQ")
_INTERVAL = Struct("<qq")
_STANDALONE, _GROUP_COMMIT_ID, _XA = 0x01, 0x02, 0xC0  # flags of MariaDB's GTID events
_ALTER = 0x0E
_ANOTHER_TIME_FOLLOWS = 1 << 55  # in a time: that of its commit where it was committed first
_LOGICAL_CLOCK = 2  # the kind of the timestamps in a GTID event; the only one that there is


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
    if clock != _LOGICAL_CLOCK or len(body) < 49:  # noqa: PLR2004  (servers before 8.0 wrote no times)
        return MysqlGtidEvent(source, number, 0, 0)
    here = int.from_bytes(body[42:49], "little")
    if here < _ANOTHER_TIME_FOLLOWS:
        return MysqlGtidEvent(source, number, here, here)
    return MysqlGtidEvent(source, number, here - _ANOTHER_TIME_FOLLOWS, int.from_bytes(body[49:56], "little"))


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
