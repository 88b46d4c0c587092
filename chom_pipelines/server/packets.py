"""Packets of the client/server protocol, read straight from a PyMySQL connection's socket.

Three bytes of length and one of sequence precede a payload; one of 2^24-1 bytes goes on in the next packet. A value is
a length-encoded string, and NULL is 0xfb (chapter "Text Resultset" of the protocol's documentation).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any, cast

import pymysql
from pymysql.constants import COMMAND

from chom_pipelines.errors import ConnectionFailedError
from chom_pipelines.server.connection import Session, translated

BLOCK = 1 << 20
"""Bytes that are passed on at a time, about."""

CONTINUES = 0xFFFFFF
HEADER_BYTES = 4
NULL = 0xFB
HEADER = struct.Struct("<I").unpack_from
"""Length and sequence of the packet at an offset."""


class PacketReader:
    """Buffered bytes of a connection; `buffer[position:filled]` is unread."""

    def __init__(self, session: Session) -> None:
        self.session = session
        buffered = cast("Any", session.raw)._rfile
        self.buffer = bytearray(BLOCK + (1 << 16))
        self.view = memoryview(self.buffer)
        self.position = 0
        # what PyMySQL read ahead comes first; from then on its buffer is empty, and passed by
        self.filled = buffered.readinto1(self.view[: len(buffered.peek())])
        self.source = buffered.raw

    def fill(self, wanted: int) -> None:
        """Have at least `wanted` unread bytes at hand."""
        if self.position:
            rest = self.filled - self.position
            self.buffer[:rest] = self.buffer[self.position : self.filled]
            self.position, self.filled = 0, rest
        while self.filled < wanted:
            try:
                got = self.source.readinto(self.view[self.filled :])
            except OSError as error:
                raise self._lost(str(error)) from error
            if not got:
                raise self._lost("the server closed the connection")
            self.filled += got

    @property
    def waiting_for(self) -> int:
        """Bytes that the next packet takes, header included; 4 where the header is not there yet."""
        if self.filled - self.position < HEADER_BYTES:
            return HEADER_BYTES
        return int(HEADER(self.buffer, self.position)[0] & CONTINUES) + HEADER_BYTES

    def take(self, count: int) -> bytes:
        """The next `count` bytes (no more than a block)."""
        if self.filled - self.position < count:
            self.fill(count)
        data = bytes(self.view[self.position : self.position + count])
        self.position += count
        return data

    def _lost(self, why: str) -> ConnectionFailedError:
        message = f"{self.session.endpoint.where}: the connection broke in the middle of a result: {why}"
        return ConnectionFailedError(message, "look at the server's error log; run again")


class Payload:
    """One logical packet, read in pieces across the packets that carry it."""

    def __init__(self, reader: PacketReader) -> None:
        self.reader = reader
        self._header()

    def _header(self) -> None:
        self.left = HEADER(self.reader.take(4))[0] & CONTINUES
        self.more = self.left == CONTINUES

    @property
    def ended(self) -> bool:
        """True where all of it was read."""
        if not self.left and self.more:
            self._header()
        return not self.left and not self.more

    def pieces(self, count: int) -> Iterator[bytes]:
        """The next `count` bytes in pieces of at most a block."""
        while count:
            if not self.left:
                if not self.more:
                    message = (
                        f"{self.reader.session.endpoint.where}: a row ended too early: the protocol is out of step"
                    )
                    raise ConnectionFailedError(message, "run again; report it if it happens again")
                self._header()
                continue
            piece = self.reader.take(min(count, self.left, BLOCK))
            self.left -= len(piece)
            count -= len(piece)
            yield piece

    def rest(self) -> Iterator[bytes]:
        """All that is left of it."""
        while not self.ended:
            yield from self.pieces(self.left)

    def length(self) -> int | None:
        """The length-encoded integer that comes next; None for NULL."""
        first = next(self.pieces(1))[0]
        if first < NULL:
            return first
        if first == NULL:
            return None
        return int.from_bytes(b"".join(self.pieces({0xFC: 2, 0xFD: 3, 0xFE: 8}[first])), "little")


def begun(session: Session, sql: str) -> PacketReader:
    """Send a query and read up to its first row."""
    raw = cast("Any", session.raw)
    try:
        raw._execute_command(COMMAND.COM_QUERY, sql)
        columns = raw._read_packet().read_length_encoded_integer()
        for _ in range(columns + 1):  # the definitions and the packet that ends them
            raw._read_packet()
    except pymysql.MySQLError as error:
        raise translated(error, session.endpoint) from error
    return PacketReader(session)


def raise_server_error(session: Session, packet: bytes) -> None:
    """Raise what an error packet says, as the tree's error."""
    try:
        pymysql.err.raise_mysql_exception(packet)
    except pymysql.MySQLError as error:
        raise translated(error, session.endpoint) from error
