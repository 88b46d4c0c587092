"""What commands print: tables, JSON documents, sizes, durations, progress. Rich is imported when a table is printed."""

import json
import logging
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from chom_pipelines.errors import ChomError
from chom_pipelines.progress import Report

FORMAT = 1

_WIDE = 1000  # where no terminal breaks lines, neither does a table
_LOG_SECONDS = 30
_THOUSAND = 1000
_ROUNDS_UP = 999.5
_MINUTE = 60
_HOUR = 3600

_log = logging.getLogger(__name__)


def document(command: str, body: Mapping[str, Any]) -> None:
    """Print the one JSON document of a command."""
    sys.stdout.write(json.dumps({"format": FORMAT, "command": command, **body}, indent=2, default=str) + "\n")


def failure(error: ChomError, arguments: Sequence[str]) -> None:
    """Print what failed on stderr; where --json was given, as the JSON document."""
    if "--json" not in arguments:
        sys.stderr.write(f"{error}\n")
        return
    command = next((word for word in arguments if not word.startswith("-")), "")
    described = {
        "kind": type(error).__name__,
        "message": error.what,
        "remedy": error.remedy,
        "retryable": error.retryable,
    }
    document(command, {"error": described, "exit_code": error.exit_code})


def table(
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    title: str = "",
    styles: Mapping[str, str] | None = None,
) -> None:
    """Print a table; a cell whose text is in `styles` gets that rich style. Columns named like `size>` align right."""
    from rich.box import SIMPLE
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    drawn = Table(title=title or None, title_justify="left", box=SIMPLE, pad_edge=False)
    for column in columns:
        drawn.add_column(column.removesuffix(">"), justify="right" if column.endswith(">") else "left")
    for row in rows:
        drawn.add_row(*(Text(cell, style=(styles or {}).get(cell, "")) for cell in row))
    Console(width=None if sys.stdout.isatty() else _WIDE).print(drawn)


def size(count: float) -> str:
    """Bytes for people: `532 MB`, `1.2 GB`."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if count < _ROUNDS_UP:
            return f"{count:.0f} {unit}" if unit == "B" or count >= 100 else f"{count:.3g} {unit}"  # noqa: PLR2004
        count /= _THOUSAND
    return f"{count:.3g} PB"


def duration(seconds: float) -> str:
    """Time for people: `4.2 s`, `3 min 20 s`, `1 h 02 min`."""
    if round(seconds, 1) < _MINUTE:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < _HOUR:
        return f"{whole // _MINUTE} min {whole % _MINUTE:02d} s"
    return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE:02d} min"


@contextmanager
def progress() -> Iterator[Report]:
    """A bar with bytes, rate and time left where stderr is a terminal, else a log line every 30 s."""
    if not sys.stderr.isatty():
        yield LogLines()
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as bars:
        tasks = {}

        def report(done: int, total: int | None, label: str) -> None:
            if label not in tasks:
                tasks[label] = bars.add_task(label, total=total)
            bars.update(tasks[label], completed=done, total=total)

        yield report


class LogLines:
    """Progress as log lines, one per label every 30 s."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._since: dict[str, tuple[float, int]] = {}
        self._logged: dict[str, float] = {}

    def __call__(self, done: int, total: int | None, label: str) -> None:
        """Take a report; log it when it is time."""
        now = self._clock()
        started, before = self._since.setdefault(label, (now, done))
        if now - self._logged.setdefault(label, now) < _LOG_SECONDS:
            return
        self._logged[label] = now
        rate = (done - before) / (now - started)
        text = f"{label}: {size(done)}" + (f" of {size(total)}" if total else "") + f", {size(rate)}/s"
        if total and rate > 0:
            text += f", {duration(max(total - done, 0) / rate)} left"
        _log.info(text)
