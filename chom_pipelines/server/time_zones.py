"""Time zones that a server knows: what is asked of a source, and made known to a private server that has none.

Sessions of the source may have had a named one, and statements depend on it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

from chom_pipelines.errors import MissingPrivilegeError, RestoreRefusedError
from chom_pipelines.server.connection import Session
from chom_pipelines.server.identifiers import literal
from chom_pipelines.server.system_zone import SystemZone, read_system_zone

_FIRST, _END = datetime(1970, 1, 1, tzinfo=UTC), datetime(2106, 2, 8, tzinfo=UTC)
"""What a TIMESTAMP can hold, on the servers whose end in 2106."""
_STEP = timedelta(hours=12)
_SECOND = timedelta(seconds=1)


@dataclass(frozen=True)
class Zones:
    """What a server makes of `SYSTEM`, and the zones that it knows by their names. None: that is not known.

    A number of names, as backups have had it, stands for all of a machine's; 0 for none.
    """

    system: SystemZone | None = None
    named: tuple[str, ...] | int | None = None


UNKNOWN = Zones()


def read_zones(session: Session) -> Zones:
    """Ask a server; the names are not known where the account may not read mysql.time_zone_name."""
    try:
        return Zones(read_system_zone(session), tuple(sorted(zone_names(session))))
    except MissingPrivilegeError:
        return Zones(read_system_zone(session))


def forget_others(session: Session, named: tuple[str, ...] | int | None) -> None:
    """Have a server know these zones alone by their names, as far as it knows them; it must not have used any yet."""
    if not isinstance(named, tuple):
        return
    if others := zone_names(session).difference(named):
        session.execute(f"DELETE FROM mysql.time_zone_name WHERE Name IN ({', '.join(map(literal, others))})")


def zone_names(session: Session) -> set[str]:
    """Those that a server knows; raises MissingPrivilegeError."""
    return {str(name) for (name,) in session.rows("SELECT Name FROM mysql.time_zone_name")}


@dataclass(frozen=True)
class Period:
    """How far a zone's clocks are ahead of UTC from a moment on, in seconds, and what that time is called."""

    begin: datetime
    offset: int
    is_summer: bool
    abbreviation: str


def load_time_zones(session: Session, names: Iterable[str]) -> None:
    """Make these zones known to a server; those that it knows stay as they are. All that it has are then in its memory.

    Raises RestoreRefusedError where this machine does not know one.
    """
    for name in sorted(names):
        if session.value("SELECT CONVERT_TZ('2026-01-01', '+00:00', %s)", (name,)) is None:
            _load(session, name, tuple(periods(_zone(name))))
    # where a replica of MariaDB 10.11 reads one for an ALTER TABLE, that takes the time of the first row for all rows
    session.value("SELECT COUNT(CONVERT_TZ('2026-01-01', '+00:00', Name)) FROM mysql.time_zone_name")


def _zone(name: str) -> ZoneInfo:
    """The zone of that name in any case, as servers find them."""
    found = next((each for each in available_timezones() if each.lower() == name.lower()), None)
    if found is None:
        what = f"a session of the source was in the time zone {name}, which this machine does not know"
        raise RestoreRefusedError(what, "install the package tzdata, or restore to a place before it, with --before")
    return ZoneInfo(found)


def periods(zone: ZoneInfo) -> Iterator[Period]:
    """All periods since 1970, in their order."""
    begin, at = _FIRST, _FIRST
    while at < _END:
        following = at + _STEP
        if _clock(zone, at) != _clock(zone, following):
            yield _period(zone, begin)
            begin = _change(zone, at, following)
        at = following
    yield _period(zone, begin)


def _clock(zone: ZoneInfo, at: datetime) -> tuple[timedelta | None, timedelta | None, str | None]:
    there = at.astimezone(zone)
    return there.utcoffset(), there.dst(), there.tzname()


def _change(zone: ZoneInfo, before: datetime, after: datetime) -> datetime:
    """The first second of the other period."""
    while after - before > _SECOND:
        middle = before + (after - before) // 2
        middle = middle.replace(microsecond=0)
        if _clock(zone, middle) == _clock(zone, before):
            before = middle
        else:
            after = middle
    return after


def _period(zone: ZoneInfo, begin: datetime) -> Period:
    offset, summer, abbreviation = _clock(zone, begin)
    return Period(begin, int((offset or timedelta()).total_seconds()), bool(summer), abbreviation or "")


def _load(session: Session, name: str, found: tuple[Period, ...]) -> None:
    session.execute("INSERT INTO mysql.time_zone (Use_leap_seconds) VALUES ('N')")
    number = int(session.value("SELECT LAST_INSERT_ID()"))
    kinds = list(dict.fromkeys((each.offset, each.is_summer, each.abbreviation) for each in found))
    types = [
        f"({number}, {index}, {offset}, {int(is_summer)}, {literal(abbreviation)})"
        for index, (offset, is_summer, abbreviation) in enumerate(kinds)
    ]
    changes = [
        f"({number}, {int(each.begin.timestamp())}, {kinds.index((each.offset, each.is_summer, each.abbreviation))})"
        for each in found[1:]
    ]
    session.execute(f"INSERT INTO mysql.time_zone_transition_type VALUES {', '.join(types)}")
    if changes:
        session.execute(f"INSERT INTO mysql.time_zone_transition VALUES {', '.join(changes)}")
    session.execute(f"INSERT INTO mysql.time_zone_name VALUES ({literal(name)}, {number})")
