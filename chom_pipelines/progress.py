"""How long work says how far it is."""

from collections.abc import Callable

Report = Callable[[int, int | None, str], None]
"""Called as report(done_bytes, total_bytes, label), as often as one likes."""


def unreported(done: int, total: int | None, label: str) -> None:
    """A Report for those who do not look."""


def counted(report: Report, total: int, label: str) -> Callable[[int], None]:
    """What is told how many bytes more are done, and reports how many that makes."""
    done = 0

    def progress(size: int) -> None:
        nonlocal done
        done += size
        report(done, total, label)

    return progress
