"""The asset checks of a verification restore: what its proof says. They run with it, and stay when it fails."""

from collections.abc import Iterator

import dagster as dg

from chom_pipelines.backups import verdicts
from chom_pipelines.backups.verdicts import CONTENT, INTEGRITY, TABLES, Verdict
from chom_pipelines.defs.checks import check_result, specs
from chom_pipelines.defs.kinds import asset_key
from chom_pipelines.repository.proof import Proof

VERIFICATION_RESTORE = "verification_restore"
ASKED = (INTEGRITY, TABLES, CONTENT)
"""Its checks."""


def check_specs(server: str) -> tuple[dg.AssetCheckSpec, ...]:
    """Of one server's asset."""
    return specs(asset_key(server, VERIFICATION_RESTORE), ASKED)


def check_results(server: str, proof: Proof, expected: int | None) -> Iterator[dg.AssetCheckResult]:
    """Of a proof; `expected` is the number of tables in the manifest, None where it cannot be read."""
    found: dict[str, Verdict] = {
        INTEGRITY: verdicts.integrity(proof),
        TABLES: verdicts.tables(proof, expected),
        CONTENT: verdicts.content(proof),
    }
    for name, verdict in found.items():
        yield check_result(asset_key(server, VERIFICATION_RESTORE), name, verdict)
