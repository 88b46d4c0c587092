"""What a manifest says of the server that a backup or a segment came from."""

from __future__ import annotations

from typing import Any

from chom_pipelines.repository.manifest import SourceServer, SourceZones
from chom_pipelines.server.facts import ServerFacts
from chom_pipelines.server.time_zones import Zones


def source_of(facts: ServerFacts, zones: Zones | None = None) -> SourceServer:
    """Which server it is, of which version, and the variables and time zones that matter to a restore."""
    kept: dict[str, Any] = dict(facts.variables)
    return SourceServer(
        flavour=facts.flavour.value,
        version=facts.version_text,
        hostname=facts.hostname,
        server_id=facts.server_id,
        server_uuid=facts.server_uuid,
        variables=kept,
        zones=SourceZones(system=dict(zones.system), named=zones.named) if zones and zones.system else None,
    )
