"""A limit of bytes per second that threads share."""

from __future__ import annotations

import threading
import time


class Throttle:
    """Holds up who has sent, until no more than `bytes_per_second` were; None: nobody is held up."""

    def __init__(self, bytes_per_second: float | None = None) -> None:
        self._rate = bytes_per_second
        self._lock = threading.Lock()
        self._due = time.monotonic()

    def passed(self, count: int) -> None:
        """So many bytes more were sent: return when they are due."""
        if self._rate is None:
            return
        with self._lock:
            # what was not used while nobody sent is not made up for
            self._due = max(self._due, time.monotonic()) + count / self._rate
            wait = self._due - time.monotonic()
        if wait > 0:
            time.sleep(wait)  # which is what the limit is
