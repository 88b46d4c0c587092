"""Wall time, CPU and peak memory of a whole command with all its children, and the server's CPU meanwhile."""

import os
import statistics
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from chom_pipelines_tests.bench.arena import Arena

_SAMPLE_SECONDS = 0.25  # a sample takes 5 ms of the CPU that is measured


@dataclass(frozen=True)
class Measured:
    """One run: seconds of the clock, CPU seconds of the command and of the server, peak of the summed PSS in bytes."""

    wall: float
    cpu: float
    server: float
    memory: int


@dataclass
class Contestant:
    """A command under test; `prepare` runs before each round and is not measured."""

    name: str
    command: str
    prepare: Callable[[], None] = lambda: None
    size: Callable[[], int] = lambda: 0
    runs: list[Measured] = field(default_factory=list)
    stored: int = 0

    @property
    def wall(self) -> float:
        """The median."""
        return statistics.median(run.wall for run in self.runs)

    @property
    def cpu(self) -> float:
        """The median."""
        return statistics.median(run.cpu for run in self.runs)

    @property
    def server(self) -> float:
        """The median."""
        return statistics.median(run.server for run in self.runs)

    @property
    def memory(self) -> int:
        """The highest."""
        return max(run.memory for run in self.runs)


def compete(contestants: Sequence[Contestant], rounds: int, ground: Arena) -> None:
    """Run everyone once a round, in turn, and print the medians; the ratios are of the first one's wall to theirs.

    Every other round goes the other way round: what the one before has left to be written slows the next one down.
    """
    for number in range(rounds):
        for contestant in contestants if number % 2 == 0 else reversed(contestants):
            contestant.prepare()
            run = measured(contestant.command, ground)
            contestant.runs.append(run)
            contestant.stored = contestant.size()
            print(f"round {number + 1}  {contestant.name:40s} {run.wall:7.2f} s", flush=True)
    first = contestants[0]
    titles = ["wall s", "CPU s", "server s", "peak MB", "MB stored", "chom/it", "it/chom"]
    print(f"\n{'':40s} {' '.join(f'{title:>9s}' for title in titles)}")
    for each in contestants:
        ratio = first.wall / each.wall
        print(
            f"{each.name:40s} {each.wall:9.2f} {each.cpu:9.2f} {each.server:9.2f} {each.memory / 1e6:9.1f} "
            f"{each.stored / 1e6:9.1f} {ratio:9.2f} {1 / ratio:9.2f}",
        )
    walls = {each.name: [round(run.wall, 2) for run in each.runs] for each in contestants}
    print(f"all walls: {walls}\n", flush=True)


def measured(command: str, ground: Arena) -> Measured:
    """Run a shell command against a server. Raises RuntimeError with what it said where it fails."""
    ground.settle()
    server = ground.process
    before = server.cpu_times()
    began = time.monotonic()
    process = subprocess.Popen(
        ["/bin/bash", "-o", "pipefail", "-c", command],
        env={**os.environ, **ground.environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    peak = [0]
    ended = threading.Event()
    sampler = threading.Thread(target=_sample, args=(psutil.Process(process.pid), peak, ended))
    sampler.start()
    said = process.stdout.read() if process.stdout else b""
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.monotonic() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.stdout:
        process.stdout.close()
    ended.set()
    sampler.join()
    if process.returncode:
        message = f"{command}\nended with {process.returncode}: {said.decode(errors='replace')[-2000:]}"
        raise RuntimeError(message)
    after = server.cpu_times()
    served = after.user + after.system - before.user - before.system
    return Measured(wall, usage.ru_utime + usage.ru_stime, served, peak[0])


def directory_size(path: Path) -> int:
    """Bytes of all files."""
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


def _sample(root: psutil.Process, peak: list[int], ended: threading.Event) -> None:
    while not ended.wait(_SAMPLE_SECONDS):
        total = 0
        try:
            family = [root, *root.children(recursive=True)]
        except psutil.NoSuchProcess:
            return
        for process in family:
            with suppress(psutil.Error):  # it ended meanwhile
                total += process.memory_full_info().pss
        peak[0] = max(peak[0], total)
