"""Which segments of the binary log stay, and why; pure.

What a full backup needs is told by places in the log, which clocks cannot confuse: from the place of each that the
promised window rests on, all that follows stays. Before these, a segment goes when its last event is old enough.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta

from chom_pipelines.binlogs.archive.chain import Run
from chom_pipelines.binlogs.archive.histories import History
from chom_pipelines.binlogs.archive.segments import Segment
from chom_pipelines.binlogs.recovery.windows import following, run_of
from chom_pipelines.inventory.policies import Retention
from chom_pipelines.repository.layout import BINLOGS, STREAMED
from chom_pipelines.retention.decisions import Decision
from chom_pipelines.retention.promised import Promised, restores_from


def decided(runs: Sequence[Run], promised: Promised, policy: Retention, now: datetime) -> Iterator[Decision]:
    """What becomes of each segment, run by run, which are in their order.

    Only a beginning of the log goes: whatever its own clock says, what follows one that stays does so too.
    """
    first, stays = _first_needed(runs, promised), ""
    for number, run in enumerate(runs):
        for index, segment in enumerate(run.segments):
            why = promised.doubtful or _why(segment, (number, index), first, policy, now)
            if not why and stays:
                why = f"it follows {stays}, which stays"
            if why:
                stays = stays or segment.id
                yield _decision(segment, why, stays=True)
            else:
                before = first[1] if first else ""
                yield _decision(segment, f"older than {policy.binlog_days} days, and before {before}", stays=False)


def unusable(histories: Iterable[History]) -> Iterator[Decision]:
    """Of segments that are there and cannot be used: a person moves them away."""
    for history in histories:
        for name, reason in history.unreadable.items():
            stream, _, identity = name.rpartition("/")  # parts have the folder before their id
            below = f"{STREAMED if stream else BINLOGS}/{history.name}"
            yield Decision(below, identity, stays=True, why=f"it cannot be used: {reason}", bytes=None)


_Place = tuple[int, int]
"""The index of a run, and that of a segment in it."""


def _first_needed(runs: Sequence[Run], promised: Promised) -> tuple[_Place, str] | None:
    """The first segment that a restore to a moment of the window needs, and the backup that this begins with.

    None where no backup from before the window leads into the log: then it is not known what one will need.
    """
    found: list[tuple[_Place, str]] = []
    is_from_before = False
    for full in promised.fulls:
        run = run_of(full, runs)
        if run:
            place = runs.index(run), len(run.segments) - len(following(full, run))
            found.append((place, full.id))
            is_from_before |= restores_from(full) <= promised.start
    return min(found) if is_from_before else None


def _why(segment: Segment, place: _Place, first: tuple[_Place, str] | None, policy: Retention, now: datetime) -> str:
    """Why it stays by itself; "" where nothing says so."""
    if first is None:
        return f"no full backup from before the last {policy.binlog_days} days leads into the log"
    if place >= first[0]:
        return f"needed from {first[1]} on, for the last {policy.binlog_days} days"
    if now - segment.as_of <= timedelta(days=policy.binlog_days):
        return f"not older than {policy.binlog_days} days"
    return ""


def _decision(segment: Segment, why: str, *, stays: bool) -> Decision:
    return Decision(segment.stream, segment.id, stays=stays, why=why, bytes=segment.stored_bytes)
