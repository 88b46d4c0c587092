"""The charts of a report, as PNG. matplotlib is imported when one is drawn: that takes a second."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chom_pipelines.benchmarks.figures import mega
from chom_pipelines.benchmarks.report import ENOUGH, Means, Report, Rung
from chom_pipelines.log_lines import amount, utc_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_WIDTH = 9.0  # inches, 900 pixels: what the UI shows without scaling
_BAR = 0.42  # inches of height
_FRAME = 1.5
_DPI = 100
_COLOURS = {Means.STOCK: "#8a8f98", Means.ROWS: "#2f6fde", Means.FILES: "#1a9e6c", Means.PEER: "#c98a1b"}
_MEANT = {
    Means.STOCK: "stock client",
    Means.ROWS: "chom, rows",
    Means.FILES: "chom, data files",
    Means.PEER: "another tool",
}
_TEN = 10
_PACK, _UNPACK = "#2f6fde", "#1a9e6c"


@dataclass(frozen=True)
class Charts:
    """Those that there was something to draw for; None: nothing of it was measured."""

    ladder: bytes | None
    compression: bytes | None


def drawn(report: Report) -> Charts:
    """All charts of a report."""
    return Charts(_ladder(report), _compression(report))


def _ladder(report: Report) -> bytes | None:
    rungs = [rung for rung in (*report.ladder, *report.peers) if rung.timed]
    if not rungs:
        return None
    axes = _axes(len(rungs), 1)[0]
    medians = [rung.timed.median for rung in rungs if rung.timed]
    axes.barh(
        range(len(rungs)),
        medians,
        color=[_COLOURS[rung.means] for rung in rungs],
        xerr=_spread(rungs) if report.rounds > 1 else None,
        error_kw={"ecolor": "#333333", "capsize": 3, "elinewidth": 1},
    )
    _named(axes, [rung.name for rung in rungs])
    for number, rung in enumerate(rungs):
        if rung.timed:
            times = f"   {rung.speed_up:.1f}x" if rung.speed_up else ""
            axes.text(rung.timed.highest, number, f"  {rung.timed.median:.2f} s{times}", va="center", fontsize=10)
    axes.set_xlim(0, 1.28 * max(rung.timed.highest for rung in rungs if rung.timed))
    axes.set_xlabel(f"seconds, {_rounds(report)}; shorter is better")
    data = report.data
    size = f"{amount(data.tables, 'table')}, {mega(data.text_bytes):,.0f} MB of text"
    axes.set_title(f"Restoring {size}, {report.measured_on}", loc="left", fontsize=12)
    used = dict.fromkeys(rung.means for rung in rungs)
    _legend(axes, [(_COLOURS[means], _MEANT[means]) for means in used])
    return _png(axes, report)


def _compression(report: Report) -> bytes | None:
    # what is not compressed takes no time: its bar would dwarf all others
    codecs = [each for each in report.compression if each.timed and each.unpacking and each.codec.suffix]
    if not codecs:
        return None
    rates, sizes = _axes(len(codecs), 2)
    half = 0.38
    for offset, colour, what in ((-half / 2, _PACK, "packing_rate"), (half / 2, _UNPACK, "unpacking_rate")):
        values = [mega(getattr(each, what)) for each in codecs]
        rates.barh([number + offset for number in range(len(codecs))], values, half, color=colour)
        for number, value in enumerate(values):
            rates.text(
                value, number + offset, f" {value:,.0f}" if value >= _TEN else f" {value:.1f}", va="center", fontsize=9
            )
    _named(rates, [each.name for each in codecs])
    rates.set_xlim(0, 1.2 * max(mega(each.unpacking_rate or 0) for each in codecs))
    rates.set_xlabel("MB/s on one core; longer is better")
    rates.set_title(f"Compressing {mega(report.data.sample_bytes):,.0f} MB of the data", loc="left", fontsize=12)
    _legend(rates, [(_PACK, "compress"), (_UNPACK, "decompress")])
    percents = [100 / each.ratio for each in codecs]
    sizes.barh(range(len(codecs)), percents, color="#8a8f98")
    for number, percent in enumerate(percents):
        sizes.text(percent, number, f" {percent:.1f} %", va="center", fontsize=9)
    sizes.set_yticks([])
    sizes.invert_yaxis()
    sizes.set_xlim(0, 1.25 * max(percents))
    sizes.set_xlabel("size, % of the text; shorter is better")
    return _png(rates, report)


def _spread(rungs: Iterable[Rung]) -> list[list[float]]:
    timed = [rung.timed for rung in rungs if rung.timed]
    return [[each.median - each.lowest for each in timed], [each.highest - each.median for each in timed]]


def _rounds(report: Report) -> str:
    if report.rounds == 1:
        return "one run"
    return f"median of {report.rounds} runs (whiskers: lowest and highest)"


def _axes(bars: int, columns: int) -> Sequence[Axes]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_WIDTH, _FRAME + _BAR * bars * (1.4 if columns > 1 else 1)), layout="constrained")
    FigureCanvasAgg(figure)
    found = [figure.add_subplot(1, columns, number + 1) for number in range(columns)]
    for axes in found:
        axes.tick_params(labelsize=10)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="x", color="#dddddd", linewidth=0.8)
        axes.set_axisbelow(True)
    return found


def _named(axes: Axes, names: Sequence[str]) -> None:
    axes.set_yticks(range(len(names)), labels=list(names))
    axes.invert_yaxis()


def _legend(axes: Axes, entries: Sequence[tuple[str, str]]) -> None:
    from matplotlib.patches import Patch

    handles = [Patch(color=colour, label=label) for colour, label in entries]
    axes.figure.legend(handles=handles, loc="outside upper right", ncols=len(handles), fontsize=10, frameon=False)


def where_and_when(report: Report) -> str:
    """What a picture has to say of itself, as it is looked at without its report."""
    host = report.host
    said = f"{report.server}, {utc_text(report.started.replace(microsecond=0))}; {host.cpu}, {host.cores} cores"
    if report.data.text_bytes < ENOUGH:
        return f"{said}; too little data to tell"
    if report.was_disturbed:
        return f"{said}; other processes took {report.elsewhere:.0%} of the cores"
    return said


def _png(axes: Axes, report: Report) -> bytes:
    from matplotlib.figure import Figure

    figure = axes.figure
    if not isinstance(figure, Figure):
        raise TypeError("a chart is drawn on a figure of its own")
    figure.supxlabel(where_and_when(report), x=0.01, ha="left", fontsize=8, color="#555555")
    written = io.BytesIO()
    figure.savefig(written, format="png", dpi=_DPI)
    return written.getvalue()
