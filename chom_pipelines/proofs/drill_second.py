"""Which second a drill restores: any of those in which it proves most, all as likely; pure but for chance.

It proves nothing where no transaction is behind the backup, and not enough where a single way leads there. What the
manifests of segments tell decides that, so that a few seconds may turn out to have no transaction all the same.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from chom_pipelines.binlogs.archive.segments import Segment
from chom_pipelines.binlogs.format.gtids import covers
from chom_pipelines.binlogs.recovery.choosing import Way, best_first
from chom_pipelines.binlogs.recovery.clocks import uncertain
from chom_pipelines.binlogs.recovery.targets import Route
from chom_pipelines.repository.manifest import Position
from chom_pipelines.server.facts import Flavour

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ALWAYS = (_EPOCH, datetime(9999, 1, 1, tzinfo=UTC))
_MOMENT = timedelta(microseconds=1)
_SECOND = timedelta(seconds=1)


@dataclass(frozen=True)
class SecondWay:
    """How a drill gets to its second once more: from which backup, by which route."""

    way: Way
    route: Route
    certain: bool
    """It leads there whatever is in the log: MariaDB cannot always execute its text."""


def second_way(ways: Sequence[Way]) -> SecondWay | None:
    """What is there beside the best way, of all ways to a target, the best one first; None: nothing.

    Another backup is better than another route: what the backup itself has wrong, both routes have from it. The text of
    the log is of all databases, and so of no use for a backup of some, with which none of all can be compared either.
    """
    best = ways[0].full
    other = next((way for way in ways[1:] if way.full.everything == best.everything), None)
    text = best.everything and best.flavour is Flavour.MYSQL
    if other:
        return SecondWay(other, Route.CLIENT if text else Route.REPLICATION, certain=True)
    return SecondWay(ways[0], Route.CLIENT, certain=text) if best.everything else None


def some_second(ways: Sequence[Way], begin: datetime, end: datetime, quiet: Mapping[str, datetime]) -> datetime | None:
    """A whole second from `begin` until before `end` to which at least one of the ways leads; None: there is none.

    It is one of those in which something is replayed by two ways, if there are any. `quiet` are backups onto which
    nothing is to be replayed until a moment that is known already.
    """
    changed = {way.full.id: _changed(way, quiet) for way in ways}
    edges = {begin, end, *changed.values()}
    doubts = {way.full.id: uncertain(way.segments) for way in ways}
    for way in ways:
        edges |= {way.full.as_of, _until(way)}
        edges |= {edge for doubt in doubts[way.full.id] for edge in (doubt.start, doubt.end + _MOMENT)}
    graded: dict[tuple[bool, bool, bool], list[range]] = {}
    for first, behind in pairwise(sorted(edge for edge in edges if begin <= edge <= end)):
        leading = best_first(way for way in ways if way.full.as_of <= first and behind <= _until(way))
        if leading and not any(each.start <= first <= each.end for way in leading for each in doubts[way.full.id]):
            second = second_way(leading)
            grade = changed[leading[0].full.id] <= first, bool(second), bool(second and second.certain)
            graded.setdefault(grade, []).append(range(_ceiling(first), _ceiling(behind)))
    found = {grade: seconds for grade, spans in graded.items() if (seconds := list(filter(None, spans)))}
    if not found:
        return None
    best_ones = found[max(found)]
    number = secrets.randbelow(sum(map(len, best_ones)))
    for each in best_ones:
        if number < len(each):
            return _EPOCH + each[number] * _SECOND
        number -= len(each)
    raise AssertionError(number)


def _until(way: Way) -> datetime:
    """The moment from which on it no longer leads there."""
    return way.segments[-1].until + _MOMENT


def _changed(way: Way, quiet: Mapping[str, datetime]) -> datetime:
    """Before this moment, no transaction was committed that would be replayed onto the backup."""
    place = way.full.place
    found = (each.opened for each in way.segments if each.transactions and not _is_held(each, place))
    return max(next(found, ALWAYS[1]), way.full.as_of, quiet.get(way.full.id, ALWAYS[0]))


def _is_held(segment: Segment, place: Position | None) -> bool:
    """All of its transactions are in the backup that was taken at this place."""
    if place is None or segment.file != place.file:
        return False
    by_gtid = place.gtid and segment.after and covers(segment.flavour, place.gtid, segment.after)
    return segment.end <= place.position or bool(by_gtid)


def _ceiling(moment: datetime) -> int:
    """The first whole second since 1970 that is not before it."""
    return -((_EPOCH - moment) // _SECOND)
