"""Reports as a table of figures for pandas, which is imported when one is made."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from chom_pipelines.benchmarks.figures import Timed, mega
from chom_pipelines.benchmarks.kept_reports import report_name
from chom_pipelines.benchmarks.report import Report

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True)
class Figure:
    """One figure; `lowest` and `highest` are of its runs, in its own unit."""

    kind: str
    name: str
    quantity: str
    value: float
    unit: str
    lowest: float
    highest: float
    runs: int


_COLUMNS = ("time", "report", *Figure.__dataclass_fields__, "data", "machine")


def figures(reports: Iterable[Report]) -> DataFrame:
    """A row for each figure of each report, in that order."""
    import pandas as pd

    rows = [
        {
            "time": report.started,
            "report": report_name(report),
            **asdict(figure),
            "data": report.data.origin,
            "machine": f"{report.host.cpu}, {report.host.cores} cores",
        }
        for report in reports
        for figure in figures_of(report)
    ]
    frame = pd.DataFrame(rows, columns=list(_COLUMNS))
    frame["time"] = pd.to_datetime(frame["time"], utc=True)
    return frame


def figures_of(report: Report) -> Iterator[Figure]:
    """Those that were measured, of one report. Pure."""
    for limit in report.limits:
        yield from _timed("limit", limit.name, limit.timed, limit.bytes)
    for codec in report.compression:
        yield from _timed("compression", codec.name, codec.timed, codec.raw_bytes, "compress")
        yield from _timed("compression", codec.name, codec.unpacking, codec.raw_bytes, "decompress")
        if codec.timed:
            yield _single("compression", codec.name, "ratio", codec.ratio)
    for kind, rungs in (("restore", report.ladder), ("peer", report.peers)):
        for rung in rungs:
            yield from _timed(kind, rung.name, rung.timed, rung.bytes)
            if rung.speed_up is not None:
                yield _single(kind, rung.name, "speed-up", rung.speed_up)


def _timed(kind: str, name: str, timed: Timed | None, size: int, what: str = "") -> Sequence[Figure]:
    if timed is None:
        return ()
    prefix, runs, rate = f"{what} " if what else "", len(timed.runs), mega(size)
    return (
        Figure(kind, name, f"{prefix}time", timed.median, "s", timed.lowest, timed.highest, runs),
        Figure(
            *(kind, name, f"{prefix}rate", rate / timed.median, "MB/s"),
            *(rate / timed.highest, rate / timed.lowest, runs),
        ),
        Figure(kind, name, f"{prefix}CPU", timed.cpu, "s", *_cpu_span(timed), runs),
    )


def _cpu_span(timed: Timed) -> tuple[float, float]:
    seconds = [run.cpu_seconds for run in timed.runs]
    return min(seconds), max(seconds)


def _single(kind: str, name: str, quantity: str, value: float) -> Figure:
    return Figure(kind, name, quantity, value, "times", value, value, 1)
