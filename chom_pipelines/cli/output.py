"""What commands print: tables, JSON documents, amounts, progress. Rich is imported when a table is printed."""

import json
import logging
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from chom_pipelines.errors import ChomError
from chom_pipelines.log_lines import LogLines, amount, duration, size, utc_text
from chom_pipelines.outcome import Outcome
from chom_pipelines.progress import Report

__all__ = [
    "EXIT_CODES",
    "FORMAT",
    "amount",
    "document",
    "duration",
    "failure",
    "printable",
    "progress",
    "size",
    "table",
    "utc_text",
]

FORMAT = 2

EXIT_CODES = {Outcome.PASSED: 0, Outcome.FAILED: 1, Outcome.NOT_VERIFIED: 3}

_BAR = 12
"""Characters, so that 80 columns have room for what is done."""
_WIDE = 1000  # where no terminal breaks lines, neither does a table

_log = logging.getLogger(__name__)


def document(command: str, body: Mapping[str, Any]) -> None:
    """Print the one JSON document of a command."""
    sys.stdout.write(json.dumps({"format": FORMAT, "command": command, **body}, indent=2, default=str) + "\n")


def printable(text: str) -> str:
    """Text from elsewhere for a terminal: what would control it is shown by its number, as Python escapes it."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


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


@contextmanager
def progress() -> Iterator[Report]:
    """Bars with bytes, rate and time left while it lasts, where stderr is a terminal; else a log line every 30 s."""
    if not sys.stderr.isatty():
        yield LogLines(_log.info)
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn
    from rich.table import Column

    def whole() -> Column:
        return Column(no_wrap=True)

    columns = (
        TextColumn("{task.description}", table_column=Column(no_wrap=True, overflow="ellipsis", ratio=1)),
        BarColumn(_BAR, table_column=whole()),
        DownloadColumn(table_column=whole()),
        TransferSpeedColumn(table_column=whole()),
        TimeRemainingColumn(compact=True, table_column=whole()),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True, expand=True) as bars:
        tasks, lock = {}, threading.Lock()  # threads report, too

        def report(done: int, total: int | None, label: str) -> None:
            with lock:
                if label not in tasks:
                    tasks[label] = bars.add_task(label, total=total)
            bars.update(tasks[label], completed=done, total=total)

        yield report
