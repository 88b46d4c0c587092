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
from chom_pipelines.binlogs.recovery.windows import following
from chom_pipelines.inventory.policies import Retention
from chom_pipelines.repository.layout import BINLOGS, STREAMED
from chom_pipelines.retention.decisions import Decision
from chom_pipelines.retention.promised import Promised


def decided(runs: Sequence[Run], promised: Promised, policy: Retention, now: datetime) -> Iterator[Decision]:
    """What becomes of each segment, run by run; these are in their order, and the last is what the server writes.

    Only a beginning of the log goes: whatever its own clock says, what follows one that stays does so too.
    """
    stays = ""
    for run in runs:
        first = _first_needed(run, promised)
        for index, segment in enumerate(run.segments):
            why = promised.doubtful or _why(segment, index, first, policy, now)
            if not why and first is None and run is runs[-1]:
                why = "no full backup leads to what the server writes now"
            if not why and stays:
                why = f"it follows {stays}, which stays"
            if why:
                stays = stays or segment.id
                yield _decision(segment, why, stays=True)
            else:
                yield _decision(segment, _gone(first, policy), stays=False)


def unusable(histories: Iterable[History]) -> Iterator[Decision]:
    """Of segments that are there and cannot be used: a person moves them away."""
    for history in histories:
        for name, reason in history.unreadable.items():
            stream, _, identity = name.rpartition("/")  # parts have the folder before their id
            below = f"{STREAMED if stream else BINLOGS}/{history.name}"
            yield Decision(below, identity, stays=True, why=f"it cannot be used: {reason}", bytes=None)


def _first_needed(run: Run, promised: Promised) -> tuple[int, str] | None:
    """The index of the first segment that a backup needs, and whose; None: no backup goes on in this run."""
    found = ((following(full, run), full.id) for full in promised.fulls)
    return min(((len(run.segments) - len(segments), name) for segments, name in found if segments), default=None)


def _why(segment: Segment, index: int, first: tuple[int, str] | None, policy: Retention, now: datetime) -> str:
    """Why it stays by itself; "" where nothing says so."""
    if first is not None and index >= first[0]:
        return f"it follows {first[1]}, on which the window of {policy.binlog_days} days rests"
    if now - segment.as_of <= timedelta(days=policy.binlog_days):
        return f"not older than {policy.binlog_days} days"
    return ""


def _gone(first: tuple[int, str] | None, policy: Retention) -> str:
    age = f"older than {policy.binlog_days} days"
    return f"{age}, and before {first[1]}" if first else f"{age}, and no full backup of the window is before it"


def _decision(segment: Segment, why: str, *, stays: bool) -> Decision:
    stream = f"{STREAMED if segment.streamed else BINLOGS}/{segment.history}"
    return Decision(stream, segment.id, stays=stays, why=why, bytes=segment.stored_bytes)
