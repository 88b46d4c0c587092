"""What a manifest says of the server that a backup or a segment came from."""

from __future__ import annotations

from typing import Any

from chom_pipelines.repository.manifest import SourceServer
from chom_pipelines.server.facts import ServerFacts


def source_of(facts: ServerFacts) -> SourceServer:
    """Which server it is, of which version, and the variables that matter to a restore."""
    kept: dict[str, Any] = dict(facts.variables)
    return SourceServer(
        flavour=facts.flavour.value,
        version=facts.version_text,
        hostname=facts.hostname,
        server_id=facts.server_id,
        server_uuid=facts.server_uuid,
        variables=kept,
    )
