"""How long each phase of some work took."""

from __future__ import annotations

import time
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager


@contextmanager
def timed(phases: MutableMapping[str, float], name: str) -> Iterator[None]:
    """Add to `phases` how many seconds the block took; one that raises took none."""
    began = time.monotonic()
    yield
    phases[name] = phases.get(name, 0.0) + time.monotonic() - began
