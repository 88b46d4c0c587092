"""What a person wants to see of an archive and of windows in the UI, as plain values; pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from chom_pipelines.backups.archived_hours import ArchivedHour
from chom_pipelines.binlogs.archive.segments import Segment
from chom_pipelines.binlogs.recovery.recoverable import Recoverable
from chom_pipelines.binlogs.recovery.windows import Interval
from chom_pipelines.outcome import Outcome

LISTED = 100
"""Rows of a table: Dagster keeps a copy of it with every materialisation."""

Row = dict[str, str | int | float | bool | None]

_WIDTH = 60
_HOUR = timedelta(hours=1)
_MINUTE = timedelta(minutes=1)
_MEGA = 1e6


def covering(segments: Sequence[Segment]) -> dict[str, str | int | float]:
    """What has an hour. The first and the last segment may hold more than the hour, and the numbers are of all."""
    first, last = segments[0], segments[-1]
    gtids = {"gtids_before": first.before or "(none)", "gtids_after": last.after or "(none)"}
    return {
        "covered_by": f"{first.file} from {first.start} to {last.file} up to {last.end}",
        "history": last.history,
        "archived_until": f"{last.until:%Y-%m-%d %H:%M:%S} UTC",
        **(gtids if last.after is not None else {}),
        "transactions": sum(each.transactions for each in segments),
        "covering_mb": _megabytes(segments),
        "covering_segments": len(segments),
    }


def added(hour: ArchivedHour, now: datetime, seconds: float) -> dict[str, int | float]:
    """What plots of a run: what it has added to the archive, how long it took, and what is not in the archive yet."""
    until = max(chain.runs[-1].last.until for chain in hour.chains.values() if chain.runs)
    return {
        "new_segments": len(hour.new),
        "new_transactions": sum(each.transactions for each in hour.new),
        "new_mb": _megabytes(hour.new),
        "seconds": round(seconds, 2),
        "exposure_minutes": round((now - until) / _MINUTE, 1),
    }


def segment_rows(segments: Sequence[Segment]) -> list[Row]:
    """The last ones of them, oldest first."""
    return [
        {
            "file": each.file,
            "from": each.start,
            "to": each.end,
            "transactions": each.transactions,
            "begun": _moment(each.opened),
            "until": _moment(each.as_of),
            "stored_bytes": each.stored_bytes,
        }
        for each in segments[-LISTED:]
    ]


def numbers(found: Recoverable, now: datetime) -> dict[str, int | float]:
    """What plots of what can be recovered."""
    exposure = found.windows.exposure(now)
    return {
        **({"exposure_minutes": round(exposure / _MINUTE, 1)} if exposure is not None else {}),
        "hours_recoverable": round(sum((each.duration for each in found.windows.intervals), timedelta()) / _HOUR, 2),
        "intervals": len(found.windows.intervals),
        "gaps": len(found.windows.gaps),
        "open_gaps": len(found.open_gaps),
        "full_backups": len(found.fulls),
        "unusable": len(found.unusable_backups) + len(found.unusable_segments),
    }


def interval_rows(found: Recoverable) -> list[Row]:
    """The newest ones, oldest first."""
    return [
        {
            "from": _moment(each.bounds[0]),
            "to": _moment(each.bounds[1]),
            "hours": round(each.duration / _HOUR, 2),
            "full_backups": len(each.fulls),
            "begins_with": each.fulls[0].id,
            "last_proof": _proved(each),
            "last_drill": f"{each.drill.outcome.words} {_moment(each.drill.started)}" if each.drill else "never",
        }
        for each in found.windows.intervals[-LISTED:]
    ]


def gap_rows(found: Recoverable) -> list[Row]:
    """The newest ones, oldest first; `mended` tells whether a full backup was taken after it."""
    return [
        {
            "from": _moment(each.after.reaches),
            "to": _moment(each.before.opened),
            "why": each.why,
            "mended": each not in found.open_gaps,
        }
        for each in found.windows.gaps[-LISTED:]
    ]


def unlogged_rows(found: Recoverable, databases: Sequence[str] | None) -> list[Row]:
    """The newest ones, oldest first; `databases` are backed up, None: all are."""
    return [
        {
            "from": _moment(each.start),
            "to": _moment(each.last.as_of),
            "what": each.lack.what,
            "remedy": each.lack.remedy,
            "certain": each.lack.matters,
            "mended": found.is_mended(each),
        }
        for each in found.unlogged(databases)[-LISTED:]
    ]


def timeline(found: Recoverable, now: datetime) -> str:
    """All of the time since the oldest full backup on one line, as Markdown."""
    intervals = found.windows.intervals
    if not intervals:
        return "Nothing can be restored: there is no full backup."
    first = intervals[0].earliest
    step = max((now - first) / (_WIDTH - 1), timedelta(seconds=1))

    def place(moment: datetime) -> int:
        return min(int((moment - first) / step), _WIDTH - 1)

    cells = ["·"] * _WIDTH
    for each in intervals:
        start, end = place(each.earliest), place(each.latest) + 1
        cells[start:end] = "━" * (end - start)
    for full in found.fulls:
        cells[place(full.as_of)] = "F"
    line = f"{first:%Y-%m-%d %H:%M} {''.join(cells)} {now:%Y-%m-%d %H:%M}"
    return f"```\n{line}\n```\n`F` a full backup, `━` every moment can be restored, `·` none. All times are UTC."


def _proved(interval: Interval) -> str:
    proved = [full for full in interval.fulls if full.proof is Outcome.PASSED and full.proved]
    last = max(proved, key=lambda full: full.as_of, default=None)
    return f"{last.id} passed {_moment(last.proved)}" if last and last.proved else "never"


def _megabytes(segments: Sequence[Segment]) -> float:
    return round(sum(each.stored_bytes for each in segments) / _MEGA, 3)


def _moment(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M:%S}"
