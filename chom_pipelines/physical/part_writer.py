"""Parts of a stream on their way into the repository: checked, compressed, encrypted and hashed by several threads.

All of that lets go of the interpreter's lock. Memory is bounded: a thread holds one part, and one more is being filled.
To have a part on the medium takes no processor, and is waited for by threads of their own.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from threading import BoundedSemaphore
from types import TracebackType
from typing import Self

from chom_pipelines.physical.chunks import Chunk
from chom_pipelines.repository.codecs import Codec
from chom_pipelines.repository.encryption import DataKey
from chom_pipelines.repository.objects import ObjectWriter, StoredObject
from chom_pipelines.repository.store import Folder

MOST = 6
"""Threads at the most: each holds up to 42 MB, a part and the rest of the chunk that ends it."""

_PIECE = 1 << 20


@dataclass(frozen=True)
class PartStorage:
    """Where parts go, and how they are stored."""

    folder: Folder
    codec: Codec
    level: int
    key: DataKey | None

    def part(self, number: int, part: list[Chunk]) -> StoredObject:
        """Store one; raises DamagedError where a chunk is not what its CRC says."""
        return self.written(number, part).close()

    def written(self, number: int, part: list[Chunk]) -> ObjectWriter:
        """One that is written, and has yet to be closed; raises as `part` does."""
        writer = ObjectWriter(self.folder, f"data/part.{number:05d}", self.codec, self.level, self.key)
        try:
            for chunk in part:
                chunk.refuse_damage()
                writer.write(chunk.head)
                for piece in chunk.pieces:
                    payload = memoryview(piece)
                    for start in range(0, len(payload), _PIECE):
                        writer.write(payload[start : start + _PIECE])
        except BaseException:  # however it ends, nothing half-written stays
            writer.abort()
            raise
        return writer


class PartWriter:
    """Stores parts in the order in which they are given; a context manager that ends its threads."""

    def __init__(self, storing: PartStorage, threads: int) -> None:
        self._storing = storing
        threads = min(threads, MOST)
        self._free = BoundedSemaphore(threads)
        self._pool, self._closing = ThreadPoolExecutor(threads, "part"), ThreadPoolExecutor(threads, "close")
        self._at_work: deque[Future[Future[StoredObject]]] = deque()
        self._stored: list[StoredObject] = []
        self._count = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for pool in (self._pool, self._closing):
            pool.shutdown(wait=True, cancel_futures=True)

    def write(self, part: list[Chunk]) -> None:
        """Wait for a thread that is free, and give it the part; raises what storing an earlier one has raised."""
        self._free.acquire()
        while self._at_work and self._at_work[0].done() and self._at_work[0].result().done():
            self._stored.append(self._at_work.popleft().result().result())
        future = self._pool.submit(self._part, self._count, part)
        future.add_done_callback(lambda _: self._free.release())
        self._at_work.append(future)
        self._count += 1

    def _part(self, number: int, part: list[Chunk]) -> Future[StoredObject]:
        return self._closing.submit(self._storing.written(number, part).close)

    def finish(self) -> tuple[StoredObject, ...]:
        """All of them in order, when the last is stored."""
        self._stored += [future.result().result() for future in self._at_work]
        self._at_work.clear()
        return tuple(self._stored)
