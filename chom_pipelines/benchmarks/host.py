"""Which machine this is, as far as its figures depend on it."""

from __future__ import annotations

import platform
import shutil
import tempfile
from pathlib import Path

from chom_pipelines.benchmarks.report import Host
from chom_pipelines.errors import BenchmarkRefusedError, NoRoomError
from chom_pipelines.server.claimed_directories import MEMORY, MIB, available_memory
from chom_pipelines.server.machine import cpu_and_cores, file_system, is_in_memory

_HEADROOM = 256 * MIB


def read_host(directory: Path) -> Host:
    """This machine; `directory` is where copies are made."""
    processor, cores = cpu_and_cores()
    return Host(
        cpu=processor,
        cores=cores,
        memory_bytes=_memory(Path("/proc/meminfo").read_text()),
        kernel=f"{platform.system()} {platform.release()}",
        disk=file_system(directory),
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
    bases = (Path(tempfile.gettempdir()), Path("/var/tmp"))  # noqa: S108  (a directory of mkdtemp's is made in it)
    for base in bases:
        if base.is_dir() and not is_in_memory(file_system(base)):
            return base
    what = f"{' and '.join(map(str, bases))} are in memory, and what a disk does cannot be measured there"
    raise BenchmarkRefusedError(what, "set TMPDIR to a directory on a disk")


def _memory(text: str) -> int:
    line = next(line for line in text.splitlines() if line.startswith("MemTotal:"))
    return int(line.split()[1]) * 1024
