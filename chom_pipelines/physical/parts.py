"""A stream of data files is cut into parts, which are compressed, encrypted and unpacked at once. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from chom_pipelines.physical.chunks import Chunk

PART = 32 << 20
"""Bytes of the stream in one stored object, about: enough of them for all cores, and one for each fits in memory."""


def parts(stream: Iterable[Chunk]) -> Iterator[list[Chunk]]:
    """Cut a stream into parts of about PART bytes, each of whole chunks."""
    part: list[Chunk] = []
    size = 0
    for chunk in stream:
        part.append(chunk)
        size += chunk.size
        if size >= PART:
            yield part
            part, size = [], 0
    if part:
        yield part
