"""What a migration check finds: a code, how bad it is, where, why, and what to do instead. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from chom_pipelines.outcome import Outcome


class Severity(StrEnum):
    """How much a finding weighs."""

    ERROR = "error"
    """The migration must not run as it is."""
    UNKNOWN = "not verified"
    """A question that got no answer: never a pass."""
    WARNING = "warning"
    """A person should know it, and decide."""
    INFO = "info"
    """For the record, or a better way."""


@dataclass(frozen=True)
class MigrationFinding:
    """One finding.

    `migration`, `statement` and `object` (`shop.users.name`) say where, "" where it is of none; `evidence` is what was
    seen.
    """

    code: str
    severity: Severity
    what: str
    why: str = ""
    remedy: str = ""
    migration: str = ""
    statement: str = ""
    object: str = ""
    evidence: dict[str, Any] = field(default_factory=dict)

    @property
    def where(self) -> str:
        """For people: the migration, else the table."""
        return self.migration or self.object

    def to_json(self) -> dict[str, Any]:
        """As plain JSON types."""
        return {**asdict(self), "severity": self.severity.value}


def error(code: str, what: str, **more: Any) -> MigrationFinding:  # noqa: ANN401  (the fields above)
    """What must not run as it is."""
    return MigrationFinding(code, Severity.ERROR, what, **more)


def warning(code: str, what: str, **more: Any) -> MigrationFinding:  # noqa: ANN401
    """What a person should know."""
    return MigrationFinding(code, Severity.WARNING, what, **more)


def info(code: str, what: str, **more: Any) -> MigrationFinding:  # noqa: ANN401
    """What is good to know."""
    return MigrationFinding(code, Severity.INFO, what, **more)


def unknown(code: str, what: str, **more: Any) -> MigrationFinding:  # noqa: ANN401
    """What could not be told."""
    return MigrationFinding(code, Severity.UNKNOWN, what, **more)


def outcome_of(findings: Iterable[MigrationFinding]) -> Outcome:
    """Failed with an error, not verified with an open question, else passed: warnings stop nothing."""
    found = {each.severity for each in findings}
    if Severity.ERROR in found:
        return Outcome.FAILED
    return Outcome.NOT_VERIFIED if Severity.UNKNOWN in found else Outcome.PASSED
