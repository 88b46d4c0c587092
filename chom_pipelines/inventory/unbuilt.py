"""What chom.yaml can ask for and this version does not do; pure. What gets built is taken out here."""

from collections.abc import Iterator

from chom_pipelines.inventory.models import RepositoryConfig, Server
from chom_pipelines.inventory.policies import BackupPolicy
from chom_pipelines.server.findings import Finding, failed, warning

_WITHOUT_EFFECT = (
    ("retention", {"monthly_archives"}, "this version makes no second copy"),
    ("thresholds", {"slow_queries_per_second", "buffer_pool_hit_rate"}, "this version does not watch servers"),
)
_LEAVE_OUT = "take it out of chom.yaml, or leave it there for a later version"


def refusals(policy: BackupPolicy) -> Iterator[Finding]:
    """Why no backup is taken by this policy; each is `failed`."""
    if policy.upload:
        message = "uploading to the second copy is not part of this version"
        remedy = "use upload: false in chom.yaml or in the run, --no-upload, or UPLOAD_REMOTE=false"
        yield failed("backup.upload", message, remedy)


def unbuilt_for_server(server: Server) -> Iterator[Finding]:
    """What its part of the file asks for in vain: backups that are refused, and keys without effect as warnings."""
    yield from refusals(server.backup)
    for block, keys, why in _WITHOUT_EFFECT:
        part = getattr(server, block)
        asked = sorted(key for key in keys & part.model_fields_set if getattr(part, key) is not None)
        if asked:
            yield warning(block, f"without effect: {', '.join(asked)}; {why}", _LEAVE_OUT)
    if server.migrations:
        yield warning("migrations", "without effect: this version checks no migrations", _LEAVE_OUT)


def unbuilt_for_all(repository: RepositoryConfig) -> Iterator[Finding]:
    """What the file asks for in vain that concerns every server."""
    if repository.offsite:
        message = "this version makes no second copy, and takes no backups of servers without upload: false"
        yield warning("offsite", message, "take repository.offsite out of chom.yaml")
