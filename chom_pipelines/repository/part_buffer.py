"""What was written and not sent yet: an object store takes it a part at a time."""

from __future__ import annotations

from collections import deque

PART = 8 << 20
_PARTS_OF_A_SIZE = 150


class PartBuffer:
    """Bytes in the order in which they were written."""

    def __init__(self) -> None:
        self._pieces: deque[bytes] = deque()
        self.bytes = 0

    def add(self, data: bytes) -> None:
        """Append."""
        self._pieces.append(data)
        self.bytes += len(data)

    def take(self, count: int) -> bytes:
        """Remove the next bytes, so many, in one piece; no more than there are."""
        taken, size = [], 0
        while size < count:
            piece = self._pieces.popleft()
            size += len(piece)
            if size > count:
                self._pieces.appendleft(piece[count - size :])
                piece = piece[: count - size]
            taken.append(piece)
        self.bytes -= count
        return b"".join(taken)

    def clear(self) -> None:
        """Forget all."""
        self._pieces.clear()
        self.bytes = 0


def part_size(number: int) -> int:
    """Bytes of the part of that number, from 0: they grow, so that the 10,000 that S3 allows hold 5 TiB."""
    return PART * (1 + 2 * (number // _PARTS_OF_A_SIZE))
