"""The days of backups, which are UTC's, as the ids of backups are; pure."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from chom_pipelines.errors import BackupFailedError, BackupNotFoundError
from chom_pipelines.repository.entry import BackupEntry

GRACE = timedelta(hours=2)
"""How long after a day's end a backup still counts for it.

A dump is a snapshot of now, so one of a past day cannot be made. But a run that was asked for in time may still wait in
the queue, or for its last retry, when midnight passes: refusing it would cost the backup that was due.
"""


_SNAPSHOT = "a backup is a snapshot of now, one of another day cannot be made"


def refuse_other_days(day: str, start: datetime, end: datetime, now: datetime, why: str = _SNAPSHOT) -> None:
    """Raise BackupFailedError where what begins now is not of that day (start <= day < end)."""
    if start <= now < end + GRACE:
        return
    what = f"{day} is not today ({now:%Y-%m-%d}, UTC): {why}"
    raise BackupFailedError(what, f"materialise {now:%Y-%m-%d}; the day {day} stays without")


def refuse_other_hours(hour: str, start: datetime, end: datetime, now: datetime) -> None:
    """The same of an hour, whose run may wait as long."""
    if start <= now < end + GRACE:
        return
    what = f"{hour} is not this hour (now: {now:%Y-%m-%d %H:%M}, UTC): a backup is a snapshot of now"
    raise BackupFailedError(what, f"materialise {now:%Y-%m-%d-%H}:00; the hour {hour} stays without")


def newest_of_day(entries: Iterable[BackupEntry], day: str, start: datetime, end: datetime) -> BackupEntry:
    """The last backup that was begun in start <= time < end.

    Raises BackupNotFoundError that says which backup there is instead.
    """
    dated = sorted(((entry.time, entry) for entry in entries if entry.time), key=lambda pair: pair[0])
    of_day = [entry for time, entry in dated if start <= time < end]
    if of_day:
        return of_day[-1]
    if not dated:
        raise BackupNotFoundError(f"there is no backup of {day}, nor of any other day", "materialise full_backup")
    time, newest = dated[-1]
    what = f"there is no backup of {day} (UTC); the newest is {newest.id}"
    raise BackupNotFoundError(what, f"verify {time:%Y-%m-%d}, or materialise full_backup")
