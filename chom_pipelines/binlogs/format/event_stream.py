"""Cuts the bytes of a binary log into events, in chunks of any size, and checks what each event says of itself."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

from zlib_ng import zlib_ng
from zstandard import ZstdError

from chom_pipelines.binlogs.format.events import CRC_RESIDUE, HEADER, HEADER_SIZE, Checksum, Kind
from chom_pipelines.binlogs.format.handlers import Handlers, Head, Sink
from chom_pipelines.errors import BinlogDamagedError, UnknownFormatError

HELD = 1 << 20
"""Events up to this size are held as a whole; of larger ones, this is held before the rest passes through."""
_MOST_HELD = 64 << 20  # of the kinds that have to be held: more than any server writes
_POSITIONS = 0xFFFFFFFF  # events note positions in 32 bits, and files may be larger
_IGNORABLE = 0x80  # flag of kinds that a reader who does not know them may leave out
UNREADABLE = (IndexError, ValueError, struct.error, zlib.error, ZstdError, OverflowError)
"""What reading a body raises that is not of its kind's layout."""


@dataclass
class _Passing:
    """A large event on its way through: `body` and `left` count the bytes that are still to come."""

    head: Head
    sink: Sink | None
    size: int
    body: int
    left: int
    crc: int
    trouble: Exception | None = None

    def take(self, data: memoryview) -> None:
        self.crc = zlib_ng.crc32(data, self.crc)
        self.left -= len(data)
        piece = data[: self.body]
        self.body -= len(piece)
        if self.sink is not None and self.trouble is None and piece:
            try:
                self.sink.feed(piece)
            except UNREADABLE as error:  # the checksum, at the end, may tell better what is wrong
                self.trouble = error


