"""The asset checks of full backups: they read the manifest and the proofs of the newest backup in the repository."""

from collections.abc import Iterator, Sequence

import dagster as dg

from chom_pipelines.backups.assets import FULL_BACKUP
from chom_pipelines.backups.evidence import answers
from chom_pipelines.backups.verdicts import CONTENT, INTEGRITY, QUESTIONS, SIZE, TABLES, Verdict
from chom_pipelines.inventory.models import Server
from chom_pipelines.inventory.policies import Verification
from chom_pipelines.inventory.resources import Chom, failures, keyring_of, repository_of
from chom_pipelines.repository.proof import Outcome

_NAMED = 50


def specs(asset: dg.AssetKey, names: Sequence[str]) -> list[dg.AssetCheckSpec]:
    """Those checks of that asset; what fails one that speaks of the archive fails the run."""
    return [dg.AssetCheckSpec(name, asset=asset, description=QUESTIONS[name], blocking=name != SIZE) for name in names]


def check_result(asset: dg.AssetKey, name: str, verdict: Verdict) -> dg.AssetCheckResult:
    """A verdict as Dagster shows it: not verified is a warning, and never passes."""
    severity = dg.AssetCheckSeverity.WARN if verdict.outcome is Outcome.NOT_VERIFIED else dg.AssetCheckSeverity.ERROR
    return dg.AssetCheckResult(
        asset_key=asset,
        check_name=name,
        passed=verdict.outcome is Outcome.PASSED,
        severity=severity,
        description=verdict.reason,
        metadata={"outcome": verdict.outcome.value, **verdict.details, **_named(verdict.failures)},
    )


def _named(failures: tuple[str, ...]) -> dict[str, dg.MetadataValue[str]]:
    """What is wrong, by name; of thousands the first ones: the repository's proof has them all."""
    if not failures:
        return {}
    more = [f"and {len(failures) - _NAMED} more"] if len(failures) > _NAMED else []
    return {"failures": dg.MetadataValue.md("\n".join(f"- {each}" for each in (*failures[:_NAMED], *more)))}


def full_backup_checks(server: Server) -> dg.AssetChecksDefinition:
    """One server's checks. What only a restore can tell is asked here where chom.yaml has every backup restored."""
    asset = dg.AssetKey([server.name, FULL_BACKUP])
    restored = server.backup.verification is Verification.FULL
    names = [INTEGRITY, TABLES, *([CONTENT] if restored else []), SIZE]

    @dg.multi_asset_check(
        name=f"{server.group}__{FULL_BACKUP}_checks",
        specs=specs(asset, names),
        description="Reads the newest backup's manifest and proofs, and the sizes of those before it.",
        can_subset=True,  # so that each has its button in the UI
    )
    def checks(context: dg.AssetCheckExecutionContext, chom: Chom) -> Iterator[dg.AssetCheckResult]:
        with failures():
            inventory = chom.inventory()
            found = answers(repository_of(inventory), server.name, keyring_of(inventory))
        for key in context.selected_asset_check_keys:
            yield check_result(asset, key.name, found[key.name])

    return checks
