"""What a preflight finds: one subject, one outcome, and what mends it."""

from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """`warning` is something a person should know that stops nothing; `not_verified` could not be determined."""

    PASSED = "passed"
    WARNING = "warning"
    FAILED = "failed"
    NOT_VERIFIED = "not_verified"


@dataclass(frozen=True)
class Finding:
    """One answer. `remedy` is the exact GRANT, SET, my.cnf lines, command or package; several lines are possible."""

    subject: str
    outcome: Outcome
    message: str
    remedy: str = ""


def passed(subject: str, message: str) -> Finding:
    """A finding that is as it should be."""
    return Finding(subject, Outcome.PASSED, message)


def warning(subject: str, message: str, remedy: str) -> Finding:
    """A finding that stops nothing."""
    return Finding(subject, Outcome.WARNING, message, remedy)


def failed(subject: str, message: str, remedy: str) -> Finding:
    """A finding that must be mended."""
    return Finding(subject, Outcome.FAILED, message, remedy)


def not_verified(subject: str, message: str, remedy: str = "") -> Finding:
    """A question that got no answer."""
    return Finding(subject, Outcome.NOT_VERIFIED, message, remedy)
