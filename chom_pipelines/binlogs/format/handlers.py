"""What takes the events of a binary log, kind by kind, and what it is told of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol


class Head(NamedTuple):
    """What is known of an event beside its body: `at` is its position in the file, `after` that behind it."""

    time: int
    kind: int
    server_id: int
    at: int
    after: int


class Sink(Protocol):
    """Takes a large event's body in pieces."""

    def feed(self, data: memoryview) -> None:
        """Take the next piece."""

    def close(self) -> None:
        """Take the end: the event is whole, and its checksum is right."""


Handler = Callable[[bytes, int, int, Head], None]
Opener = Callable[[bytes, int, int, Head], Sink]


@dataclass(frozen=True)
class Handlers:
    """What takes the events of each kind: a buffer, and where in it the body begins and ends.

    `content` is what there is most of, and asks for nothing else. `large` takes the begin of a body that is too large
    to be held, and makes what takes the rest. Kinds that are in none of these and not `skipped` are refused; none may
    follow a kind that is `last`.
    """

    content: Mapping[int, Callable[[bytes, int, int], None]]
    other: Mapping[int, Handler]
    large: Mapping[int, Opener]
    skipped: frozenset[int]
    last: frozenset[int] = frozenset()
