"""How a binary log begins: the magic number, and the format description, which is its first event. Pure."""

from __future__ import annotations

import struct
import zlib

from chom_pipelines.binlogs.format.events import ENCRYPTED_MAGIC, HEADER, HEADER_SIZE, MAGIC, FormatDescription, Kind
from chom_pipelines.errors import BinlogDamagedError, UnknownFormatError

_MOST_FORMAT_BYTES = 1024  # of a format description; MySQL's has 123 bytes, MariaDB's 252
_UNREADABLE = (IndexError, ValueError, struct.error, zlib.error, OverflowError)


def head_size(file: str, head: bytes, *, begins_behind_it: bool) -> int | None:
    """How long magic number and format description are together, once `head` has both as a whole.

    `begins_behind_it`: the next event is said to follow at once, as in a file; else its place is not said, as client
    programs write one that begin later. Raises BinlogDamagedError, and UnknownFormatError for a file that is encrypted.
    """
    if not MAGIC.startswith(head[: len(MAGIC)]):
        if ENCRYPTED_MAGIC.startswith(head[: len(MAGIC)]):
            what = f"{file} is encrypted by its server"
            raise UnknownFormatError(what, "read it through the server, which decrypts it")
        raise BinlogDamagedError(f"{file} is no binary log: it begins with {head[: len(MAGIC)].hex()}")
    if len(head) < len(MAGIC) + HEADER_SIZE:
        return None
    _, kind, _, size, noted, _ = HEADER.unpack_from(head, len(MAGIC))
    if kind != Kind.FORMAT_DESCRIPTION or not HEADER_SIZE < size <= _MOST_FORMAT_BYTES:
        raise _no_format(file, f"the first event is of kind {kind} and has {size} bytes")
    expected = len(MAGIC) + size if begins_behind_it else 0
    if noted != expected:
        raise _no_format(file, f"it says that the next event is at {noted}, not at {expected}")
    return len(MAGIC) + size if len(head) >= len(MAGIC) + size else None


def description(file: str, event: bytes) -> FormatDescription:
    """What the whole event says; raises BinlogDamagedError."""
    try:
        return FormatDescription.parse(event)
    except _UNREADABLE as error:
        raise _no_format(file, str(error)) from error


def _no_format(file: str, what: str) -> BinlogDamagedError:
    return BinlogDamagedError(f"{file}, position {len(MAGIC)}: there is no format description: {what}")
