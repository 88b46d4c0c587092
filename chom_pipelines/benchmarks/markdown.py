"""A report as Markdown, with its charts as images: for a file beside it, and for the UI. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from chom_pipelines.benchmarks.report import Report
from chom_pipelines.benchmarks.words import Table, advised, compared, described, tables
from chom_pipelines.log_lines import utc_text

_SPECIAL = str.maketrans({"|": "\\|", "<": "&lt;", "\n": " "})


def markdown(report: Report, ladder: str | None, compression: str | None) -> str:
    """The whole report; `ladder` and `compression` are where the charts are: a name beside the file, or a data URL."""
    return "\n".join(_lines(report, {"Restores": ladder, "Compression": compression})) + "\n"


def _lines(report: Report, charts: dict[str, str | None]) -> Iterator[str]:
    yield f"# Benchmark of {report.server}, {utc_text(report.started.replace(microsecond=0))}"
    yield ""
    yield f"{report.outcome.words.capitalize()}. {_median(report)}"
    yield ""
    yield from (f"- {what}: {_escaped(said)}" for what, said in described(report))
    yield ""
    yield "| | recommended | because |"
    yield "|---|---|---|"
    for what, found, why in advised(report):
        yield f"| {what} | **{_escaped(found)}** | {_escaped(why)} |"
    if report.reasons:
        yield from ("", "## Not measured, or failed", "")
        yield from (f"- {_escaped(reason)}" for reason in report.reasons)
    for table in tables(report):
        yield from ("", f"## {_escaped(table.title)}", "")
        chart = charts.get(table.title.split()[0])
        if chart:
            yield from (f"![{table.title}]({chart})", "")
        yield from _table(table)
        if table.title == "Restores":
            yield from ("", *_explained(report))
    yield from ("", compared(report))
    yield from ("", "## Settings", "")
    server = ", ".join(f"{name}={value}" for name, value in sorted(report.defaults.items()))
    yield f"Server defaults: {_escaped(server)}."
    yield ""
    for rung in (*report.ladder, *report.peers):
        yield f"- {_escaped(rung.name)} ({rung.place.value}): {_escaped('; '.join(rung.settings))}"


def _median(report: Report) -> str:
    rounds = "one round" if report.rounds == 1 else f"{report.rounds} rounds"
    return f"Times are medians of {rounds}; the raw runs are in the JSON document."


def _explained(report: Report) -> Iterator[str]:
    first = report.ladder[0].name if report.ladder else ""
    yield (
        f"Each adds something to the one above it. *Faster* is against '{first}'; every copy was compared with the "
        "original by checksum and definition before its time counted. MB/s are of what is read: SQL by the stock "
        "client, rows as text, or data files; *of limit* is the part of what the Unix socket carries, or the disk or "
        "memory takes, in that time. CPU is of both sides."
    )


def _table(table: Table) -> Iterator[str]:
    yield f"| {' | '.join(_escaped(column.removesuffix('>')) for column in table.columns)} |"
    yield f"|{'|'.join('---:' if column.endswith('>') else '---' for column in table.columns)}|"
    for row in table.rows:
        yield f"| {' | '.join(map(_escaped, row))} |"


def _escaped(text: str) -> str:
    return text.translate(_SPECIAL)
