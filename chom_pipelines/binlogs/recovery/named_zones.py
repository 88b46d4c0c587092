"""Which time zones a replay has to find by their names, as far as the log tells; pure.

A backup tells which its source knew. What has come since is in no log where sql_log_bin was off, and else in tables of
the server's own, which a replay by replication leaves alone. A conversion by a zone that is not known is NULL.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from chom_pipelines.binlogs.format.conversions import UNSAID, Conversion
from chom_pipelines.binlogs.recovery.notes import Notes
from chom_pipelines.binlogs.recovery.stop_place import Located
from chom_pipelines.errors import RestoreRefusedError

_OTHERWISE = "restore to a place before it, with --before, or from a later full backup"
_ACCEPT = "or accept that with `chom restore --accept-losses`"


@dataclass(frozen=True)
class NamedZones:
    """A replay of what was noted, onto a private server that knows these zones, in lower case.

    `at_source` are those that the source knew when the backup was taken; None: it does not say. Then all are loaded
    where any is needed. `is_replayed` tells of a database whether what concerns it is. `by_log`: what the log does to
    the tables of time zones is done again.
    """

    notes: Notes
    known: frozenset[str]
    at_source: frozenset[str] | None
    is_replayed: Callable[[str], bool]
    by_log: bool

    @property
    def need_all(self) -> bool:
        """All zones are to be known to the private server before the replay, as the source has got them since."""
        if self.at_source is None:
            return not self.known and bool(self._missing or self.notes.zones)
        changed = self._changed
        if changed is None or changed is self.notes.loads_zones:
            return changed is not None and not self.by_log
        return bool(self._missing or self.notes.textual)  # functions may convert as well

    def refused(self) -> Iterator[RestoreRefusedError]:
        """Where both are needed: that a zone is known, and that it is not."""
        changed = self._changed
        for each, first, _ in self._missing:
            if self.at_source and each.zone.lower() in self.at_source:
                what = f"{_said(each, first)}, which this machine does not know, and the source did"
                yield RestoreRefusedError(what, f"install the package tzdata; {_OTHERWISE}")
            elif changed and self.at_source is not None and self.need_all and _order(first) < _order(changed):
                what = (
                    f"{_said(each, first)}, which the source did not know when the backup was taken, and had got at "
                    f"the latest with what is at {changed.label}: whether the one was NULL cannot be told"
                )
                yield RestoreRefusedError(what, f"{_OTHERWISE}; {_ACCEPT}")

    def broken(self) -> Iterator[RestoreRefusedError]:
        """What a replica of MariaDB 10.11 does wrong: behind the first row it computes no column of an ALTER TABLE.

        It does so where it looks for a zone, and finds none.
        """
        for each, first, _ in self._missing:
            if each.alters:
                what = (
                    f"{_said(each, first)}, which is not known: a replica of MariaDB then gives each row what the "
                    "first one has in the other columns that it computes"
                )
                yield RestoreRefusedError(what, f"replay through the client, with --route client; {_OTHERWISE}")

    @property
    def doubts(self) -> tuple[str, ...]:
        """For people: what is NULL, unless the source came to know a zone of which nothing tells."""
        logged = self.notes.loads_zones
        if self.at_source is None:
            untold = "whether the source knew that, the backup does not tell, as its account may not read them"
            return tuple(f"{_said(each, first)}: {untold}" for each, first, _ in self._conversions)
        return tuple(
            f"{_said(each, first)}, which the source was not seen to know: that is NULL, and wrong where it had got "
            "the zone after the backup, with sql_log_bin off; a full backup behind that is right"
            for each, first, last in self._missing
            if logged is None or (not self.by_log and _order(last) >= _order(logged))
        )

    @property
    def _conversions(self) -> list[tuple[Conversion, Located, Located]]:
        """Of these databases: the first and the last of each."""
        found = self.notes.conversions.items()
        return [(each, first, last) for each, (first, last) in found if self.is_replayed(each.database)]

    @property
    def _missing(self) -> list[tuple[Conversion, Located, Located]]:
        """A zone whose name is not said is taken for one that is known, if any is."""
        return [found for found in self._conversions if not self._knows(found[0].zone)]

    def _knows(self, zone: str) -> bool:
        return zone.lower() in self.known if zone != UNSAID else bool(self.known)

    @property
    def _changed(self) -> Located | None:
        """Where the source is first seen to know more."""
        found = [where for zone, where in self.notes.zones.items() if zone.lower() not in self.known]
        if self.notes.loads_zones:
            found.insert(0, self.notes.loads_zones)
        return min(found, key=_order, default=None)


def _said(each: Conversion, where: Located) -> str:
    zone = f"the time zone {each.zone}" if each.zone != UNSAID else "a time zone that it does not name"
    return f"the statement at {where.label} converts times by {zone}"


def _order(each: Located) -> tuple[int, int]:
    return each.number, each.transaction.start
