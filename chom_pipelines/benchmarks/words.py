"""A report for people: the lines of its tables, as text, for a terminal and for Markdown. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from chom_pipelines.benchmarks.figures import Item, Share, Timed, mega
from chom_pipelines.benchmarks.report import Report
from chom_pipelines.log_lines import amount, duration, size
from chom_pipelines.outcome import Outcome

_MANY = 100
_FEW = 0.1
_TEN = 10


@dataclass(frozen=True)
class Table:
    """Columns, of which those that end in `>` are aligned to the right, and rows."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def tables(report: Report) -> Iterator[Table]:
    """What was measured, table by table; one without a row is left out."""
    for table in (_ladder(report), _backups(report), _compression(report), _limits(report), _predictions(report)):
        if table.rows:
            yield table
    if report.comparison.slower:
        yield _regressions(report)
    if report.sizes and report.sizes.largest:
        yield _sizes(report)


def described(report: Report) -> Iterator[tuple[str, str]]:
    """What was measured, with which server, and on which machine: each by its name."""
    data, host = report.data, report.host
    origin = "generated" if data.origin == "generated" else data.origin
    part = "" if data.share == 1 else f", {data.share:.0%} of its text"
    yield (
        "data",
        (
            f"{origin}{part}: {amount(data.tables, 'table')}, {data.rows:,} rows, {size(data.text_bytes)} of text, "
            f"{size(data.file_bytes)} in files"
        ),
    )
    on = report.measured_on
    if report.source_version and report.source_version != on:
        on += f" (the server is {report.source_version})"
    yield "server", on
    yield (
        "machine",
        (
            f"{host.cpu}, {host.cores} cores, {size(host.memory_bytes)} of memory, {host.disk}, {host.kernel}; "
            f"other processes took {report.elsewhere:.0%} of the cores meanwhile"
        ),
    )


def advised(report: Report) -> Iterator[tuple[str, str, str]]:
    """What the figures speak for: about what, what, and why."""
    advice = report.advice
    if advice.compression_reason == advice.threads_reason == advice.method_reason:
        yield "compression, threads and method", "not known", advice.method_reason
        return
    for what, found, why in (
        ("compression", advice.compression, advice.compression_reason),
        ("threads", advice.threads and str(advice.threads), advice.threads_reason),
        ("method", advice.method, advice.method_reason),
    ):
        yield what, found or "not known", why


def compared(report: Report) -> str:
    """With how many earlier reports it was compared, and what came of it."""
    found = report.comparison
    if report.was_disturbed:
        return "Not compared with earlier reports: too much of the machine was taken by others meanwhile."
    if not found.reports:
        return "No earlier report is of the same kind: nothing was compared."
    earlier = "one earlier report" if found.reports == 1 else f"{found.reports} earlier reports"
    said = [f"{len(found.slower)} slower"] if found.slower else []
    said += [f"of {each.what} it cannot be told: {each.reason}" for each in found.undecided]
    return f"Compared with {earlier}: {'; '.join(said) or 'nothing is slower'}."


def _ladder(report: Report) -> Table:
    rows = [
        (
            rung.name,
            _seconds(rung),
            _spread(rung.timed),
            _times(rung.speed_up),
            _rate(rung.rate),
            _cpu(rung.timed),
            _of(rung.share),
        )
        for rung in (*report.ladder, *report.peers)
    ]
    columns = ("restore", "time>", "spread>", "faster>", "MB/s>", "CPU s>", "of limit>")
    return Table("Restores", columns, tuple(rows))


def _backups(report: Report) -> Table:
    rows = [
        (each.name, _seconds(each), _rate(each.rate), size(each.raw_bytes), size(each.stored_bytes), _cpu(each.timed))
        for each in report.backups
    ]
    return Table("Backups of the same data", ("backup", "time>", "MB/s>", "data>", "stored>", "CPU s>"), tuple(rows))


def _compression(report: Report) -> Table:
    rows = [
        (
            each.name,
            _seconds(each),
            size(each.stored_bytes),
            f"{each.ratio:.2f}",
            _rate(each.packing_rate),
            _rate(each.unpacking_rate),
            _cpu(each.timed),
            _of(each.share),
        )
        for each in report.compression
    ]
    title = f"Compression of {size(report.data.sample_bytes)} of the data, on one core"
    columns = ("codec", "time>", "size>", "ratio>", "MB/s>", "back MB/s>", "CPU s>", "of disk>")
    return Table(title, columns, tuple(rows))


def _limits(report: Report) -> Table:
    rows = [(each.name, _rate(each.rate), _spread(each.timed)) for each in report.limits]
    return Table("Limits of this machine", ("limit", "MB/s>", "spread>"), tuple(rows))


def _predictions(report: Report) -> Table:
    rows = [
        (
            each.way,
            duration(each.seconds),
            duration(each.measured_seconds) if each.measured_seconds else "-",
            each.basis,
        )
        for each in report.predictions
    ]
    title = f"Restoring {report.predictions[0].backup} would take" if report.predictions else ""
    return Table(title, ("restore", "time>", "measured>", "by"), tuple(rows))


def _regressions(report: Report) -> Table:
    rows = [
        (each.name, f"{each.slower:.2f}", f"{each.before:.2f}", f"{each.seconds:.2f}")
        for each in report.comparison.slower
    ]
    return Table("Slower than before", ("what", "times>", "s/GB before>", "s/GB now>"), tuple(rows))


def _sizes(report: Report) -> Table:
    rows = [
        (each.table, f"{each.rows:,}", size(each.data_bytes), size(each.index_bytes), size(each.reclaimable_bytes))
        for each in (report.sizes.largest[:_TEN] if report.sizes else ())
    ]
    sizes = report.sizes
    total = (
        f"{amount(sizes.tables, 'table')}, {size(sizes.data_bytes)} of data, {size(sizes.index_bytes)} of indexes, "
        f"{size(sizes.reclaimable_bytes)} reclaimable"
        if sizes
        else ""
    )
    title = f"The largest tables of {report.server} ({total}; by its own estimates)"
    return Table(title, ("table", "rows>", "data>", "indexes>", "free>"), tuple(rows))


def _seconds(item: Item) -> str:
    if item.timed is None:
        return "FAILED" if item.outcome is Outcome.FAILED else "not measured"
    return f"{item.timed.median:.2f} s"


def _spread(timed: Timed | None) -> str:
    if timed is None or len(timed.runs) == 1:
        return "-"
    return f"{timed.spread:.0%}"


def _times(speed_up: float | None) -> str:
    return "-" if speed_up is None else f"{speed_up:.1f}x"


def _rate(rate: float | None) -> str:
    if rate is None:
        return "-"
    value = mega(rate)
    return f"{value:,.0f}" if value >= _MANY else f"{value:.1f}"


def _cpu(timed: Timed | None) -> str:
    if timed is None:
        return "-"
    return f"{timed.cpu + (timed.server_cpu or 0):.1f}"


def _of(share: Share | None) -> str:
    if share is None:
        return "-"
    return f"{share.fraction:.0%}" if share.fraction >= _FEW else f"{share.fraction:.1%}"
