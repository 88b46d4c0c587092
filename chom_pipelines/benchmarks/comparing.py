"""Whether a machine has become slower: a report beside earlier ones of the same kind. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping

from chom_pipelines.benchmarks.figures import Item
from chom_pipelines.benchmarks.report import Comparison, Regression, Report, Unmeasured

TOLERANCE = 0.15
"""Times that differ by less are alike: the same work was measured to vary by a fifth from minute to minute on a shared
machine of two cores, and its median of three rounds by a tenth."""

_BOTH = ("compress", "decompress")
_REMEMBERED = 5
"""Earlier reports that a new one is compared with."""


def is_comparable(report: Report, other: Report) -> bool:
    """Whether times of both may be compared: same machine and servers, undisturbed, and data of about the same size."""
    sizes = sorted((report.data.text_bytes, other.data.text_bytes))
    return (
        not report.was_disturbed
        and not other.was_disturbed
        and report.server == other.server
        and _machine(report) == _machine(other)
        and report.measured_on == other.measured_on
        and (report.data.origin == "generated") == (other.data.origin == "generated")
        and report.data.tables == other.data.tables
        and sizes[1] <= sizes[0] * (1 + TOLERANCE)
    )


def _machine(report: Report) -> tuple[str, int, str]:
    return report.host.cpu, report.host.cores, report.host.disk


def compared(report: Report, earlier: Iterable[Report]) -> Comparison:
    """What has become slower than in the last comparable reports, and what cannot be told.

    Times are compared by byte. What usually varies by more than the tolerance may vary by as much.
    """
    known = sorted(
        (each for each in earlier if each.started < report.started and is_comparable(report, each)), key=_age
    )
    before = known[-_REMEMBERED:]
    past: dict[str, list[tuple[float, float]]] = {}
    for times in map(_times, before):
        for name, found in times.items():
            past.setdefault(name, []).append(found)
    now, lost = _times(report), _lost(report)
    slower: list[Regression] = []
    undecided: list[Unmeasured] = []
    for name, figures in past.items():
        usual = statistics.median(seconds for seconds, _ in figures)
        allowed = max(TOLERANCE, statistics.median(spread for _, spread in figures))
        if name in lost:
            undecided.append(Unmeasured(what=name, reason=lost[name]))
        if name not in now:  # another tool, that was not asked for this time
            continue
        seconds, spread = now[name]
        if seconds > usual * (1 + max(allowed, spread)):
            slower.append(Regression(name=name, seconds=seconds, before=usual, reports=len(figures)))
        elif seconds > usual * (1 + allowed):
            reason = f"it took {seconds / usual:.2f} times as long, and its runs varied by {spread:.0%}"
            undecided.append(Unmeasured(what=name, reason=reason))
    return Comparison(reports=len(before), slower=tuple(slower), undecided=tuple(undecided))


def _lost(report: Report) -> Mapping[str, str]:
    """What was not measured, by the name of its times, and why."""
    found = {item.name: item.reason for item in report.items if item.timed is None}
    codecs = {codec.name for codec in report.compression}
    both = {f"{what} {name}": why for name, why in found.items() if name in codecs for what in _BOTH}
    return found | both


def _age(report: Report) -> float:
    return report.started.timestamp()


def _times(report: Report) -> Mapping[str, tuple[float, float]]:
    """By name: seconds for a gigabyte, and the spread of the runs."""
    found: dict[str, tuple[float, float]] = {}
    sized: list[tuple[Item, int]] = [
        *((limit, limit.bytes) for limit in report.limits),
        *((backup, backup.raw_bytes) for backup in report.backups),
        *((rung, rung.bytes) for rung in (*report.ladder, *report.peers)),
    ]
    for item, count in sized:
        if item.timed and count:
            found[item.name] = (item.timed.median / count * 1e9, item.timed.spread)
    for codec in report.compression:
        for what, timed in zip(_BOTH, (codec.timed, codec.unpacking), strict=True):
            if timed and codec.raw_bytes:
                found[f"{what} {codec.name}"] = (timed.median / codec.raw_bytes * 1e9, timed.spread)
    return found
