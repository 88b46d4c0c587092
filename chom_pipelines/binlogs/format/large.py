"""What takes events that are too large to be held: transactions that MySQL compressed, and long statements."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import zstandard

from chom_pipelines.binlogs.format.event_stream import EventStream
from chom_pipelines.binlogs.format.events import lenenc
from chom_pipelines.binlogs.format.handlers import Handler, Head, Opener

MOST_READ = 1 << 17
"""Bytes of a statement's event: more than it may have before its text."""
_PIECE = 256  # bytes of a compressed payload at a time: they may be 8 MB of it decompressed
_ZSTD, _UNCOMPRESSED = 0, 255
_PAYLOAD_END, _PAYLOAD_CODEC = 0, 2  # fields of a TRANSACTION_PAYLOAD; others have sizes, which are not needed


@dataclass
class Payload:
    """Takes a compressed transaction in pieces."""

    stream: EventStream
    ended: Callable[[], None]
    decompressor: zstandard.ZstdDecompressionObj | None

    @staticmethod
    def opened(stream: EventStream, ended: Callable[[], None], buffer: bytes, begin: int, end: int) -> Payload:
        """Read the fields that begin the body, and take what there is of the payload."""
        at, codec = begin, _UNCOMPRESSED
        while True:
            field, at = lenenc(buffer, at)
            if field == _PAYLOAD_END:
                break
            size, at = lenenc(buffer, at)
            if field == _PAYLOAD_CODEC:
                codec, _ = lenenc(buffer, at)
            at += size
        if codec not in {_ZSTD, _UNCOMPRESSED}:
            raise ValueError(f"its payload is compressed by an unknown algorithm, number {codec}")
        payload = Payload(stream, ended, zstandard.ZstdDecompressor().decompressobj() if codec == _ZSTD else None)
        payload.feed(memoryview(buffer)[at:end])
        return payload

    def feed(self, data: memoryview) -> None:
        """Take the next piece."""
        if self.decompressor is None:
            self.stream.feed(bytes(data))
            return
        for at in range(0, len(data), _PIECE):
            self.stream.feed(self.decompressor.decompress(data[at : at + _PIECE]))

    def close(self) -> None:
        """Take the end."""
        if (self.decompressor is not None and not self.decompressor.eof) or self.stream.unread:
            raise ValueError("its payload is cut off")
        self.ended()


@dataclass
class Beginning:
    """Takes a large event of which the begin is enough."""

    handler: Handler
    head: Head
    body: bytes

    @staticmethod
    def opener(handler: Handler) -> Opener:
        """For events that this takes."""
        return lambda buffer, begin, end, head: Beginning(handler, head, buffer[begin:end])

    def feed(self, data: memoryview) -> None:
        """Take the next piece."""
        if len(self.body) < MOST_READ:
            self.body += bytes(data[:MOST_READ])

    def close(self) -> None:
        """Take the end."""
        self.handler(self.body, 0, len(self.body), self.head)
