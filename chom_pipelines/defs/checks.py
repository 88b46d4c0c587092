"""A verdict as one of Dagster's checks: not verified is a warning, and never passes."""

from collections.abc import Sequence
from typing import Any

import dagster as dg

from chom_pipelines.backups import exposure, verdicts
from chom_pipelines.backups.exposure import EXPOSURE, UNBROKEN
from chom_pipelines.backups.verdicts import RECENT, SIZE, Verdict
from chom_pipelines.outcome import Outcome

_QUESTIONS = {**verdicts.QUESTIONS, **exposure.QUESTIONS}
_NAMED = 50


def specs(asset: dg.AssetKey, names: Sequence[str]) -> tuple[dg.AssetCheckSpec, ...]:
    """Those checks of that asset."""
    return tuple(
        dg.AssetCheckSpec(name, asset=asset, description=_QUESTIONS[name], blocking=_is_blocking(name))
        for name in names
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


def check_evaluation(asset: dg.AssetKey, name: str, verdict: Verdict) -> dg.AssetCheckEvaluation:
    """The same of a check that is reported outside of any run."""
    result = check_result(asset, name, verdict)
    return dg.AssetCheckEvaluation(
        asset_key=asset,
        check_name=name,
        passed=result.passed,
        severity=result.severity,
        description=result.description,
        metadata=result.metadata,
        blocking=_is_blocking(name),
    )


def _is_blocking(name: str) -> bool:
    """What fails one that speaks of the backup itself fails the run."""
    return name not in {SIZE, RECENT, EXPOSURE, UNBROKEN}


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
