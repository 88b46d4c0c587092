"""The three answers that everything here gives: a question that was not answered is never a pass."""

from collections.abc import Iterable
from enum import StrEnum


class Outcome(StrEnum):
    """How a proof, a check, a finding or a drill ended."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_VERIFIED = "not_verified"

    @property
    def words(self) -> str:
        """For people."""
        return self.value.replace("_", " ")


def worst(outcomes: Iterable[Outcome]) -> Outcome:
    """Failed where any failed, else not verified where any was not; passed only where all passed."""
    there = set(outcomes)
    return next((each for each in (Outcome.FAILED, Outcome.NOT_VERIFIED) if each in there), Outcome.PASSED)
