"""What every screen has: who, since when, what is not told and what mends it; from readings to what rich draws. Pure.

A figure that is not known is never drawn as a zero: `not known`, and the reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from chom_pipelines.log_lines import duration
from chom_pipelines.monitoring.readers.reading import Lack, Reading

if TYPE_CHECKING:
    from chom_pipelines.monitoring.console.looking import Look

UNKNOWN = "not known"
GOOD, WARN, BAD, DOUBT, DIM = "green", "yellow", "red", "magenta", "bright_black"
_SHOWN = "%Y-%m-%d %H:%M:%SZ"


@dataclass(frozen=True)
class Header:
    """Of one look at a server. `server` is its name in chom.yaml; `uptime` is in seconds, None where it is not known.

    `counted` is for how many seconds its status counters count, which FLUSH STATUS begins anew.
    """

    server: str
    screen: str
    now: datetime
    label: str | None = None
    uptime: float | None = None
    counted: float | None = None
    notes: tuple[str, ...] = field(default=())
    """What has to be said about the look itself, as that the connection was lost."""


def screen(header: Header, lacks: Iterable[Lack], *body: RenderableType) -> Group:
    """All of it, the header first."""
    return Group(*_head(header), *_lacking(lacks), *body)


def drawn(server: str, kind: str, look: Look, label: str | None, notes: tuple[str, ...] = ()) -> Group:
    """A look with its header."""
    return screen(Header(server, kind, look.at, label, look.uptime, look.counted, notes), look.lacks, *look.body)


def why_not(reading: Reading[object] | None) -> str:
    """Why a figure is not known, in one line; what mends it is in the header."""
    if reading is None:
        return "nothing was asked yet"
    if reading.failure:
        return reading.failure
    return "; ".join(lack.why for lack in reading.lacks) or "the server told nothing"


def not_known(what: str, why: str) -> Text:
    """A line in the place of figures."""
    return Text.assemble((f"{what}: ", "bold"), (UNKNOWN, DOUBT), f": {why}")


def line(text: str, style: str = "") -> Text:
    """One line, cut where the screen ends."""
    return Text(plain(text), style=style, no_wrap=True, overflow="ellipsis")


def title(text: str) -> Padding:
    """Above a part of a screen."""
    return Padding(Text(text, style="bold"), (1, 0, 0, 0))


def grid(columns: Sequence[str], rows: Iterable[Sequence[str | Text]], *, last: str = "") -> Table:
    """A table as wide as the screen; columns named like `size>` align right, `last` takes what room is left.

    No cell is broken but those of `last`, which are cut.
    """
    drawn = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, expand=bool(last), header_style="bold")
    for column in columns:
        drawn.add_column(column.removesuffix(">"), justify="right" if column.endswith(">") else "left", no_wrap=True)
    if last:
        drawn.add_column(last, no_wrap=True, overflow="ellipsis", ratio=1)
    for row in rows:
        drawn.add_row(*(Text(plain(cell)) if isinstance(cell, str) else cell for cell in row))
    return drawn


def figure(value: float | None, unit: str = "") -> Text:
    """A number as people read it; `not known` for None."""
    if value is None:
        return Text(UNKNOWN, style=DOUBT)
    words = f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.1f}"  # noqa: PLR2004  (three digits)
    return Text(words + unit)


def rate(value: float | None) -> Text:
    """So many a second."""
    return figure(value) if value is None else figure(value, "/s")


def seconds_shown(seconds: float) -> str:
    """Short enough for a table: `80 µs`, `12 ms`, `4.2 s`, `3 min 20 s`."""
    if seconds >= 1 or not seconds:
        return whole(seconds) if not seconds else duration(seconds)
    return f"{seconds * 1e3:.3g} ms" if seconds >= 1e-3 else f"{seconds * 1e6:.0f} µs"  # noqa: PLR2004  (a millisecond)


def whole(seconds: float) -> str:
    """Of a time that a server tells in whole seconds."""
    return f"{seconds:.0f} s" if seconds < 60 else duration(seconds)  # noqa: PLR2004  (a minute)


def _head(header: Header) -> list[RenderableType]:
    parts: list[str | tuple[str, str]] = [(header.server, "bold"), f"  {header.label or 'from the repository'}"]
    if header.uptime is not None:
        parts.append(f"  up {duration(header.uptime)}")
    first = Text.assemble(*parts, no_wrap=True, overflow="ellipsis")
    since = ""
    if header.counted is not None:
        began = header.now - timedelta(seconds=header.counted)
        since = f"counters since {began.strftime(_SHOWN)}"
    second = f"{header.screen}  {header.now.strftime(_SHOWN)}" + (f"  {since}" if since else "")
    return [first, line(second, DIM), *(line(note, WARN) for note in header.notes), Rule(style=DIM)]


def _lacking(lacks: Iterable[Lack]) -> list[RenderableType]:
    drawn: list[RenderableType] = []
    for lack in lacks:
        drawn.append(Text.assemble(("! ", DOUBT), plain(lack.why)))
        drawn += [Text(f"  {plain(each)}", style="bold", overflow="fold") for each in lack.remedy.splitlines()]
    return [*drawn, Rule(style=DIM)] if drawn else []


def plain(text: str) -> str:
    """What would control a terminal is shown by its number, as Python escapes it."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)
