"""A line through a series that jumps now and then. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from statistics import median

ONE_STEP_IN = 45
"""So many values may have one jump that is no part of the trend; what comes more often is a habit, and part of it."""

FEWEST_FOR_STEPS = 14
_SPREADS, _PART = 15.0, 0.02


@dataclass(frozen=True)
class Step:
    """A jump of `size` to the value of that number, beyond what the line does there."""

    at: int
    size: float


@dataclass(frozen=True)
class Trend:
    """`slope`: for one of x; `level`: of the line at the last x; `steps` were taken out beforehand."""

    slope: float
    level: float
    steps: tuple[Step, ...]


def trend(xs: Sequence[float], ys: Sequence[float]) -> Trend:
    """By Theil and Sen: the median of the slopes between all pairs, which a quarter of wild values does not move.

    At least two values; the xs rise.
    """
    steps = _steps(xs, ys)
    level = list(ys)
    for step in steps:  # what was before is brought to where it is now
        level[: step.at] = [value + step.size for value in level[: step.at]]
    pairs = combinations(zip(xs, level, strict=True), 2)
    slope = median((after - before) / (later - earlier) for (earlier, before), (later, after) in pairs)
    at_end = median(y + slope * (xs[-1] - x) for x, y in zip(xs, level, strict=True))
    return Trend(slope, at_end, steps)


def _steps(xs: Sequence[float], ys: Sequence[float]) -> tuple[Step, ...]:
    if len(ys) < FEWEST_FOR_STEPS:
        return ()
    spans = [later - earlier for earlier, later in pairwise(xs)]
    usual = median((after - before) / span for (before, after), span in zip(pairwise(ys), spans, strict=True))
    beyond = [after - before - usual * span for (before, after), span in zip(pairwise(ys), spans, strict=True)]
    least = max(_SPREADS * median(map(abs, beyond)), _PART * max(map(abs, ys)))
    found = tuple(Step(number, size) for number, size in enumerate(beyond, 1) if abs(size) > least)
    return found if len(found) <= max(1, len(ys) // ONE_STEP_IN) else ()
