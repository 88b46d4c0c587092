"""Which segments follow each other without a gap; pure.

Files are numbered without a gap, positions within a file are bytes, and a file that the server closed ends with the
name of the next. Beside these the log's own GTIDs must go on where they ended, and each record names the first event of
the file before, which finds the log of another server, or of another time, under the same names.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import pairwise

from chom_pipelines.binlogs.archive.gtid_succession import continued
from chom_pipelines.binlogs.archive.segments import FIRST, Segment
from chom_pipelines.binlogs.format.gtid_set import GtidSet
from chom_pipelines.repository.layout import BackupId, Kind, parse_id
from chom_pipelines.server.facts import Flavour

_SECOND = timedelta(seconds=1)
_NAMED = 3
"""Of what there may be hundreds."""


@dataclass(frozen=True)
class Run:
    """Segments that follow each other, at least one: who has the state at one place of it gets to every later one."""

    segments: tuple[Segment, ...]

    @property
    def history(self) -> str:
        """Whose files they are."""
        return self.segments[0].history

    @property
    def last(self) -> Segment:
        """Where it ends."""
        return self.segments[-1]

    def from_place(self, file: str, position: int) -> tuple[Segment, ...]:
        """The segments from this place on; none where the place is not in it."""
        for index, segment in enumerate(self.segments):
            if segment.holds(file, position):
                return self.segments[index:]
        return ()


@dataclass(frozen=True)
class Gap:
    """Where the archive is broken: what follows cannot be reached from what was before."""

    history: str
    after: Segment
    before: Segment
    why: str
    unusable: tuple[str, ...] = ()
    """Segments that are between, and cannot be used."""

    @property
    def remedy(self) -> str:
        """What ends it."""
        full = "take a full backup: what is archived since leads nowhere without one"
        return f"{mended_by_moving(self.unusable)}; else {full}" if self.unusable else full


def mended_by_moving(unusable: Sequence[str]) -> str:
    """How segments of these ids can be had again, which cannot be used: nothing here removes or replaces one."""
    named = " and ".join(unusable) if len(unusable) <= _NAMED else f"all {len(unusable)} of them"
    return (
        f"move {named} out of the repository and run `chom backup --type binlog`, "
        "which archives anew what the server still has"
    )


@dataclass(frozen=True)
class Chain:
    """The runs of one history in their order, and the gaps between them."""

    runs: tuple[Run, ...]
    gaps: tuple[Gap, ...]


def chained(segments: Iterable[Segment], unreadable: Iterable[str]) -> Chain:
    """The chain of one history; `unreadable` are the ids of segments that are there and no good."""
    runs: list[list[Segment]] = []
    gaps: list[Gap] = []
    before: Segment | None = None
    for segment in sorted(segments, key=lambda each: each.order):
        why = broken(runs[-1], before, segment) if before else None
        if before is None:
            runs.append([segment])
        elif why is None and runs[-1][-1].after == segment.before:
            runs[-1].append(segment)
        elif why is None:
            runs[-1] = followed(runs[-1], segment) or [*runs[-1], segment]  # of one file it always follows
        else:
            between = tuple(name for name in unreadable if _between(name, before, segment))
            cause = "; ".join([why, *(f"{name} is there and cannot be used" for name in between)])
            runs[-1] = _ended(runs[-1], segment)
            gaps.append(Gap(segment.history, runs[-1][-1], segment, cause, between))
            runs.append([segment])
        before = segment
    return Chain(tuple(Run(tuple(run)) for run in runs), tuple(gaps))


def lined_up(chains: Iterable[Chain]) -> tuple[Chain, ...]:
    """The chains of all histories in their order, each ended where the next one begins."""
    found = [chain for chain in chains if chain.runs]
    return (*(_followed_by(one, other.runs[0].segments[0]) for one, other in pairwise(found)), *found[-1:])


def _followed_by(chain: Chain, first: Segment) -> Chain:
    return replace(chain, runs=(*chain.runs[:-1], Run(tuple(_ended(chain.runs[-1].segments, first)))))


def _ended(run: Sequence[Segment], behind: Segment) -> list[Segment]:
    """The run, and behind its end a gap, with what is known of when that begins.

    The note with which a file ends is of the session that closed it, whose clock may be wrong: no matter where nothing
    is missing, but here a moment in the gap would seem to be before it. The server was there when it was asked, and
    when it committed; MariaDB notes no commits, so that of a file's end only its begin is known.
    """
    last = run[-1]
    sure = max((*(each.surely_written for each in run[:-1] if each.knows_clock), last.surely_written))
    if behind.file != last.file or behind.head != last.head:
        sure = min(sure, behind.opened - _SECOND)
    return [*run[:-1], replace(last, sure_until=sure)]


def anew(chains: Iterable[Chain]) -> Iterator[Gap]:
    """The gaps between histories, which are in their order: nothing leads from one into the next."""
    for one, other in pairwise(chain for chain in chains if chain.runs):
        last, first = one.runs[-1].last, other.runs[0].segments[0]
        known = first.identity == last.identity
        cause = "began its files anew, as by RESET, or lost the end of one" if known else "is another one"
        why = f"the server {cause}: {first.range} does not follow {last.range}, which was archived last"
        yield Gap(first.history, last, first, why)


def broken(run: Sequence[Segment], before: Segment, after: Segment) -> str | None:
    """Why the one does not follow the other, with which the run ends; None where it does."""
    return _lost(before) or _displaced(before, after) or _foreign(run, before, after)


def followed(run: Sequence[Segment], segment: Segment) -> list[Segment] | None:
    """The run and the segment behind it, by GTIDs; None where it does not follow."""
    last = run[-1]
    if segment.flavour is not Flavour.MYSQL or last.after is None or segment.before is None:
        return [*run, segment] if last.after == segment.before else None
    if last.file != segment.file:
        return continued(run, segment)
    # the rest of a file goes on from what its head tells
    own = GtidSet.parse(segment.after or "").difference(GtidSet.parse(segment.before))
    after = str(GtidSet.parse(last.after).union(own))
    return [*run, replace(segment, before=last.after, after=after)]


def _lost(before: Segment) -> str | None:
    return f"the server lost events in {before.range}, and says so there" if before.incidents else None


def _displaced(before: Segment, after: Segment) -> str | None:
    if before.file == after.file:
        if after.start == before.end:
            return None
        lacking = "is missing" if after.start > before.end else "is there twice"
        ends = sorted((before.end, after.start))
        return f"{before.file} from {ends[0]} to {ends[1]} {lacking}"
    if not before.complete:
        return f"{before.file} is missing from {before.end} on"
    if after.number != before.number + 1:
        first, last = before.number + 1, after.number - 1
        base = before.base
        files = f"{base}.{first:06d}" + (f" to {base}.{last:06d}" if last > first else "")
        return f"{files} {'are' if last > first else 'is'} missing"
    if after.start != FIRST:
        return f"{after.file} is missing up to {after.start}"
    return None


def _foreign(run: Sequence[Segment], before: Segment, after: Segment) -> str | None:
    if before.identity != after.identity:
        return f"{after.file} is of another server ({after.identity}) than {before.file} ({before.identity})"
    if before.file == after.file and before.head != after.head:
        return f"{after.range} is of another file of that name than {before.range}"
    if before.following and after.file not in {before.file, before.following}:
        return f"{before.file} says that {before.following} follows, and not {after.file}"
    if before.file != after.file and after.previous not in {None, before.head}:
        return f"{before.file} is another file of that name than the one that {after.file} followed"
    goes_on = before.after == after.before if before.file == after.file else followed(run, after) is not None
    if not goes_on:
        return (
            f"{before.file} ends after the GTIDs {before.after or '(none)'}, "
            f"and {after.file} goes on after {after.before or '(none)'}"
        )
    return None


def _between(name: str, before: Segment, after: Segment) -> bool:
    found = parse_id(name.rpartition("/")[2])
    if found is None or found.kind is not Kind.BINLOG:
        return False
    places = [BackupId(Kind.BINLOG, file=each.file, start=each.start).order for each in (before, after)]
    return places[0] < found.order < places[1]
