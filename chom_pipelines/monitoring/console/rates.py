"""What a server does in a second, by two readings of its counters; pure.

Totals since its start say what it was like in months. A counter that went back was begun anew: with the server, or by
FLUSH STATUS. Then nothing is known until the next reading, as what was counted in between is lost.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

_LEAST_SECONDS = 0.05
_FEW_REQUESTS = 100  # of pages: a ratio of fewer says nothing of a buffer pool


@dataclass(frozen=True)
class Counters:
    """SHOW GLOBAL STATUS at a moment of the monotonic clock here; what is no number is left out."""

    at: float
    values: Mapping[str, float]

    @classmethod
    def of(cls, at: float, status: Mapping[str, str]) -> Counters:
        """From the texts that a server gives; names are compared in lower case."""
        return cls(at, {name.lower(): number for name, text in status.items() if (number := _number(text)) is not None})

    def get(self, name: str) -> float | None:
        """A value; None: this server has none of that name."""
        return self.values.get(name.lower())


@dataclass(frozen=True)
class Rates:
    """Two readings of one server, the later one second."""

    before: Counters
    now: Counters

    @property
    def seconds(self) -> float:
        """Between them."""
        return self.now.at - self.before.at

    @property
    def is_too_soon(self) -> bool:
        """Too little time has passed for a rate."""
        return self.seconds < _LEAST_SECONDS

    @property
    def began_anew(self) -> bool:
        """The server was started, or its counters were set to zero, in between."""
        names = ("uptime", "uptime_since_flush_status")
        return any(
            (new := self.now.get(name)) is not None and (old := self.before.get(name)) is not None and new < old
            for name in names
        )

    def delta(self, name: str) -> float | None:
        """By how much a counter grew; None: it is not there, or was begun anew."""
        new, old = self.now.get(name), self.before.get(name)
        if new is None or old is None or new < old or self.began_anew:
            return None
        return new - old

    def per_second(self, *names: str) -> float | None:
        """Of these counters together; None where one of them is not known, or too little time has passed."""
        if self.is_too_soon:
            return None
        deltas = [self.delta(name) for name in names]
        known = [each for each in deltas if each is not None]
        return sum(known) / self.seconds if known and len(known) == len(deltas) else None

    @property
    def buffer_pool_hit_percent(self) -> float | None:
        """Of the pages asked for in between, those that were in memory; None where too few were asked for."""
        requests, reads = self.delta("innodb_buffer_pool_read_requests"), self.delta("innodb_buffer_pool_reads")
        if requests is None or reads is None or requests < _FEW_REQUESTS:
            return None
        return 100 * min(1.0, max(0.0, 1 - reads / requests))


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if number == number and abs(number) != float("inf") else None  # noqa: PLR0124  (not a number)
