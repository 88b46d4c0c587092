"""The findings of a check by the questions that people ask of a deploy. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from chom_pipelines.migrations.findings import MigrationFinding, Severity, outcome_of
from chom_pipelines.outcome import Outcome

QUESTIONS = {
    "history_is_whole": "What is recorded and the files of the migrations agree.",
    "statements_run": "Every statement of the pending migrations is accepted by the server.",
    "rows_fit": "No row stands in the way of a statement, and none is lost by one.",
    "locks_are_short": "No statement makes the application wait for long.",
    "application_goes_on": "The code that runs until the deploy is through finds what it needs.",
    "nobody_is_in_the_way": "No transaction, schema change or lock stands in the way at this moment.",
    "surroundings_are_right": "The copy is like production, with room on its disks and a proved backup.",
}
_OF_PREFIX = {
    "HS": "history_is_whole",
    "NM": "statements_run",
    "RN": "statements_run",
    "FK": "statements_run",
    "QL": "statements_run",
    "DD": "rows_fit",
    "DP": "rows_fit",
    "DS": "rows_fit",
    "LK": "locks_are_short",
    "TX": "locks_are_short",
    "BC": "application_goes_on",
    "TL": "nobody_is_in_the_way",
}
_OF_CODE = {"FK04": "rows_fit", "LK08": "statements_run"}


def question_of(code: str) -> str:
    """Which one a finding of that code answers."""
    return _OF_CODE.get(code) or _OF_PREFIX.get(code[:2], "surroundings_are_right")


def answers(findings: Sequence[MigrationFinding]) -> dict[str, tuple[Outcome, str]]:
    """Of each question the outcome, and what decides it in a sentence."""
    return {name: _answer([each for each in findings if question_of(each.code) == name]) for name in QUESTIONS}


def _answer(findings: Sequence[MigrationFinding]) -> tuple[Outcome, str]:
    outcome = outcome_of(findings)
    weight = {Outcome.FAILED: Severity.ERROR, Outcome.NOT_VERIFIED: Severity.UNKNOWN}.get(outcome, Severity.WARNING)
    said = [f"{each.code}: {each.what}" for each in findings if each.severity is weight]
    return outcome, "; ".join(said) or "nothing speaks against it"
