"""Whether a list of operations that loses something will come to its end: else it is refused, with nothing changed."""

from __future__ import annotations

from chom_pipelines.errors import RestoreRefusedError
from chom_pipelines.restores.authority import WHO_ELSE, Authority
from chom_pipelines.restores.obstacles import obstacles
from chom_pipelines.restores.operations import Operations
from chom_pipelines.restores.permissions import lacking
from chom_pipelines.server.facts import ServerFacts
from chom_pipelines.server.grants import grants, has_roles, has_single_tables


def not_allowed(found: Operations, facts: ServerFacts, authority: Authority, where: str) -> RestoreRefusedError | None:
    """Why the list would stop midway: the privileges that the account lacks, and the settings that are in the way."""
    needs = lacking(found, facts, authority)
    barred = obstacles(found, facts, authority.engines)
    if not needs and not barred:
        return None
    lines = [
        *(f"{need.privilege} on {need.scope} is missing: it {need.why}" for need in needs),
        *(each.what for each in barred),
    ]
    if needs and has_single_tables(authority.grants):
        lines.append("what is granted on single tables or columns does not count here: grant it on the database")
    if needs and has_roles(authority.grants):
        lines.append("a role counts only where it is a default role")
    lost = ", with something lost" if found.destructive else ""
    what = f"{where}: as {authority.label} this would stop midway{lost}; nothing was done"
    statements = [*grants(needs, authority.user, authority.host), *(each.remedy for each in barred)]
    remedy = "\n".join((WHO_ELSE if needs else "do this first:", *statements))
    return RestoreRefusedError("\n  ".join((what, *lines)), remedy)
