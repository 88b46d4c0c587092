"""How much of this machine is taken, and by whom: times that others disturbed tell of them, too."""

from __future__ import annotations

import os
import resource
from dataclasses import dataclass
from pathlib import Path

_IDLE = slice(3, 5)
"""Of the times in /proc/stat: doing nothing, and waiting for a disk. What a hypervisor gives to others is not idle."""


@dataclass(frozen=True)
class Machine:
    """CPU seconds of the whole machine, and of this process with its children, when it was looked at."""

    busy: float
    all: float
    ours: float

    @classmethod
    def now(cls) -> Machine:
        """As it is; children count that were waited for."""
        ticks = [int(each) for each in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
        idle = sum(ticks[_IDLE])
        second = os.sysconf("SC_CLK_TCK")
        return cls((sum(ticks) - idle) / second, sum(ticks) / second, cpu_seconds())

    def elsewhere(self, later: Machine) -> float:
        """Which part of all cores' time others have taken between the two."""
        others = (later.busy - self.busy) - (later.ours - self.ours)
        passed = later.all - self.all
        return round(min(max(others / passed, 0.0), 1.0), 4) if passed else 0.0


def cpu_seconds() -> float:
    """Of this process and the children that it has waited for."""
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)
