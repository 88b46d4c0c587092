"""Progress where no bar can be drawn: a log line every half minute, with amounts and times that people read."""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime

SECONDS = 30
"""Between two lines of one label."""

_THOUSAND = 1000
_ROUNDS_UP = 999.5
_THREE_DIGITS = 99.95
_MINUTE = 60
_HOUR = 3600
_DAY = 24 * _HOUR


def size(count: float) -> str:
    """Bytes for people: `532 MB`, `1.2 GB`."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if count < _ROUNDS_UP:
            return f"{count:.0f} {unit}" if unit == "B" or count >= _THREE_DIGITS else f"{count:.3g} {unit}"
        count /= _THOUSAND
    return f"{count:.3g} PB"


def amount(count: int, thing: str) -> str:
    """`1 row`, `12,000 rows`."""
    return f"{count:,} {thing}" + ("" if count == 1 else "s")


def duration(seconds: float) -> str:
    """Time for people: `4.2 s`, `3 min 20 s`, `1 h 02 min`, `2 d 07 h`."""
    if round(seconds, 1) < _MINUTE:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < _HOUR:
        return f"{whole // _MINUTE} min {whole % _MINUTE:02d} s"
    if whole < _DAY:
        return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE:02d} min"
    return f"{whole // _DAY} d {whole % _DAY // _HOUR:02d} h"


def utc_text(moment: datetime) -> str:
    """An aware moment for people: `2026-01-02 03:04:05 UTC`, with its microseconds where it has any."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f} UTC".replace(".000000", "")


class LogLines:
    """A Report that writes one line per label and half minute. It may be called from several threads."""

    def __init__(self, write: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._write = write
        self._clock = clock
        self._lock = threading.Lock()
        self._since: dict[str, tuple[float, int]] = {}
        self._written: dict[str, float] = {}

    def __call__(self, done: int, total: int | None, label: str) -> None:
        """Take a report; write it when it is time."""
        with self._lock:
            now = self._clock()
            started, before = self._since.setdefault(label, (now, done))
            if now - self._written.setdefault(label, now) < SECONDS:
                return
            self._written[label] = now
        self._write(_line(label, done, total, (done - before) / (now - started), now - started))


def _line(label: str, done: int, total: int | None, rate: float, elapsed: float) -> str:
    text = f"{label}: {size(done)}" + (f" of {size(total)}" if total else "")
    text += f", {size(rate)}/s, {duration(elapsed)} so far"
    if total and rate > 0:
        text += f", {duration(max(total - done, 0) / rate)} left"
    return text
