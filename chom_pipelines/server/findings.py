"""What a preflight finds: one subject, one outcome, and what mends it."""

from dataclasses import dataclass

from chom_pipelines.outcome import Outcome


@dataclass(frozen=True)
class Finding:
    """One answer. `remedy` is the exact GRANT, SET, my.cnf lines, command or package; several lines are possible.

    A warning has passed, as it stops nothing, and is something that a person should know all the same.
    """

    subject: str
    outcome: Outcome
    message: str
    remedy: str = ""
    is_warning: bool = False

    @property
    def words(self) -> str:
        """The outcome for people: passed, warning, failed, not verified."""
        return "warning" if self.is_warning else self.outcome.words


def passed(subject: str, message: str) -> Finding:
    """A finding that is as it should be."""
    return Finding(subject, Outcome.PASSED, message)


def warning(subject: str, message: str, remedy: str) -> Finding:
    """A finding that stops nothing."""
    return Finding(subject, Outcome.PASSED, message, remedy, is_warning=True)


def failed(subject: str, message: str, remedy: str) -> Finding:
    """A finding that must be mended."""
    return Finding(subject, Outcome.FAILED, message, remedy)


def not_verified(subject: str, message: str, remedy: str = "") -> Finding:
    """A question that got no answer."""
    return Finding(subject, Outcome.NOT_VERIFIED, message, remedy)
