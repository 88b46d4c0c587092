"""From which full backup, and with which part of the log, a target is reached; pure.

The newest backup before the target is the best one, as less has to be replayed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from chom_pipelines.binlogs.archive.chain import Run
from chom_pipelines.binlogs.archive.segments import Segment
from chom_pipelines.binlogs.format.gtids import covers
from chom_pipelines.binlogs.recovery.recoverable import Recoverable
from chom_pipelines.binlogs.recovery.stop_place import NEIGHBOURS
from chom_pipelines.binlogs.recovery.targets import AtTime, BeforePlace, Target, ThroughGtid
from chom_pipelines.binlogs.recovery.windows import Full, Interval, following, run_of
from chom_pipelines.errors import RestoreRefusedError
from chom_pipelines.log_lines import utc_text
from chom_pipelines.repository.layout import parse_id
from chom_pipelines.repository.log_name import LogName

_DECIDE = NEIGHBOURS + 2
"""Transactions; the first of them is where the replay stops, and the last where no more are asked for."""


@dataclass(frozen=True)
class Way:
    """A backup, and the segments to replay onto it: none where the backup itself is the target."""

    full: Full
    history: str
    segments: tuple[Segment, ...]


def way_to(target: Target, found: Recoverable) -> Way:
    """The best way; raises RestoreRefusedError where none leads there, with the nearest moments that can be reached."""
    ways = ways_to(target, found)
    if not ways:
        what = f"{target} cannot be restored: {_why(target, found)}"
        raise RestoreRefusedError(what, _nearest(target, found))
    return ways[0]


def end_of(found: Recoverable) -> Target:
    """All that is archived; raises RestoreRefusedError where a gap keeps some of it from being restored."""
    if not found.fulls:
        raise RestoreRefusedError(f"nothing can be restored: {found.why_no_full}", _without_full(found))
    interval = max(found.windows.intervals, key=lambda each: each.latest)
    last = interval.last
    if last is None:
        target: Target = AtTime(interval.latest)
    else:
        is_newest = found.newest is not None and found.newest.name == last.history
        target = BeforePlace(last.file, last.end, "" if is_newest else last.history)
    left_out = [*(gap.why for gap in found.open_gaps), *_unusable_from(found, interval)]
    if left_out:
        what = f"not all that is archived can be restored: {left_out[-1]}"
        option = "--at" if isinstance(target, AtTime) else "--before"
        remedy = f"{option} '{target}' restores the latest that can be; take a full backup for what comes after it"
        raise RestoreRefusedError(what, remedy)
    return target


def _unusable_from(found: Recoverable, interval: Interval) -> Iterator[str]:
    """Segments that are there and of no use, and may be of what follows the interval."""
    newest, last, place = found.newest, interval.last, interval.fulls[-1].place
    history = last.history if last else newest.name if newest else ""
    end = last.file if last else place.file if place else ""
    for name, why in found.unusable_segments.items():
        owner, _, rest = name.partition("/")
        segment = parse_id(rest.rpartition("/")[2])
        if owner == history and segment and segment.file and (not end or LogName.of(segment.file) >= LogName.of(end)):
            yield f"{name}: {why}"


def ways_to(target: Target, found: Recoverable) -> list[Way]:
    """All ways, the best one first."""
    return best_first(_ways(target, found))


def best_first(ways: Iterable[Way]) -> list[Way]:
    """Where the newest backup is, the least has to be replayed."""
    return sorted(ways, key=lambda way: way.full.as_of, reverse=True)


def read_for(target: Target, way: Way) -> tuple[Segment, ...]:
    """The segments of a way that a search for the target reads at most, by what their manifests say.

    The first transaction behind the target is in the first segment that is all behind it, if not before. That file is
    read to its end, and others until so many transactions are seen as a doubt of the clocks is decided by.
    """
    segments = way.segments
    index = next((at for at, each in enumerate(segments) if _is_behind(each, target)), len(segments) - 1)
    seen = 0
    for at in range(index + 1, len(segments)):
        if segments[at].file != segments[at - 1].file and seen >= _DECIDE:
            return segments[:at]
        seen += segments[at].transactions if segments[at].file != segments[index].file else 0
    return segments


def _is_behind(segment: Segment, target: Target) -> bool:
    if isinstance(target, AtTime):
        return segment.first_event is not None and segment.first_event > target.moment
    if isinstance(target, BeforePlace):
        return segment.order >= (target.number, target.position)
    return segment.before is not None and covers(segment.flavour, segment.before, target.gtid)


def whole_ways(found: Recoverable) -> list[Way]:
    """Each full backup that a log follows, with all of that log: the ways to every moment up to its end."""
    runs = ((full, run_of(full, found.runs)) for full in found.fulls)
    return [Way(full, run.history, following(full, run)) for full, run in runs if run]


def leads_before(ways: Iterable[Way], history: str, file: str, position: int) -> bool:
    """Whether one of the `whole_ways` leads to a place at which a transaction of the archive begins."""
    at = (LogName.of(file).number, position)
    return any(
        way.history == history
        and way.full.place is not None
        and (way.segments[0].number, way.full.place.position) <= at <= (way.segments[-1].number, way.segments[-1].end)
        for way in ways
    )


def _ways(target: Target, found: Recoverable) -> Iterator[Way]:
    candidates = _candidates(target, found)
    for full in found.fulls:
        if isinstance(target, AtTime) and full.as_of == target.moment:
            yield Way(full, "", ())
            continue
        run = run_of(full, candidates)
        segments = following(full, run) if run else ()
        if run and segments and _leads(full, segments, target):
            yield Way(full, run.history, segments)


def _candidates(target: Target, found: Recoverable) -> Sequence[Run]:
    """Runs in which a target is meant to be: where a server began to count anew, it has had places and GTIDs before.

    Those are not looked for in older histories: what is lost, or not archived yet, would be taken for what was long
    before. GTIDs are where the newest history says that it goes on after them.
    """
    if isinstance(target, AtTime):
        return found.runs
    newest = found.newest
    if isinstance(target, BeforePlace):
        history = target.history or (newest.name if newest else None)
        runs = [run for run in found.runs if run.history == history]
        return [run for run in runs if run.from_place(target.file, target.position)]
    if newest is None:
        return []
    first = newest.chain.runs[0].segments[0]
    if first.before is not None and covers(first.flavour, first.before, target.gtid):
        return found.runs
    return [run for run in found.runs if run.history == newest.name]


def _leads(full: Full, segments: tuple[Segment, ...], target: Target) -> bool:
    """Whether the target is after the backup and not after the end of the log."""
    place, last = full.place, segments[-1]
    if isinstance(target, AtTime):
        return full.as_of <= target.moment <= last.until
    if isinstance(target, BeforePlace):
        return place is not None and (segments[0].number, place.position) <= (target.number, target.position)
    return last.after is not None and not _holds(full, target) and covers(full.flavour, last.after, target.gtid)


def _holds(full: Full, target: ThroughGtid) -> bool:
    return bool(full.place and full.place.gtid and covers(full.flavour, full.place.gtid, target.gtid))


def _why(target: Target, found: Recoverable) -> str:
    """What stands in the way."""
    if not found.fulls:
        return found.why_no_full
    if isinstance(target, AtTime):
        return _why_not_then(target, found)
    if isinstance(target, ThroughGtid) and all(_holds(full, target) for full in found.fulls):
        return "every full backup holds it already"
    if missing := _missing(target, found) if isinstance(target, BeforePlace) else _not_archived(target, found):
        return missing
    if len(found.histories) > 1 and not (isinstance(target, BeforePlace) and target.history):
        newest = f"in {found.newest.name}, the newest history" if found.newest else "as one history is of no use at all"
        return f"no full backup and unbroken archive lead there, {newest}"
    return "no full backup and unbroken archive lead there"


def _not_archived(target: ThroughGtid, found: Recoverable) -> str:
    """That the archive does not have it, with where it ends; "" where it has it."""
    newest = found.newest.last if found.newest else None
    ends = [last.after for history in found.histories if (last := history.last) and last.after]
    flavours = {full.flavour for full in found.fulls}
    if not ends or any(covers(flavour, end, target.gtid) for flavour in flavours for end in ends):
        return ""
    return f"it is not in the archive, which ends at {newest.after}" if newest else "it is not in the archive"


def _missing(target: BeforePlace, found: Recoverable) -> str:
    """That its file is not in the archive, if so, with those that are."""
    known = {each.name: each for each in found.histories}
    if not known:
        return "no binary log is archived"
    if target.history and target.history not in known:
        return f"there is no history {target.history} in the archive, which has {', '.join(known)}"
    history = known[target.history] if target.history else found.newest
    files = [each.file for each in sorted(history.segments, key=lambda each: each.number)] if history else []
    if history is None or not files:
        return ""
    if target.file in files:
        end = max(each.end for each in history.segments if each.file == target.file)
        return f"{target.file} is archived up to {end} alone" if target.position > end else ""
    return f"{target.file} is not in the archive, which has {files[0]} to {files[-1]} in the history {history.name}"


def _why_not_then(target: AtTime, found: Recoverable) -> str:
    windows = found.windows
    if target.moment < windows.intervals[0].earliest:
        return "it is before the oldest full backup"
    if _is_beyond(target, found):
        return f"the archive does not go beyond {utc_text(_end(found))}"
    before = (gap for gap in windows.gaps if gap.after.until <= target.moment)
    gap = max(before, key=lambda gap: gap.after.until, default=None)
    return f"it is in no window{f': {gap.why}' if gap else ''}"


def _is_beyond(target: AtTime, found: Recoverable) -> bool:
    """It is later than all that is there, also than what a gap keeps from being restored."""
    return target.moment > _end(found)


def _end(found: Recoverable) -> datetime:
    """The latest moment of which anything is there."""
    return max((*(run.last.until for run in found.runs), *(full.as_of for full in found.fulls)))


def _without_full(found: Recoverable) -> str:
    """What can be done where no full backup can be used."""
    unusable = next(reversed(found.unusable_fulls), None)
    if unusable is None:
        return "take one: `chom backup`"
    return (
        "mend what it names and take another one: `chom backup`; what can be got out of it by itself, without the "
        f"binary log: `chom restore {unusable} --despite-failed-proof`"
    )


def _nearest(target: Target, found: Recoverable) -> str:
    windows = found.windows
    if not found.fulls:
        return _without_full(found)
    if isinstance(target, AtTime):
        before = max((each.latest for each in windows.intervals if each.latest < target.moment), default=None)
        after = min((each.earliest for each in windows.intervals if each.earliest > target.moment), default=None)
        near = [f"{utc_text(moment)} is the last one before it" for moment in (before,) if moment]
        near += [f"{utc_text(moment)} is the first one after it" for moment in (after,) if moment]
        said = f"`chom windows` lists what can be restored: {', '.join(near)}" if near else ""
        if found.fulls and _is_beyond(target, found):
            archived = "`chom backup --type incremental` archives what the server has written since, and --at latest"
            return "; ".join(filter(None, (f"{archived} restores all that is archived", said)))
        if said:
            return said
    return "`chom windows` lists what can be restored"
