"""What a person wants to see of growth and indexes in the UI: numbers that plot, tables, and a page; pure."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any

import dagster as dg

from chom_pipelines.backups.verdicts import Verdict
from chom_pipelines.defs.benchmarks.metadata import data_url
from chom_pipelines.log_lines import amount, size
from chom_pipelines.monitoring.growth.growth import SPANS, Change, Filling
from chom_pipelines.monitoring.growth.index_verdicts import Use, try_without
from chom_pipelines.monitoring.growth.report import GrowthReport, IndexReport
from chom_pipelines.outcome import Outcome

_SHOWN = 20
_SPECIAL = str.maketrans({"|": "\\|", "<": "&lt;", "\n": " "})


def of_tables(report: GrowthReport, chart: bytes | None) -> dict[str, Any]:
    """Of a day. What is not known has no number."""
    total = report.total
    numbers: dict[str, int | float | None] = {
        "total_bytes": total.bytes if total.is_whole else None,
        "data_bytes": total.data if total.is_whole else None,
        "index_bytes": total.index if total.is_whole else None,
        "reclaimable_bytes": total.reclaimable,
        "file_bytes": total.files,
        "free_bytes": report.now.free,
        "tables": total.tables,
        "rows": total.rows,
        **{f"grown_bytes_{span}d": report.grown(span) for span in SPANS},
        "growth_bytes_per_day": None if report.forecast.per_day is None else round(report.forecast.per_day),
        "days_to_full": None if report.filling.days is None else round(report.filling.days, 1),
        "new_tables": sum(each.is_new for each in report.changes),
        "dropped_tables": len(report.gone),
    }
    return {
        "server": report.now.version,
        "measured": f"{report.now.taken:%Y-%m-%d %H:%M:%S} UTC",
        "source": report.now.source + (f"; files: {report.now.file_source}" if report.now.file_source else ""),
        "growth": report.forecast.words,
        "room": report.filling.reason,
        **({"not_told": "\n".join(report.now.lacks)} if report.now.lacks else {}),
        **({"unreadable_days": "\n".join(each.what for each in report.problems)} if report.problems else {}),
        "report": dg.MetadataValue.md("\n".join(_page(report, data_url(chart)))),
        "largest": _table(report.largest),
        "fastest_growing": _table(report.fastest),
        **{name: value for name, value in numbers.items() if value is not None},
    }


def of_indexes(report: IndexReport) -> dict[str, Any]:
    """Of a day; the unused ones are listed, largest first, with the statement that tries without."""
    unused = report.of(Use.UNUSED)
    counts = {f"indexes_{use.name.lower()}": len(report.of(use)) for use in Use}
    is_mariadb = report.now.version.startswith("MariaDB")
    rows = [
        dg.TableRecord(
            {
                "table": f"{each.index.database}.{each.index.table}",
                "index": each.index.name,
                "columns": ", ".join(each.index.columns),
                "evidence": each.evidence,
                "try without it": try_without(each.index, is_mariadb=is_mariadb),
            }
        )
        for each in unused[:_SHOWN]
    ]
    sizes = [each.index.bytes for each in unused]
    return {
        "server": report.now.version,
        "measured": f"{report.now.taken:%Y-%m-%d %H:%M:%S} UTC",
        "source": report.now.source or "nothing counts the reads of indexes",
        **({"not_told": "\n".join(report.now.lacks)} if report.now.lacks else {}),
        **({"unreadable_days": "\n".join(each.what for each in report.problems)} if report.problems else {}),
        "unused": dg.MetadataValue.table(
            rows, schema=_schema("table", "index", "columns", "evidence", "try without it")
        ),
        "indexes": len(report.verdicts),
        **counts,
        **({"unused_bytes": sum(sizes)} if None not in sizes else {}),
    }


def of_fleet(found: Mapping[str, GrowthReport | None], last: Mapping[str, date | None]) -> dict[str, Any]:
    """Of all servers; `last` is the day on which one was measured last that was not on this day."""
    told = {name: report for name, report in found.items() if report is not None}
    partly = [name for name, report in told.items() if not report.total.is_whole]
    rates = [report.forecast.per_day for report in told.values()]
    rows = [dg.TableRecord(_of_server(name, report, last.get(name))) for name, report in found.items()]
    numbers: dict[str, int | float] = {"servers": len(found), "missing": len(last), "incomplete": len(partly)}
    if not last and not partly:
        numbers["total_bytes"] = sum(report.total.bytes for report in told.values())
        numbers["tables"] = sum(report.total.tables for report in told.values())
        if rates and None not in rates:
            numbers["growth_bytes_per_day"] = round(sum(rate or 0 for rate in rates))
    days = [report.filling.days for report in told.values() if report.filling.days is not None]
    if days:
        numbers["least_days_to_full"] = round(min(days), 1)
    columns = ("server", "size", "tables", "growth a day", "days to full", "what is missing")
    return {
        **({"not_measured": ", ".join(last)} if last else {}),
        "growth": dg.MetadataValue.table(rows, schema=_schema(*columns)),
        **numbers,
    }


def room(report: GrowthReport, least_days: float) -> Verdict:
    """Whether there is room for longer than that."""
    filling: Filling = report.filling
    if not filling.is_known:
        return Verdict(Outcome.NOT_VERIFIED, filling.reason)
    if filling.days is None or filling.days > least_days:
        return Verdict(Outcome.PASSED, filling.reason)
    said = f"{filling.reason}, and days_to_full is {least_days:g}; it grows {report.forecast.words}"
    return Verdict(Outcome.FAILED, said, {"days_to_full": round(filling.days, 1)})


def _of_server(name: str, report: GrowthReport | None, last: date | None) -> dict[str, str]:
    if report is None:
        missing = f"not measured that day; last on {last}" if last else "never measured"
        return {
            "server": name,
            "size": "",
            "tables": "",
            "growth a day": "",
            "days to full": "",
            "what is missing": missing,
        }
    rate, days = report.forecast.per_day, report.filling.days
    unknown = "" if report.filling.is_known else report.filling.reason
    return {
        "server": name,
        "size": size(report.total.bytes),
        "tables": f"{report.total.tables:,}",
        "growth a day": "" if rate is None else _signed(rate),
        "days to full": "" if days is None else f"{days:,.0f}",
        "what is missing": "; ".join((*report.now.lacks, *((unknown,) if unknown else ()))),
    }


def _page(report: GrowthReport, chart: str | None) -> Iterator[str]:
    yield f"**{size(report.total.bytes)}** in {amount(report.total.tables, 'table')}; {report.forecast.words}."
    yield ""
    yield f"Room: {_escaped(report.filling.reason)}."
    if chart:
        yield from ("", f"![Growth]({chart})")
    for title, found in (("Largest", report.largest), ("Fastest growing", report.fastest)):
        if found:
            yield from ("", f"## {title}", "")
            columns = list(_row(found[0]))
            yield f"| {' | '.join(columns)} |"
            yield f"|---|---|{'---:|' * (len(columns) - 2)}"
            for each in found[:_SHOWN]:
                yield f"| {' | '.join(map(_escaped, _row(each).values()))} |"
    if report.gone:
        yield from ("", "## Gone since the day before (dropped, or renamed)", "")
        for gone in report.gone[:_SHOWN]:
            yield f"- {_escaped(f'{gone.database}.{gone.table}')}, {size(gone.total)}"


def _table(found: Sequence[Change]) -> dg.TableMetadataValue:
    columns = ("table", "engine", "size", "data", "index", "reclaimable", "rows", *(f"{span} d" for span in SPANS))
    return dg.MetadataValue.table([dg.TableRecord(_row(each)) for each in found[:_SHOWN]], schema=_schema(*columns))


def _row(change: Change) -> dict[str, str]:
    one = change.size
    return {
        "table": f"{one.database}.{one.table}" + (" (new)" if change.is_new else ""),
        "engine": one.engine,
        "size": size(one.total),
        "data": size(one.data),
        "index": size(one.index),
        "reclaimable": size(one.reclaimable),
        "rows": f"{one.rows:,}",
        **{
            f"{span} d": "" if grown is None else _signed(grown)
            for span, grown in zip(SPANS, change.before, strict=True)
        },
    }


def _schema(*columns: str) -> dg.TableSchema:
    return dg.TableSchema([dg.TableColumn(column, "string") for column in columns])


def _signed(count: float) -> str:
    return "0 B" if round(count) == 0 else f"{'-' if count < 0 else '+'}{size(abs(count))}"


def _escaped(text: str) -> str:
    return text.translate(_SPECIAL)
