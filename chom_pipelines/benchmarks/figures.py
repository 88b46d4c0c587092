"""Figures that were measured: each is made of its raw runs, and one that was not measured cannot be built. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from typing import Annotated

from pydantic import Field, NonNegativeFloat, model_validator

from chom_pipelines.outcome import Outcome
from chom_pipelines.repository.records import Record

_MEGA = 1e6

Seconds = Annotated[float, Field(gt=0)]


class Run(Record):
    """One run: seconds of the clock, and of CPU in this process with its children, and in the database server."""

    seconds: Seconds
    cpu_seconds: NonNegativeFloat
    server_cpu_seconds: NonNegativeFloat | None = None


class Timed(Record):
    """All runs of one thing, and what follows from them: seconds of the clock."""

    runs: tuple[Run, ...] = Field(min_length=1)
    median: Seconds
    lowest: Seconds
    highest: Seconds

    @classmethod
    def of(cls, runs: Iterable[Run]) -> Timed:
        """Of at least one run."""
        kept = tuple(runs)
        median, lowest, highest = _figures(kept)
        return cls(runs=kept, median=median, lowest=lowest, highest=highest)

    @model_validator(mode="after")
    def _follows_from_its_runs(self) -> Timed:
        if (self.median, self.lowest, self.highest) != _figures(self.runs):
            raise ValueError("these are not the median and the spread of its runs")
        return self

    @property
    def spread(self) -> float:
        """From the lowest to the highest, as a part of the median."""
        return (self.highest - self.lowest) / self.median

    @property
    def cpu(self) -> float:
        """The median of the CPU seconds here."""
        return statistics.median(run.cpu_seconds for run in self.runs)

    @property
    def server_cpu(self) -> float | None:
        """The median of the server's CPU seconds; None where there was none."""
        found = [run.server_cpu_seconds for run in self.runs if run.server_cpu_seconds is not None]
        return statistics.median(found) if found else None


def _figures(runs: tuple[Run, ...]) -> tuple[float, float, float]:
    seconds = [run.seconds for run in runs]
    return statistics.median(seconds), min(seconds), max(seconds)


class Share(Record):
    """Which part of a limit of this machine was used: 1.0 is all of it."""

    limit: str
    fraction: NonNegativeFloat


class Item(Record):
    """Something that was to be measured. Passed: it was, and what came of it was right."""

    name: str
    outcome: Outcome
    reason: str = Field(default="", description="why it is not passed; empty where it is")
    timed: Timed | None = Field(default=None, description="there where it passed, and only there")
    share: Share | None = None

    @model_validator(mode="after")
    def _nothing_is_claimed(self) -> Item:
        passed = self.outcome is Outcome.PASSED
        if passed != (self.timed is not None) or passed == bool(self.reason):
            raise ValueError(f"{self.name}: what passed has its runs, and what did not has a reason")
        return self


def mega(count: float) -> float:
    """Millions of bytes."""
    return count / _MEGA
