"""Decoding zstd, frame after frame, so that no answer is larger than is known before.

The decoder answers with all that its input holds, and four bytes can hold a block of 128 KiB. A frame that is all there
and says that it holds little is decoded at once, into no more room than that. Any other one is decoded in bites that
keep an answer below 16 MiB, which takes twice the time, and holds up other threads: between two bites, the interpreter
is locked.
"""

from __future__ import annotations

from collections.abc import Iterator

import zstandard

_BITE = 512
"""Bytes. Without whole frames, larger ones were measured to be no faster."""

_LARGEST = 4 << 20
"""Bytes that a frame holds which is decoded at once; this project writes frames of 1 MiB."""

_PIECE = 1 << 20  # bytes that an answer has, about
_HEADER = 18  # bytes at the most, without which a frame does not tell its size
_BLOCK = 3  # bytes of a block's head: its size, its kind, and whether it is the last
_REPEATED, _RESERVED = 1, 3
_CHECKSUM = 4


class ZstdDecoder:
    """Decodes what comes in pieces, and holds a frame of it at the most."""

    def __init__(self) -> None:
        self._zstd = zstandard.ZstdDecompressor()
        self._frame: zstandard.ZstdDecompressionObj | None = None
        """One that is decoded in bites."""
        self._held = b""
        """The begin of one that is not all there."""
        self._any = False

    @property
    def eof(self) -> bool:
        """Whether the last frame is complete."""
        return self._any and self._frame is None and not self._held

    @property
    def unused_data(self) -> bytes:
        """None: whatever follows a frame is another one."""
        return b""

    def pieces(self, chunk: bytes) -> Iterator[bytes]:
        """What becomes decodable with this chunk; raises ZstdError where it is corrupt."""
        data = memoryview(self._held + chunk if self._held else chunk)
        self._held, self._any = b"", True
        at = 0
        while at < len(data):
            if self._frame is None:
                size = _whole_frame(data[at:])
                if size:
                    if answer := self._zstd.decompress(data[at : at + size]):
                        yield answer
                    at += size
                    continue
                if size is None:
                    self._held = bytes(data[at:])
                    return
                self._frame = self._zstd.decompressobj()
            answer, at = self._bites(data, at)
            if answer:
                yield answer

    def _bites(self, data: memoryview, at: int) -> tuple[bytes, int]:
        """About a piece of the frame that is begun, and where the rest of the data begins."""
        ready: list[bytes] = []
        size = 0
        while self._frame and at < len(data) and size < _PIECE:
            bite = data[at : at + _BITE]
            ready.append(self._frame.decompress(bite))
            size += len(ready[-1])
            at += len(bite)
            if self._frame.eof:
                at -= len(self._frame.unused_data)
                self._frame = None
        return b"".join(ready), at


def _whole_frame(data: memoryview) -> int | None:
    """How long the frame is that the data begins with, where it is to be decoded at once.

    0: it is to be decoded in bites, as it says that it holds much, or does not say it; None: more of it is needed.
    """
    try:
        content = zstandard.get_frame_parameters(data[:_HEADER])
        at = zstandard.frame_header_size(data[:_HEADER])
    except zstandard.ZstdError:
        return None if len(data) < _HEADER else 0  # which is for the decoder to say
    if content.content_size > _LARGEST or not content.window_size:  # a frame to be skipped has no window
        return 0
    last = False
    while not last:
        if at + _BLOCK > len(data):
            return None if len(data) <= 2 * _LARGEST else 0  # a block that holds nothing may follow for ever
        head = int.from_bytes(data[at : at + _BLOCK], "little")
        last, kind, size = bool(head & 1), head >> 1 & 3, head >> 3
        if kind == _RESERVED:
            return 0
        at += _BLOCK + (1 if kind == _REPEATED else size)
    at += _CHECKSUM if content.has_checksum else 0
    return at if at <= len(data) else None
