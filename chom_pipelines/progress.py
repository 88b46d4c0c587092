"""How long work says how far it is."""

from collections.abc import Callable

Report = Callable[[int, int | None, str], None]
"""Called as report(done_bytes, total_bytes, label), as often as one likes."""


def unreported(done: int, total: int | None, label: str) -> None:
    """A Report for those who do not look."""
