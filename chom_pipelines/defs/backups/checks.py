"""The asset checks of full backups: they read the manifest and the proofs of the newest backup in the repository."""

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

import dagster as dg

from chom_pipelines.backups.assessment import answers
from chom_pipelines.backups.verdicts import CONTENT, INTEGRITY, QUESTIONS, SIZE, TABLES, Verdict
from chom_pipelines.defs.backups.assets import FULL_BACKUP
from chom_pipelines.defs.kinds import asset_key, checks_of, server_of
from chom_pipelines.defs.resources import Chom, failures
from chom_pipelines.inventory.models import Inventory, Server
from chom_pipelines.inventory.opening import keyring_of, repository_of
from chom_pipelines.inventory.policies import Verification
from chom_pipelines.outcome import Outcome

_NAMED = 50


def specs(asset: dg.AssetKey, names: Sequence[str]) -> tuple[dg.AssetCheckSpec, ...]:
    """Those checks of that asset."""
    return tuple(
        dg.AssetCheckSpec(name, asset=asset, description=QUESTIONS[name], blocking=_is_blocking(name)) for name in names
    )


def check_result(asset: dg.AssetKey, name: str, verdict: Verdict) -> dg.AssetCheckResult:
    """A verdict as Dagster shows it: not verified is a warning, and never passes."""
    return dg.AssetCheckResult(
        asset_key=asset,
        check_name=name,
        passed=verdict.outcome is Outcome.PASSED,
        severity=_severity(verdict),
        description=verdict.reason,
        metadata=_metadata(verdict),
    )


def full_backup_checks(server: Server) -> dg.AssetChecksDefinition:
    """One server's checks."""
    names = _names(server)
    return checks_of(_asking(names), server, specs(asset_key(server.name, FULL_BACKUP), names))


@cache
def _asking(names: tuple[str, ...]) -> dg.OpDefinition:
    """The op of those checks: one for all servers of which the same is asked."""
    return dg.op(
        name=f"{FULL_BACKUP}_checks",
        ins={FULL_BACKUP: dg.In(dg.Nothing)},
        out={name: dg.Out(is_required=False) for name in names},
        config_schema={},
    )(_ask)


def _ask(context: dg.AssetCheckExecutionContext, chom: Chom) -> Iterator[dg.AssetCheckResult]:
    """Reads the newest backup's manifest and proofs, and the sizes of those before it."""
    wanted = sorted(context.selected_asset_check_keys)
    with failures():
        inventory = chom.inventory()
        server = server_of(wanted[0].asset_key)
        found = answers(repository_of(inventory.repository), server, keyring_of(inventory.repository))
    for key in wanted:
        yield check_result(key.asset_key, key.name, found[key.name])


def report_checks(instance: dg.DagsterInstance, server: Server, inventory: Inventory) -> None:
    """Ask the full backup's checks anew, outside of its own runs: a proof was added that may say otherwise.

    Raises RepositoryError, ConfigurationError.
    """
    found = answers(repository_of(inventory.repository), server.name, keyring_of(inventory.repository))
    for name in _names(server):
        verdict = found[name]
        instance.report_runless_asset_event(
            dg.AssetCheckEvaluation(
                asset_key=asset_key(server.name, FULL_BACKUP),
                check_name=name,
                passed=verdict.outcome is Outcome.PASSED,
                severity=_severity(verdict),
                description=verdict.reason,
                metadata=_metadata(verdict),
                blocking=_is_blocking(name),
            ),
        )


def _names(server: Server) -> tuple[str, ...]:
    """What only a restore can tell is asked where chom.yaml has every backup restored."""
    restored = server.backup.verification is Verification.FULL
    return (INTEGRITY, TABLES, *((CONTENT,) if restored else ()), SIZE)


def _is_blocking(name: str) -> bool:
    """What fails one that speaks of the archive fails the run."""
    return name != SIZE


def _severity(verdict: Verdict) -> dg.AssetCheckSeverity:
    return dg.AssetCheckSeverity.WARN if verdict.outcome is Outcome.NOT_VERIFIED else dg.AssetCheckSeverity.ERROR


def _metadata(verdict: Verdict) -> dict[str, Any]:
    """Of thousands of failures the first ones: the repository's proof has them all."""
    shown: dict[str, Any] = {"outcome": verdict.outcome.value, **verdict.details}
    if verdict.failures:
        more = [f"and {len(verdict.failures) - _NAMED} more"] if len(verdict.failures) > _NAMED else []
        named = [dg.TableRecord({"failure": each}) for each in (*verdict.failures[:_NAMED], *more)]
        shown["failures"] = dg.MetadataValue.table(named)
    return shown
