"""Seconds of the clock and of CPU: of this process with the children that it has waited for, and of a server."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

from chom_pipelines.benchmarks.figures import Run
from chom_pipelines.server.connection import Session
from chom_pipelines.server.endpoint import Endpoint
from chom_pipelines.server.load import cpu_seconds

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
        return cls(time.monotonic(), cpu_seconds())

    def run(self, server_cpu: float | None = None) -> Run:
        """What has passed until now."""
        seconds, cpu = time.monotonic() - self.began, cpu_seconds() - self.cpu
        return Run(
            seconds=max(round(seconds, _DIGITS), _SHORTEST),
            cpu_seconds=max(round(cpu, _DIGITS), 0.0),
            server_cpu_seconds=None if server_cpu is None else max(round(server_cpu, _DIGITS), 0.0),
        )


def server_cpu(endpoint: Endpoint) -> float:
    """CPU seconds that a server of this machine has used since its start."""
    with Session(endpoint) as session:
        datadir, pid_file = session.row("SELECT @@datadir, @@pid_file") or ("", "")
    pid = int(Path(str(datadir), str(pid_file)).read_text())
    # after the name, which may hold anything, the 12th and 13th fields are ticks of the user's and the kernel's time
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
