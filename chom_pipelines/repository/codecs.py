"""The compressed formats that objects are stored in, each as its stock command line tool writes and reads it."""

import bz2
import lzma
from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum
from functools import partial
from typing import Protocol, cast

import zstandard
from zlib_ng import zlib_ng

from chom_pipelines.errors import ConfigurationError, DamagedError
from chom_pipelines.repository.zstd_frames import ZstdDecoder

_PIECE = 1 << 20  # bytes that decompressed data comes in, about

FRAME = 1 << 20
"""Bytes of a zstd frame at low levels, about: what fits a core's cache. Measured on 466 MB of tables at level 3: 3.4 s
and 128.2 MB, with frames of 4 MiB 4.1 s and 129.3 MB, in one frame for all 4.3 s and 130.7 MB; source code and prose
get 2.6 % larger than with 4 MiB."""

_GZIP_CONTAINER = 31
_GZIP_ERROR = cast("type[Exception]", zlib_ng.error)  # its stub calls the class an instance
_CORRUPT = (zstandard.ZstdError, _GZIP_ERROR, lzma.LZMAError, OSError)  # OSError is bz2's
_FRAMED_LEVEL = 6  # above, zstd looks back further than FRAME


class Codec(StrEnum):
    """How objects are compressed; the values are those of the configuration."""

    ZSTD = "zstd"
    GZIP = "gzip"
    BZIP2 = "bzip2"
    XZ = "xz"
    NONE = "none"

    @property
    def suffix(self) -> str:
        """What its files' names end in."""
        return {"zstd": ".zst", "gzip": ".gz", "bzip2": ".bz2", "xz": ".xz", "none": ""}[self.value]

    @property
    def levels(self) -> range:
        """The levels that it knows; `none` takes what any other takes, and ignores it."""
        known = {"gzip": range(1, 10), "bzip2": range(1, 10), "xz": range(10), "none": range(23)}
        return known.get(self.value, range(1, 23))


class Compressor(Protocol):
    """Compresses a stream into one frame."""

    def compress(self, data: bytes | memoryview, /) -> bytes:
        """The compressed bytes that are ready; often none."""
        ...

    def flush(self) -> bytes:
        """The rest; nothing can be compressed afterwards."""
        ...


class _Plain:
    """The compressor that changes nothing."""

    def compress(self, data: bytes | memoryview, /) -> bytes:
        return bytes(data)  # which copies no bytes, only a memoryview

    def flush(self) -> bytes:
        return b""


class _ZstdFrames:
    """Compresses whole frames of FRAME bytes: less copying than one long frame, with the same ratio at low levels."""

    def __init__(self, level: int) -> None:
        self._zstd = zstandard.ZstdCompressor(level=level, write_checksum=True)
        self._held: list[bytes] = []
        self._size = 0
        self._framed = False

    def compress(self, data: bytes | memoryview, /) -> bytes:
        if len(data) >= FRAME and not self._held:  # which copies nothing
            self._framed = True
            return self._zstd.compress(data)
        self._held.append(bytes(data))
        self._size += len(data)
        return self._frame() if self._size >= FRAME else b""

    def flush(self) -> bytes:
        return self._frame() if self._size or not self._framed else b""

    def _frame(self) -> bytes:
        data = b"".join(self._held)
        self._held, self._size, self._framed = [], 0, True
        return self._zstd.compress(data)


def compressor(codec: Codec, level: int) -> Compressor:
    """A compressor of one stream, with a checksum wherever the format has one.

    Raises ConfigurationError where the codec does not know the level.
    """
    if level not in codec.levels:
        message = f"compression level {level} is none of {codec.value}'s"
        raise ConfigurationError(message, f"choose {codec.levels.start} to {codec.levels.stop - 1}")
    if codec is Codec.ZSTD and level <= _FRAMED_LEVEL:
        return _ZstdFrames(level)
    if codec is Codec.ZSTD:
        return zstandard.ZstdCompressor(level=level, write_checksum=True).compressobj()
    if codec is Codec.GZIP:
        return zlib_ng.compressobj(level, zlib_ng.DEFLATED, _GZIP_CONTAINER)
    if codec is Codec.BZIP2:
        return bz2.BZ2Compressor(level)
    if codec is Codec.XZ:
        return lzma.LZMACompressor(lzma.FORMAT_XZ, preset=level)
    return _Plain()


def decompressed(codec: Codec, chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Decompress, in pieces of about 1 MiB and of 17 MiB at the very most; `none` passes chunks through.

    Raises DamagedError where the data is corrupt or cut short, or something follows it. zstd may have several frames:
    whether one is missing or too many is for the caller to count.
    """
    if codec is Codec.NONE:
        yield from chunks
        return
    decoder, pieces = _decoder(codec)
    for chunk in filter(None, chunks):
        if decoder.eof and codec is not Codec.ZSTD:
            raise _following(codec)
        try:
            yield from pieces(chunk)
        except _CORRUPT as error:
            raise DamagedError(f"the {codec.value} data is corrupt ({error})") from error
        if decoder.unused_data:
            raise _following(codec)
    if not decoder.eof:
        raise DamagedError(f"the {codec.value} data is cut short")


def _following(codec: Codec) -> DamagedError:
    return DamagedError(f"something follows the end of the {codec.value} data")


class _Decoder(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...


_Pieces = Callable[[bytes], Iterator[bytes]]


def _decoder(codec: Codec) -> tuple[_Decoder, _Pieces]:
    """A decoder, and what turns a compressed chunk into decompressed pieces with it."""
    if codec is Codec.ZSTD:
        zstd = ZstdDecoder()
        return zstd, zstd.pieces
    if codec is Codec.GZIP:
        gzip = zlib_ng.decompressobj(_GZIP_CONTAINER)
        return gzip, partial(_gzip_pieces, gzip)
    bounded = bz2.BZ2Decompressor() if codec is Codec.BZIP2 else lzma.LZMADecompressor(lzma.FORMAT_XZ)
    return bounded, partial(_bounded_pieces, bounded)


def _gzip_pieces(decoder: "zlib_ng._Decompress", chunk: bytes) -> Iterator[bytes]:
    piece = decoder.decompress(chunk, _PIECE)
    while piece:
        yield piece
        piece = decoder.decompress(decoder.unconsumed_tail, _PIECE)


def _bounded_pieces(decoder: bz2.BZ2Decompressor | lzma.LZMADecompressor, chunk: bytes) -> Iterator[bytes]:
    piece = decoder.decompress(chunk, _PIECE)
    while piece:
        yield piece
        piece = b"" if decoder.eof or decoder.needs_input else decoder.decompress(b"", _PIECE)
