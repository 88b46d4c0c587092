"""The chunks of a stream of files, as `mariadb-backup --stream=mbstream` writes it and `mbstream -x` reads it. Pure.

Such a stream is chunks of several files, one after the other, and nothing else: no head and no end. What lies between
two borders of chunks is therefore a stream as well, and streams one after the other are one. Integers are
little-endian.

======  =======  ==================================================================================================
bytes   of       what
======  =======  ==================================================================================================
8       all      the magic `XBSTCK01`
1       all      flags: 1 says that who does not know the type may leave the chunk out; 2 that the file comes again
1       all      the type: `P` (payload), `E` (the file is complete), `D` (it was dropped), `R` (it was renamed)
4       all      the length of the path
n       all      the path, relative to the data directory; some begin with `./`
8       `P`      the length of the payload: at most about 10 MiB, as smaller writes are gathered up to that
8       `P`      where in the file the payload belongs
4       `P`      CRC-32 of the payload (ISO 3309, as zlib's)
m       `P`      the payload
======  =======  ==================================================================================================

From the source of MariaDB's writer and reader (extra/mariabackup/xbstream_write.cc and xbstream_read.cc), and compared
with streams of MariaDB 10.11.19. The payloads of a file come in order and without a gap; an empty file is an `E` alone.
A file may come again, after its end, and replaces what came before. `R` has a second length and path. Both types are
written where a table without transactions is dropped or renamed while it is read, and refused here: who unpacks parts
at once could not follow them. Chunks of other types are refused: what they mean is not guessed.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from zlib_ng import zlib_ng

from chom_pipelines.errors import DamagedError

MAGIC = b"XBSTCK01"
LARGEST = 64 << 20
"""Bytes of a payload, of which one is held in memory; programs write a sixth of it."""

_LONGEST_PATH = 511  # what `mbstream -x` takes
_HEAD = struct.Struct("<8sBcI")
_PLACE = struct.Struct("<QQI")
_PAYLOAD, _END, _DROPPED, _RENAMED = b"P", b"E", b"D", b"R"

Read = Callable[[int], bytes]
"""read(n): the next n bytes; fewer only where the stream ends."""

Buffers = Sequence[bytes | memoryview]
"""Bytes one after the other, as they have come."""

Share = Callable[[int], Buffers]
"""share(n): as `Read`, without putting them together."""


class MovedError(DamagedError):
    """A file that came before is to be removed or renamed."""


@dataclass(frozen=True)
class Extent:
    """Where a chunk belongs: so many bytes at `offset` of a file, or its end."""

    path: str
    offset: int
    length: int
    ends: bool


@dataclass(frozen=True)
class Chunk:
    """One chunk: its head as it was read, what that says, and its payload in `pieces`."""

    head: bytes
    extent: Extent
    crc: int
    pieces: Buffers

    @property
    def payload(self) -> bytes:
        """All of it, as a copy where it is in several pieces."""
        return b"".join(self.pieces)

    @property
    def size(self) -> int:
        """Bytes of the stream."""
        return len(self.head) + self.extent.length

    @property
    def identity(self) -> bytes:
        """What it says of itself, its CRC too, but not whether its file comes again."""
        return self.head[len(MAGIC) + 1 :]

    def refuse_damage(self) -> None:
        """Raise DamagedError where the payload has not its CRC."""
        crc = 0
        for piece in self.pieces:
            crc = zlib_ng.crc32(piece, crc)
        if crc != self.crc:
            raise DamagedError(f"{self.extent.path}: the CRC of what lies at {self.extent.offset} does not match")


def chunks(read: Read, share: Share | None = None) -> Iterator[Chunk]:
    """The chunks of a stream, to its end; their CRCs are left to who has several processors.

    Where it can, `share` gives their payloads: to copy these holds up other threads.

    Raises DamagedError where it is no such stream, is cut off within a chunk, or names what is not in a data directory;
    MovedError.
    """
    while head := read(_HEAD.size):
        yield _chunk(head, read, share or (lambda size: (read(size),)))


def payload_chunk(path: str, offset: int, payload: bytes) -> Chunk:
    """A chunk of a file."""
    crc, name = zlib_ng.crc32(payload), os.fsencode(path)
    head = _HEAD.pack(MAGIC, 0, _PAYLOAD, len(name)) + name + _PLACE.pack(len(payload), offset, crc)
    return Chunk(head, Extent(path, offset, len(payload), ends=False), crc, (payload,))


def end_chunk(path: str, size: int) -> Chunk:
    """The chunk that ends a file of so many bytes."""
    name = os.fsencode(path)
    return Chunk(_HEAD.pack(MAGIC, 0, _END, len(name)) + name, Extent(path, size, 0, ends=True), 0, ())


def _chunk(head: bytes, read: Read, share: Share) -> Chunk:
    if not MAGIC.startswith(head[: len(MAGIC)]):
        raise DamagedError("it is no stream of chunks, or something is missing in it")
    _, _, kind, length = _HEAD.unpack(_whole(head, _HEAD.size))
    if kind not in {_PAYLOAD, _END, _DROPPED, _RENAMED}:
        raise DamagedError(f"a chunk of the unknown type {kind!r} is in it", "use the version of chom that wrote it")
    if not 0 < length <= _LONGEST_PATH:
        raise DamagedError(f"a path of {length} bytes is in it")
    name = _whole(read(length), length)
    path = _within(name)
    if kind in {_DROPPED, _RENAMED}:
        raise MovedError(f"{path} was {'dropped' if kind == _DROPPED else 'renamed'} while it was read")
    if kind == _END:
        return Chunk(head + name, Extent(path, 0, 0, ends=True), 0, ())
    place = _whole(read(_PLACE.size), _PLACE.size)
    size, offset, crc = _PLACE.unpack(place)
    if size > LARGEST:
        raise DamagedError(f"{path}: a chunk of {size} bytes is in it")
    pieces = share(size)
    if sum(map(len, pieces)) != size:
        raise _cut_off()
    return Chunk(head + name + place, Extent(path, offset, size, ends=False), crc, pieces)


def _whole(data: bytes, wanted: int) -> bytes:
    if len(data) != wanted:
        raise _cut_off()
    return data


def _cut_off() -> DamagedError:
    return DamagedError("it is cut off within a chunk")


def _within(name: bytes) -> str:
    """The path, which leads to a place within the data directory: neither up, nor to a root, nor to that itself."""
    parts = name.removeprefix(b"./").split(b"/")
    if b"\0" in name or any(part in {b"", b".", b".."} for part in parts):
        raise DamagedError(f"the path {os.fsdecode(name)!r} is in it, which leads elsewhere")
    return os.fsdecode(b"/".join(parts))
