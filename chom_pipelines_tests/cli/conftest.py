"""`main()` sets up a process: what it sets up is taken back after each test."""

import logging
import signal
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def process_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    level, handlers, terminate = root.level, list(root.handlers), signal.getsignal(signal.SIGTERM)
    yield
    root.setLevel(level)
    root.handlers[:] = handlers
    signal.signal(signal.SIGTERM, terminate)
