"""In what a server that holds a backup is to be like its source: how it was born, and what it knows of time zones."""

from __future__ import annotations

from collections.abc import Iterator

from chom_pipelines.repository.manifest import Manifest, SourceServer
from chom_pipelines.restores.selection import Selection
from chom_pipelines.server.connection import Session
from chom_pipelines.server.system_zone import stands_in
from chom_pipelines.server.time_zones import Zones

_BIRTH_VARIABLES = ("lower_case_table_names", "innodb_page_size")
"""What a server is born with and a restored one must share with the source."""


def birth_options(manifest: Manifest) -> tuple[str, ...]:
    """Options that a server needs from its first start to hold this backup."""
    variables = manifest.source.variables
    return tuple(f"--{name.replace('_', '-')}={variables[name]}" for name in _BIRTH_VARIABLES if name in variables)


def zones_of(source: SourceServer) -> Zones:
    """What a server knew of time zones, as far as its backup says it: an old one tells SYSTEM where that was UTC."""
    if source.zones is not None:
        return Zones(source.zones.system, source.zones.named)
    return Zones({0: 0} if source.variables.get("system_time_zone") == "UTC" else None)


def at_other_moments(session: Session, selection: Selection, source: SourceServer) -> Iterator[str]:
    """For people: what definitions with local times are on a server whose machine is not in the source's time zone."""
    zone = zones_of(source).system
    events = [each.label for each in selection.programs if each.kind == "event" and each.context.time_zone == "SYSTEM"]
    if events and zone and not stands_in(session, zone):
        why = "as this server's machine is in another time zone"
        yield f"at the source's local times, but at other moments, {why}: {', '.join(events)}"


def any_case(source: SourceServer) -> bool:
    """To that server names of databases and tables that differ in case only are the same."""
    return source.variables.get("lower_case_table_names", "0") != "0"
