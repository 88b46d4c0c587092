"""Which segments hold everything that a server wrote in some time, and why none do; pure.

The times are those of the server's clock, as all times of segments are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from chom_pipelines.binlogs.archive.chain import Chain, Run, anew, lined_up
from chom_pipelines.binlogs.archive.segments import FIRST, Segment
from chom_pipelines.errors import ArchiveBeginsError, ArchiveBehindError, NotArchivedError


@dataclass(frozen=True)
class Span:
    """The time from `start` on, and before `end`; both are aware."""

    start: datetime
    end: datetime

    def __str__(self) -> str:
        return f"{_moment(self.start)} to {_moment(self.end)} UTC"


def covering(chains: Iterable[Chain], span: Span) -> tuple[Segment, ...]:
    """The segments, one after the other without a gap, with every transaction of that time.

    `chains` are those of all of the server's histories. Raises NotArchivedError with the reason and what it costs;
    ArchiveBeginsError where the oldest of it is later, ArchiveBehindError where the archive has not got that far yet.
    """
    chains = lined_up(chains)
    runs = sorted((run for chain in chains for run in chain.runs), key=_begins)
    whole = [run for run in runs if _begins(run) <= span.start and span.end <= run.last.reaches]
    if whole:
        return tuple(_of_time(whole[-1], span))
    what = f"not everything from {span} is archived"
    if not runs:
        raise NotArchivedError(f"{what}: nothing is", "archive the binary log; `chom check` says what it needs")
    begun = [run for run in runs if _begins(run) <= span.start]
    if not begun:
        begins = f"the archive begins at {_moment(_begins(runs[0]))}"
        cost = "of the time before, only full backups can be restored"
        raise ArchiveBeginsError(
            f"{what}: {begins}; {cost}", "nothing mends this: what is older was deleted, or the server had it no longer"
        )
    before = begun[-1]
    after = next((run for run in runs if _begins(run) > span.start), None)
    if after is None:
        ends = f"the archive ends at {_moment(before.last.as_of)} by the server's clock"
        remedy = "try it again in a minute; if this stays, compare its clock with this machine's"
        raise ArchiveBehindError(f"{what}: {ends}", remedy)
    cost = f"no moment after {_moment(before.last.until)} can be restored but from a full backup that was taken later"
    remedy = f"take a full backup, unless one was taken since {_moment(_begins(after))}"
    raise NotArchivedError(f"{what}: {_why(chains, before, after)}; {cost}", remedy)


def _of_time(run: Run, span: Span) -> Iterator[Segment]:
    began = _begins(run)
    for segment in run.segments:
        if began < span.end and span.start <= segment.as_of:
            yield segment
        began = segment.as_of


def _begins(run: Run) -> datetime:
    """From when on everything is in it; of a piece from the middle of a file only the end is known."""
    first = run.segments[0]
    return first.opened if first.start == FIRST else first.as_of


def _why(chains: Sequence[Chain], before: Run, after: Run) -> str:
    gaps = (*(gap for chain in chains for gap in chain.gaps), *anew(chains))
    first = after.segments[0]
    return next((gap.why for gap in gaps if gap.before == first), f"{first.range} follows {before.last.range} in time")


def _moment(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M:%S}"
