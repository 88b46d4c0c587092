"""Has a private server know, by their names, the time zones that a log needs, and says where that cannot be told."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from chom_pipelines.binlogs.recovery.named_zones import NamedZones
from chom_pipelines.binlogs.recovery.notes import Notes
from chom_pipelines.errors import RestoreRefusedError
from chom_pipelines.repository.manifest import SourceServer
from chom_pipelines.restores.likeness import zones_of
from chom_pipelines.server.connection import Session
from chom_pipelines.server.facts import Flavour
from chom_pipelines.server.programs import server_program
from chom_pipelines.server.scratch import ScratchServer
from chom_pipelines.server.time_zones import load_time_zones, zone_names
from chom_pipelines.server.zone_tables import load_all_zones

Accepted = Callable[[Iterable[RestoreRefusedError]], tuple[str, ...]]
"""Makes warnings of refusals, or raises the first one."""


@dataclass(frozen=True)
class ZoneLoading:
    """For a replay of what was noted, onto a backup of that source, of files or else of rows.

    `has` tells whether the backup has a database. `by_replication`: the route, else it is the clients'.
    """

    notes: Notes
    source: SourceServer
    of_files: bool
    by_replication: bool
    has: Callable[[str], bool]

    @property
    def by_log(self) -> bool:
        """Tables of time zones get what the log does to them: in those of a backup of rows, zones are numbered anew."""
        return not self.by_replication or (self.of_files and not self.notes.conversions)

    def refuse(self, accepted: Accepted) -> None:
        """Raise what `load` does, as far as the backup tells before it is restored."""
        named = zones_of(self.source).named
        if isinstance(named, tuple):
            zones = self._known(named)
            accepted(zones.refused())
            if not zones.need_all:
                accepted(self._broken(zones))

    def load(self, server: ScratchServer, private: Path, accepted: Accepted) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return what is lost, and what is in doubt; `private` is a directory of ours.

        Raises what is not `accepted`, RestoreRefusedError and ProgramMissingError where this machine lacks a zone or
        what loads them, ScratchServerError.
        """
        with Session(server.endpoint) as session:
            zones = self._known(zone_names(session))
            lost = accepted(zones.refused())
            if zones.need_all:
                load_all_zones(server.endpoint, server_program(server.facts.flavour), private)
            load_time_zones(session, self.notes.zones)
            zones = self._known(zone_names(session))
        return lost + accepted(self._broken(zones)), zones.doubts

    def _known(self, names: Iterable[str]) -> NamedZones:
        known, named = frozenset(map(str.lower, names)), zones_of(self.source).named
        at_source: frozenset[str] | None = None
        if isinstance(named, tuple):
            at_source = frozenset(map(str.lower, named))
        elif self.of_files or named is not None:
            at_source = known
        return NamedZones(self.notes, known, at_source, self.has, self.by_log)

    def _broken(self, zones: NamedZones) -> Iterable[RestoreRefusedError]:
        is_replica = self.by_replication and Flavour(self.source.flavour) is Flavour.MARIADB
        return zones.broken() if is_replica else ()
