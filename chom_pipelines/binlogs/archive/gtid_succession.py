"""How the GTIDs of MySQL's files go on from one to the next; pure.

A file begins with the GTIDs that were executed when it was begun. MySQL may begin it while transactions that are in the
file before are still being committed: their GTIDs are then in neither list, up to the file after the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import takewhile

from chom_pipelines.binlogs.archive.segments import Segment
from chom_pipelines.binlogs.format.gtid_set import GtidSet


def continued(run: Sequence[Segment], segment: Segment) -> list[Segment] | None:
    """The run, followed by a segment of MySQL's next file, all with the GTIDs that really are before and after them.

    None where the segment does not follow: where it lacks a transaction that is not of the file before, has one that
    nobody has seen, or writes one again.
    """
    last = run[-1]
    executed, noted, after = _set(last.after), _set(segment.before), _set(segment.after)
    *_, begun = takewhile(lambda each: each.file == last.file, reversed(run))
    of_file = executed.difference(_set(begun.before))
    unseen, own = noted.difference(executed), after.difference(noted)
    if not of_file.covers(executed.difference(noted)) or own.difference(executed) != own:
        return None
    if unseen:  # of the file before the run's first one, which nobody has archived
        if not _are_holes(unseen, executed):
            return None
        run = [
            replace(each, before=str(_set(each.before).union(unseen)), after=str(_set(each.after).union(unseen)))
            for each in run
        ]
    everything = executed.union(noted)
    return [*run, replace(segment, before=str(everything), after=str(everything.union(own)))]


def _are_holes(unseen: GtidSet, executed: GtidSet) -> bool:
    """Whether later ones of each source are executed."""
    return all(
        source in executed.intervals and intervals[-1][1] < executed.intervals[source][-1][1]
        for source, intervals in unseen.intervals.items()
    )


def _set(gtids: str | None) -> GtidSet:
    return GtidSet.parse(gtids or "")
