"""How long a server may send nothing while it has more; pure."""

from __future__ import annotations

SILENCE = 10.0
"""Seconds without a byte after which a server that has more is taken for lost."""
_SLOWEST = 1 << 20
"""Bytes per second at least: a client passes an event on once it has all of it, and an event may have a gigabyte."""


class Silence:
    """Of one connection; all times are seconds of one clock.

    It counts from when the server was first seen ahead, and only up to when it was last read in vain: who was busy, or
    reads an idle server, has heard nothing either.
    """

    def __init__(self) -> None:
        self._since: float | None = None
        self._allowed = SILENCE
        self._in_vain = 0.0

    def end(self) -> None:
        """Something has come, or all has."""
        self._since = None

    def read_in_vain(self, now: float) -> None:
        """Nothing has come for a moment until now."""
        self._in_vain = now

    def ahead(self, size: int, now: float) -> None:
        """The server has so many bytes more of the file that is read."""
        if self._since is None:
            self._since, self._allowed = now, SILENCE + size / _SLOWEST

    @property
    def is_too_long(self) -> bool:
        """The connection is to be taken for lost."""
        return self._since is not None and self._in_vain - self._since > self._allowed
