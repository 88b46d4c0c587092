"""What follows from measured figures: speed-ups, shares of limits, advice. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from chom_pipelines.benchmarks.comparing import TOLERANCE
from chom_pipelines.benchmarks.figures import Item, Share
from chom_pipelines.benchmarks.report import (
    ENOUGH,
    Advice,
    Backup,
    Compression,
    Data,
    Limit,
    Means,
    Rung,
)
from chom_pipelines.log_lines import size
from chom_pipelines.repository.timing import DISTURBED

_FOR_CODEC = 0.5
"""Of the cores' time: the rest is for the server, which renders rows meanwhile."""


def with_speed_ups(ladder: Sequence[Rung]) -> tuple[Rung, ...]:
    """How many times as fast as the first rung each is; None for all where the first was not measured."""
    base = ladder[0].timed if ladder else None
    return tuple(
        rung.model_copy(update={"speed_up": base.median / rung.timed.median if base and rung.timed else None})
        for rung in ladder
    )


def share_of(rate: float | None, limit: Limit | None) -> Share | None:
    """The part of a limit that a rate (bytes a second) uses; None where one of them was not measured."""
    most = limit.rate if limit else None
    return Share(limit=limit.name, fraction=rate / most) if rate is not None and limit and most else None


def advice(
    data: Data,
    elsewhere: float,
    compression: Sequence[Compression],
    backup: Backup | None,
    ladder: Sequence[Rung],
) -> Advice:
    """What the figures speak for, each with its reason; `backup` is the one of rows.

    `elsewhere` is the part of the machine that others took meanwhile.
    """
    why = ""
    if data.text_bytes < ENOUGH:
        why = (
            f"{size(data.text_bytes)} are too little to tell, as a server's start takes as long as they do: "
            f"measure {size(ENOUGH)} or more"
        )
    elif elsewhere > DISTURBED:
        taken = f"other processes took {elsewhere:.0%} of the cores meanwhile, and times tell of them, too"
        why = f"{taken}: run it again at a quieter time"
    if why:
        return Advice(
            compression=None,
            compression_reason=why,
            threads=None,
            threads_reason=why,
            method=None,
            method_reason=why,
        )
    codec, codec_reason = _codec(compression, backup)
    threads, threads_reason = _threads(ladder)
    method, method_reason = _method(ladder)
    return Advice(
        compression=codec,
        compression_reason=codec_reason,
        threads=threads,
        threads_reason=threads_reason,
        method=method,
        method_reason=method_reason,
    )


def _codec(compression: Sequence[Compression], backup: Backup | None) -> tuple[str | None, str]:
    """The smallest that leaves the cores to the server: rows come no faster than that renders them."""
    measured = [each for each in compression if each.timed and each.unpacking]
    if not measured:
        return None, "no codec was measured"
    if backup is None or not backup.rate:
        return None, "no backup was measured"
    pace = backup.rate / backup.threads
    light = [each for each in measured if each.packing_rate and each.packing_rate * _FOR_CODEC >= pace]
    came = f"rows came at {size(backup.rate)}/s through {backup.threads} connections"
    if not light:
        return None, f"{came}, and each codec takes more than {_FOR_CODEC:.0%} of the cores at that pace"
    best = min(light, key=lambda each: (each.stored_bytes, _seconds(each)))
    return best.name, (
        f"of the codecs that take {_FOR_CODEC:.0%} of the cores at most it makes the smallest backups, "
        f"{best.ratio:.1f} times smaller: {came}"
    )


def _threads(ladder: Sequence[Rung]) -> tuple[int | None, str]:
    rows = [rung for rung in ladder if rung.means is Means.ROWS and rung.timed]
    one = next((rung for rung in rows if rung.threads == 1), None)
    many = next((rung for rung in rows if rung.threads > 1), None)
    if one is None or many is None or one.timed is None or many.timed is None:
        return None, "one connection and several were not both measured"
    times = one.timed.median / many.timed.median
    if times > 1 + max(TOLERANCE, many.timed.spread):
        return many.threads, f"{many.threads} connections restore {times:.2f} times as fast as one"
    return 1, f"{many.threads} connections are no faster than one ({times:.2f} times as fast)"


def _method(ladder: Sequence[Rung]) -> tuple[str | None, str]:
    best = {
        means: min((rung for rung in ladder if rung.means is means and rung.timed), key=_seconds, default=None)
        for means in (Means.ROWS, Means.FILES)
    }
    rows, files = best[Means.ROWS], best[Means.FILES]
    if files is None or not files.timed:
        missing = next((rung.reason for rung in ladder if rung.means is Means.FILES), "it was not asked for")
        return ("logical" if rows else None), f"a physical restore was not measured: {missing}"
    if rows is None or not rows.timed:
        return None, "a logical restore was not measured"
    times = rows.timed.median / files.timed.median
    if times > 1 + max(TOLERANCE, files.timed.spread):
        return "physical", (
            f"'{files.name}' is {times:.1f} times as fast as '{rows.name}'; it holds the whole server, "
            "and comes back into the series it came from"
        )
    return "logical", (
        f"'{files.name}' is not faster than '{rows.name}' ({times:.2f} times as fast), "
        "and rows go into any version, table by table"
    )


def _seconds(item: Item) -> float:
    return item.timed.median if item.timed else float("inf")
