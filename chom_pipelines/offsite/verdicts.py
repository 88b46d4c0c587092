"""Whether the second copy is what it should be: complete, and out of the reach of who writes it."""

from __future__ import annotations

from collections.abc import Collection

from chom_pipelines.backups.verdicts import Verdict
from chom_pipelines.offsite.transfer import ServerDifference, Transfer
from chom_pipelines.outcome import Outcome
from chom_pipelines.server.findings import Finding

COMPLETE, PROTECTED = "complete_copy", "protected_copy"

QUESTIONS = {
    COMPLETE: "The second copy has every backup and every segment of the binary log that the repository has.",
    PROTECTED: "What is in the second copy cannot be deleted by who writes there: objects are locked.",
}
"""The checks by name, and what each asserts."""


def complete(copied: Transfer, lacking: ServerDifference | None, damaged: Collection[str] = ()) -> Verdict:
    """By what a copy came to, and by what was lacking when it had ended; None: that could not be asked.

    `damaged` are backups of which a proof of the second copy has failed.
    """
    if copied.error:
        failures = tuple(f"{name}: {error.what}" for name, error in copied.failures.items())
        return Verdict(copied.error.outcome, copied.error.what, failures=failures)
    if lacking is None:
        return Verdict(Outcome.NOT_VERIFIED, "what the second copy has could not be listed afterwards")
    if damaged:
        what = f"damaged there: {len(damaged)}; `chom offsite push {min(damaged)}` puts one there again"
        return Verdict(Outcome.FAILED, what, failures=tuple(sorted(damaged)))
    missing = [f"{stream}/{each.entry.id}" for stream, several in lacking.lacking.items() for each in several]
    missing += lacking.keys
    if missing:
        what = f"{len(missing)} backups or segments came while it was copied, and are not there yet"
        return Verdict(Outcome.NOT_VERIFIED, what, failures=tuple(missing))
    return Verdict(Outcome.PASSED, f"{len(copied.copied)} were copied, and {copied.there} were there")


def protected(found: Finding) -> Verdict:
    """By what the store says of itself; that it could be better is not verified, and no failure."""
    if found.is_warning:
        return Verdict(Outcome.NOT_VERIFIED, f"{found.message}; {found.remedy}")
    return Verdict(found.outcome, found.message)
