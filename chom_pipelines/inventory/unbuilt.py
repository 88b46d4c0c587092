"""What chom.yaml can ask for and this version does not do; pure. What gets built is taken out here."""

from collections.abc import Iterator

from chom_pipelines.inventory.models import Server
from chom_pipelines.server.findings import Finding, warning

_WITHOUT_EFFECT = (
    ("thresholds", {"slow_queries_per_second", "buffer_pool_hit_rate"}, "this version does not watch servers"),
)
_LEAVE_OUT = "take it out of chom.yaml, or leave it there for a later version"


def unbuilt_for_server(server: Server) -> Iterator[Finding]:
    """What its part of the file asks for in vain, as warnings."""
    for block, keys, why in _WITHOUT_EFFECT:
        part = getattr(server, block)
        asked = sorted(key for key in keys & part.model_fields_set if getattr(part, key) is not None)
        if asked:
            yield warning(block, f"without effect: {', '.join(asked)}; {why}", _LEAVE_OUT)
