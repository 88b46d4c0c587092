"""Which machine this is, as far as its figures depend on it."""

from __future__ import annotations

import os
import platform
import shutil
import tempfile
from pathlib import Path

from chom_pipelines.benchmarks.report import Host
from chom_pipelines.errors import BenchmarkRefusedError, NoRoomError
from chom_pipelines.server.claimed_directories import MEMORY, MIB, available_memory

_MODEL = ("model name", "Hardware", "cpu model")
_IN_MEMORY = ("tmpfs ", "ramfs ")
_HEADROOM = 256 * MIB


def read_host(directory: Path) -> Host:
    """This machine; `directory` is where copies are made."""
    processor, cores = cpu_and_cores()
    return Host(
        cpu=processor,
        cores=cores,
        memory_bytes=_memory(Path("/proc/meminfo").read_text()),
        kernel=f"{platform.system()} {platform.release()}",
        disk=_mounted(directory.resolve(), Path("/proc/self/mountinfo").read_text()),
        python=platform.python_version(),
    )


def refuse_no_room(base: Path, needed: int) -> None:
    """Raise NoRoomError where a directory has not so many bytes free, or only by taking half of the memory."""
    needed += _HEADROOM
    free = shutil.disk_usage(base).free
    if base == MEMORY:
        free = min(free, available_memory() // 2)
    if needed > free:
        what = f"it takes about {needed // MIB} MiB in {base}, and {free // MIB} MiB may be used"
        raise NoRoomError(what, "free some, or set TMPDIR to a directory on a larger disk")


def disk_directory() -> Path:
    """Where copies on a disk are made: TMPDIR, or /var/tmp where that is in memory, as /tmp often is.

    Raises BenchmarkRefusedError where both are.
    """
    mounts = Path("/proc/self/mountinfo").read_text()
    bases = (Path(tempfile.gettempdir()), Path("/var/tmp"))  # noqa: S108  (a directory of mkdtemp's is made in it)
    for base in bases:
        if base.is_dir() and not _mounted(base.resolve(), mounts).startswith(_IN_MEMORY):
            return base
    what = f"{' and '.join(map(str, bases))} are in memory, and what a disk does cannot be measured there"
    raise BenchmarkRefusedError(what, "set TMPDIR to a directory on a disk")


def cpu_and_cores() -> tuple[str, int]:
    """The processor's name, and how many cores this process may use."""
    return _cpu(Path("/proc/cpuinfo").read_text()) or platform.machine(), len(os.sched_getaffinity(0))


def _cpu(text: str) -> str:
    fields = dict(part for line in text.splitlines() if len(part := [each.strip() for each in line.split(":", 1)]) > 1)
    return next((fields[name] for name in _MODEL if fields.get(name)), "")


def _memory(text: str) -> int:
    line = next(line for line in text.splitlines() if line.startswith("MemTotal:"))
    return int(line.split()[1]) * 1024


def _mounted(directory: Path, text: str) -> str:
    """The file system on which a directory is: that of the longest mount point above it, the last where there are two.

    `text` is mountinfo: mount point in the fifth field; type and device after a lone hyphen.
    """
    found: tuple[int, str] = (-1, "unknown")
    for line in text.splitlines():
        head, _, tail = line.partition(" - ")
        point = Path(head.split()[4].replace("\\040", " "))
        kind, device, *_ = tail.split()
        depth = len(point.parts)
        if directory.is_relative_to(point) and depth >= found[0]:
            found = (depth, f"{kind} on {device}")
    return found[1]
