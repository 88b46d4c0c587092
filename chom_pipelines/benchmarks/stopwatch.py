"""Seconds of the clock and of CPU: of this process with the children that it has waited for, and of a server."""

from __future__ import annotations

import os
import resource
import time
from dataclasses import dataclass
from pathlib import Path

from chom_pipelines.benchmarks.figures import Run
from chom_pipelines.server.connection import Session
from chom_pipelines.server.endpoint import Endpoint

_IDLE = slice(3, 5)
"""Of the times in /proc/stat: doing nothing, and waiting for a disk. What a hypervisor gives to others is not idle."""

_DIGITS = 4
_SHORTEST = 10**-_DIGITS


@dataclass(frozen=True)
class Stopwatch:
    """Runs from when it is made; `of` makes it."""

    began: float
    cpu: float

    @classmethod
    def of(cls) -> Stopwatch:
        """From now on."""
        return cls(time.monotonic(), _cpu())

    def run(self, server_cpu: float | None = None) -> Run:
        """What has passed until now."""
        seconds, cpu = time.monotonic() - self.began, _cpu() - self.cpu
        return Run(
            seconds=max(round(seconds, _DIGITS), _SHORTEST),
            cpu_seconds=max(round(cpu, _DIGITS), 0.0),
            server_cpu_seconds=None if server_cpu is None else max(round(server_cpu, _DIGITS), 0.0),
        )


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
        return cls((sum(ticks) - idle) / second, sum(ticks) / second, _cpu())

    def elsewhere(self, later: Machine) -> float:
        """Which part of all cores' time others have taken between the two."""
        others = (later.busy - self.busy) - (later.ours - self.ours)
        passed = later.all - self.all
        return round(min(max(others / passed, 0.0), 1.0), 4) if passed else 0.0


def _cpu() -> float:
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def server_cpu(endpoint: Endpoint) -> float:
    """CPU seconds that a server of this machine has used since its start."""
    with Session(endpoint) as session:
        datadir, pid_file = session.row("SELECT @@datadir, @@pid_file") or ("", "")
    pid = int(Path(str(datadir), str(pid_file)).read_text())
    # after the name, which may hold anything, the 12th and 13th fields are ticks of the user's and the kernel's time
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
