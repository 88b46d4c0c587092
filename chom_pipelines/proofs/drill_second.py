"""Which second a drill restores: any of those in which it proves most, all as likely; pure but for chance.

It proves nothing where no transaction is behind the backup, and not enough where a single way leads there. What the
manifests of segments tell decides that, so that a few seconds may turn out to have no transaction all the same.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from chom_pipelines.binlogs.archive.segments import Segment
from chom_pipelines.binlogs.format.gtids import covers
from chom_pipelines.binlogs.recovery.choosing import Way
from chom_pipelines.repository.manifest import Position
from chom_pipelines.server.facts import Flavour

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ALWAYS = (_EPOCH, datetime(9999, 1, 1, tzinfo=UTC))
_MOMENT = timedelta(microseconds=1)
_SECOND = timedelta(seconds=1)

_SINGLE, _BY_TEXT, _CERTAIN = range(3)
"""What is there beside the best way: nothing; the log as text, which MariaDB cannot always execute; or a sure way."""


def some_second(ways: Sequence[Way], begin: datetime, end: datetime, quiet: Mapping[str, datetime]) -> datetime | None:
    """A whole second from `begin` until before `end` to which at least one of the ways leads; None: there is none.

    It is one of those in which something is replayed by two ways, if there are any. `quiet` are backups onto which
    nothing is to be replayed until a moment that is known already.
    """
    changed = {way.full.id: _changed(way, quiet) for way in ways}
    edges = {begin, end, *changed.values()}
    for way in ways:
        edges |= {way.full.as_of, _until(way)}
    graded: dict[tuple[bool, int], list[range]] = {}
    for first, behind in pairwise(sorted(edge for edge in edges if begin <= edge <= end)):
        leading = [way for way in ways if way.full.as_of <= first and behind <= _until(way)]
        if leading:
            best = max(leading, key=lambda way: way.full.as_of)
            grade = changed[best.full.id] <= first, _second_way(best, len(leading))
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


def _second_way(best: Way, leading: int) -> int:
    if leading > 1 or (best.full.everything and best.full.flavour is Flavour.MYSQL):
        return _CERTAIN
    return _BY_TEXT if best.full.everything else _SINGLE


def _ceiling(moment: datetime) -> int:
    """The first whole second since 1970 that is not before it."""
    return -((_EPOCH - moment) // _SECOND)
