"""What a person wants to see of a benchmark in the UI: numbers that plot, and the whole report; pure."""

import re
from base64 import b64encode
from collections.abc import Iterator

from chom_pipelines.benchmarks.figures import Item, mega
from chom_pipelines.benchmarks.report import Report

_NO_WORD = re.compile(r"[^a-z0-9]+")


def numbers(report: Report) -> dict[str, int | float]:
    """Of everything that was measured: seconds, speed-ups, rates. What was not measured has no number."""
    found: dict[str, int | float] = {
        "text_mb": round(mega(report.data.text_bytes), 2),
        "tables": report.data.tables,
        "rows": report.data.rows,
        "regressions": len(report.comparison.slower),
        "others_percent": round(100 * report.elsewhere, 1),
    }
    for rung in (*report.ladder, *report.peers):
        found |= _each(rung, {"seconds": _median(rung), "speed_up": rung.speed_up})
    for backup in report.backups:
        found |= _each(backup, {"seconds": _median(backup)})
    for codec in report.compression:
        rate = codec.packing_rate and mega(codec.packing_rate)
        found |= _each(codec, {"ratio": codec.ratio if codec.timed else None, "mb_per_second": rate})
    for limit in report.limits:
        found |= _each(limit, {"limit_mb_s": limit.rate and mega(limit.rate)})
    for prediction in report.predictions:
        found[f"predicted_seconds_{slug(prediction.way)}"] = round(prediction.seconds, 2)
    return found


def words(report: Report) -> dict[str, str]:
    """What identifies it, and what it speaks for: words, which do not plot."""
    advice = report.advice
    return {
        "outcome": report.outcome.value,
        "data": report.data.origin,
        "machine": f"{report.host.cpu}, {report.host.cores} cores, {report.host.disk}",
        "measured_on": report.measured_on,
        "recommended_compression": f"{advice.compression or 'not known'}: {advice.compression_reason}",
        "recommended_threads": f"{advice.threads or 'not known'}: {advice.threads_reason}",
        "recommended_method": f"{advice.method or 'not known'}: {advice.method_reason}",
        **({"not_measured": "; ".join(report.reasons)} if report.reasons else {}),
    }


def ladder(report: Report) -> list[dict[str, str]]:
    """A row for each restore; what was not measured has its reason, and no figure."""
    return [
        {
            "restore": rung.name,
            "where": rung.place.value,
            "seconds": f"{rung.timed.median:.2f}" if rung.timed else "",
            "times as fast": f"{rung.speed_up:.2f}" if rung.speed_up else "",
            "MB/s": f"{mega(rung.rate):.1f}" if rung.rate else "",
            "outcome": rung.outcome.words + (f": {rung.reason}" if rung.reason else ""),
        }
        for rung in (*report.ladder, *report.peers)
    ]


def data_url(image: bytes | None) -> str | None:
    """An image within Markdown."""
    return f"data:image/png;base64,{b64encode(image).decode()}" if image else None


def slug(name: str) -> str:
    """A name that Dagster's labels can have: `data_files_ram_disk`."""
    return _NO_WORD.sub("_", name.lower()).strip("_")


def _median(item: Item) -> float | None:
    return item.timed.median if item.timed else None


def _each(item: Item, values: dict[str, float | None]) -> Iterator[tuple[str, float]]:
    return ((f"{what}_{slug(item.name)}", round(value, 3)) for what, value in values.items() if value is not None)