class EventStream:
    """Takes bytes, and gives each event to its handler once it is whole and its checksum is right.

    `position` is that of the first byte. `within` is the event whose content this is, where it is not that of a file:
    such events have no positions or checksums of their own.
    """

    def __init__(
        self,
        name: str,
        handlers: Handlers,
        *,
        position: int = 0,
        checksum: Checksum = Checksum.NONE,
        within: Head | None = None,
        held: int = HELD,
    ) -> None:
        self.position = position
        """That behind the last whole event."""
        self.repeated = 0
        """Bytes of events that are not in the file at this place: see `_elsewhere`."""
        self._ended = False
        self._name = name
        self._handlers = handlers
        self._checksum = checksum.size
        self._within = within
        self._held = held
        self._parts: list[bytes] = []
        self._size = 0
        self._wanted = HEADER_SIZE
        self._passing: _Passing | None = None

    @property
    def unread(self) -> int:
        """Bytes behind the last whole event."""
        passing = self._passing
        return self._size + (passing.size - passing.left if passing else 0)

    def feed(self, data: bytes) -> None:
        """Take the next bytes.

        Raises BinlogDamagedError or UnknownFormatError at the first event that is wrong; nothing is to be fed then.
        """
        if self._passing is not None:
            data = self._pass(self._passing, data)
        if not data:
            return
        self._parts.append(data)
        self._size += len(data)
        if self._size < self._wanted:
            return
        buffer = data if len(self._parts) == 1 else b"".join(self._parts)
        used = self._events(buffer)
        self._parts = [buffer[used:]] if used < len(buffer) else []
        self._size = len(buffer) - used

    def damaged(self, at: int, what: str) -> BinlogDamagedError:
        """Make an error that names the file and the position."""
        inside = " (inside the transaction's payload)" if self._within else ""
        return BinlogDamagedError(f"{self._name}, position {at}{inside}: {what}")

    def _events(self, buffer: bytes) -> int:
        """Take the whole events of a buffer, and return how much of it has been used."""
        begin, end, view = 0, len(buffer), memoryview(buffer)
        unpack, checksum, crc32 = HEADER.unpack_from, self._checksum, zlib_ng.crc32
        within, smallest = self._within, HEADER_SIZE + checksum
        content, other, last = self._handlers.content, self._handlers.other, self._handlers.last
        at, kind, size = self.position, 0, 0
        try:
            while end - begin >= HEADER_SIZE:
                time, kind, server_id, size, noted, flags = unpack(buffer, begin)
                stop = begin + size
                after = at if within else at + size
                if size < smallest or self._ended or (noted != after & _POSITIONS and not within):
                    after = self._elsewhere(at, kind, size, noted)
                if stop > end:
                    return self._unfinished(buffer, begin, Head(time, kind, server_id, at, after), size)
                if checksum and crc32(view[begin:stop]) != CRC_RESIDUE:
                    raise self.damaged(at, f"the checksum of the event ({_described(kind, size)}) is wrong")
                counting = content.get(kind)
                if counting is not None:
                    counting(buffer, begin + HEADER_SIZE, stop - checksum)
                elif (handling := other.get(kind)) is not None:
                    head = within or Head(time, kind, server_id, at, after)
                    handling(buffer, begin + HEADER_SIZE, stop - checksum, head)
                    self._ended = kind in last
                elif kind not in self._handlers.skipped and not flags & _IGNORABLE:
                    raise self._unknown(at, kind)
                at = after
                begin = stop
        except UNREADABLE as error:
            raise self.damaged(at, f"the event ({_described(kind, size)}) makes no sense: {error}") from error
        finally:
            self.position = at
        self._wanted = HEADER_SIZE
        return begin

    def _unfinished(self, buffer: bytes, begin: int, head: Head, size: int) -> int:
        """An event is not whole yet: wait for the rest, or let it pass through."""
        opener = self._handlers.large.get(head.kind)
        passes = opener is not None or head.kind in self._handlers.skipped
        if not passes and size > _MOST_HELD:
            raise self.damaged(head.at, f"the event ({_described(head.kind, size)}) is larger than any of its kind")
        if not passes or size <= self._held or len(buffer) - begin < self._held:
            self._wanted = min(size, self._held) if passes else size
            return begin
        start = begin + HEADER_SIZE
        stop = min(len(buffer), begin + size - self._checksum)
        passing = _Passing(
            head=head,
            sink=None,
            size=size,
            body=size - HEADER_SIZE - self._checksum - (stop - start),
            left=size - (len(buffer) - begin),
            crc=zlib_ng.crc32(memoryview(buffer)[begin:]),
        )
        if opener is not None:
            try:
                passing.sink = opener(buffer, start, stop, self._within or head)
            except UNREADABLE as error:
                passing.trouble = error
        self._passing = passing
        self._wanted = HEADER_SIZE
        return len(buffer)

    def _pass(self, passing: _Passing, data: bytes) -> bytes:
        """Let a large event take what is its own; returns the rest."""
        view = memoryview(data)
        own = min(len(data), passing.left)
        passing.take(view[:own])
        if passing.left:
            return b""
        head = passing.head
        if self._checksum and passing.crc != CRC_RESIDUE:
            raise self.damaged(head.at, f"the checksum of the event ({_described(head.kind, passing.size)}) is wrong")
        try:
            if passing.trouble is not None:
                raise passing.trouble
            if passing.sink is not None:
                passing.sink.close()
        except UNREADABLE as error:
            what = f"the event ({_described(head.kind, passing.size)}) makes no sense: {error}"
            raise self.damaged(head.at, what) from error
        self.position = head.after
        self._passing = None
        return data[own:]

    def _elsewhere(self, at: int, kind: int, size: int, noted: int) -> int:
        """Where the next event is, behind one that is not where it says.

        That is so of one: a server that encrypts its logs repeats START_ENCRYPTION, without a position, for who begins
        to read in mid-file.
        """
        if self._ended:
            raise self.damaged(at, "there is an event behind that which ends the file")
        if size < HEADER_SIZE + self._checksum:
            raise self.damaged(at, f"an event of {size} bytes cannot be")
        if kind != Kind.MARIADB_START_ENCRYPTION or noted:
            what = f"the event of {size} bytes says that the next one is at {noted}, not at {at + size}"
            raise self.damaged(at, what)
        self.repeated += size
        return at

    def _unknown(self, at: int, kind: int) -> UnknownFormatError:
        if kind == Kind.MARIADB_START_ENCRYPTION:  # what the server has decrypted has the flag of what may be ignored
            what = f"{self._name}, position {at}: what follows is encrypted by its server"
            return UnknownFormatError(what, "read the log through the server, which decrypts it")
        return UnknownFormatError(
            f"{self._name}, position {at}: events of kind {kind} are not known",
            "a newer version of this program may know them",
        )


def _described(kind: int, size: int) -> str:
    return f"kind {kind}, {size} bytes"
