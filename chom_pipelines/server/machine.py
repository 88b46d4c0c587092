"""This machine, and what a directory is on: what the time of work depends on."""

from __future__ import annotations

import os
import platform
from pathlib import Path

from chom_pipelines.log_lines import amount

_MODEL = ("model name", "Hardware", "cpu model")
_IN_MEMORY = ("tmpfs ", "ramfs ")


def cpu_and_cores() -> tuple[str, int]:
    """The processor's name, and how many cores this process may use."""
    return processor(Path("/proc/cpuinfo").read_text()) or platform.machine(), len(os.sched_getaffinity(0))


def machine(processor: str, cores: int) -> str:
    """What tells machines apart of which times are compared: `2 cores of AMD EPYC`."""
    return f"{amount(cores, 'core')} of {processor}"


def processor(text: str) -> str:
    """Its name by cpuinfo; empty where that has none."""
    fields = dict(part for line in text.splitlines() if len(part := [each.strip() for each in line.split(":", 1)]) > 1)
    return next((fields[name] for name in _MODEL if fields.get(name)), "")


def file_system(directory: Path) -> str:
    """The file system on which a directory is, or will be, as `ext4 on /dev/vda`."""
    return mounted(directory.resolve(), Path("/proc/self/mountinfo").read_text())


def is_in_memory(file_system: str) -> bool:
    """Whether a file system, as `file_system` calls it, is kept in memory."""
    return file_system.startswith(_IN_MEMORY)


def mounted(directory: Path, text: str) -> str:
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
