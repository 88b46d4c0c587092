"""Until when a piece of a server's log was written, by which of its times can be believed; pure.

The note with which a file ends is by the clock of the session that had it closed: SET timestamp moves it, an applier's
is its source's, and of a long statement it is the begin. So is, on MariaDB, the time of a transaction.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime


def believed(noted: datetime, opened: datetime, sure: Iterable[datetime | None], asked: datetime) -> datetime:
    """When a piece ended of which sessions `noted` when, in a file that one noted as `opened`.

    It was not before any time that is `sure`, which are the server's own, and not after the server was `asked` for
    what it had: a note that says so is of no use at all.
    """
    lower = max([min(opened, asked), *filter(None, sure)])
    return max(noted, lower) if noted <= asked else lower
