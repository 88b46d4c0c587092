"""What the file of the binary log is known by in which a dump is, found out while rows are read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from chom_pipelines.repository.manifest import Position
from chom_pipelines.server.endpoint import Endpoint
from chom_pipelines.server.facts import ServerFacts

HeadOf = Callable[[Endpoint, ServerFacts, str], str | None]
"""head_of(server, facts, file): the SHA-256 of the first event of a file of the binary log; None: it cannot be had."""


@contextmanager
def head_meanwhile(
    head_of: HeadOf | None, endpoint: Endpoint, facts: ServerFacts, end: Position | None
) -> Iterator[Callable[[], str | None]]:
    """What tells the answer, in the block or after it: a client program is asked, which takes a tenth of a second."""
    if head_of is None or end is None:
        yield lambda: None
        return
    with ThreadPoolExecutor(1, "head") as beside:
        yield beside.submit(head_of, endpoint, facts, end.file).result
