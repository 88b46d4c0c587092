"""The chart of a server's growth, as PNG. matplotlib is imported when one is drawn: that takes a second."""

from __future__ import annotations

import io
from collections.abc import Sequence

from chom_pipelines.log_lines import size
from chom_pipelines.monitoring.growth.growth import Forecast, Total

_INCHES = (9.0, 4.0)  # 900 pixels: what the UI shows without scaling
_DPI = 100
_DATA, _INDEX, _FILES, _AHEAD = "#2f6fde", "#8fb3f0", "#333333", "#c98a1b"
_AHEAD_DAYS = 30
_DAY = 86_400


def drawn(server: str, totals: Sequence[Total], growth: Forecast) -> bytes | None:
    """Data and indexes stacked, the files' size as a line, and a month ahead; None: there are not two days."""
    told = [total for total in totals if total.is_whole]
    if len(told) < 2:  # noqa: PLR2004  (a line has two ends)
        return None
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter

    figure = Figure(figsize=_INCHES, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    days = [total.taken.timestamp() / _DAY for total in told]  # as matplotlib counts them
    data, index = [total.data for total in told], [total.index for total in told]
    axes.stackplot(days, data, index, colors=[_DATA, _INDEX], labels=["data", "indexes"])
    files = [(day, total.files) for day, total in zip(days, told, strict=True) if total.files is not None]
    if files:
        axes.plot(*zip(*files, strict=True), color=_FILES, linewidth=1.2, label="files")
    if growth.per_day is not None:
        last = files[-1] if growth.source.endswith("TABLESPACES") and files else (days[-1], told[-1].bytes)
        end = last[0] + _AHEAD_DAYS, last[1] + growth.per_day * _AHEAD_DAYS
        axes.plot([last[0], end[0]], [last[1], end[1]], color=_AHEAD, linestyle="--", label="if it goes on")
    axes.xaxis_date()
    axes.tick_params(axis="x", rotation=20)
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: size(value)))
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#dddddd", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.set_title(f"{server}, {told[0].day} to {told[-1].day}", loc="left", fontsize=12)
    figure.legend(loc="outside upper right", fontsize=10, frameon=False, ncols=4)
    written = io.BytesIO()
    figure.savefig(written, format="png", dpi=_DPI)
    return written.getvalue()
