"""What a slip of the pen makes of a rule. Pure.

Comparisons are turned round, limits ten times off, guards inverted, selectors dropped, days taken for hours.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from chom_pipelines_tests.deploy.rules import Rule

_COMPARISON = re.compile(r"==|!=|<=|>=|<|>")
_TURNED = {"==": "!=", "!=": "==", "<": ">", ">": "<", "<=": ">=", ">=": "<="}
_GUARD = re.compile(r"\b(and|unless)\b")
_INVERTED = {"and": "unless", "unless": "and"}
_NUMBER = re.compile(r"(?<![\w.:])(\d+(?:\.\d+)?(?:e\d+)?)(?![\w.])")
_SELECTOR = re.compile(r"\{[^}]*\}")
_DAYS = re.compile(r"\b(\d+d)\b")
_SHUT = re.compile(r"\{[^}]*\}|\[[^\]]*\]")
"""Selectors and ranges: what is in them is neither a comparison nor a limit."""


@dataclass(frozen=True)
class Mutant:
    """A changed rule, and what was changed."""

    what: str
    body: dict[str, Any]


def mutants(rule: Rule) -> Iterator[Mutant]:
    """Each differs from the rule in one place."""
    open_text = _SHUT.sub(lambda found: "_" * len(found[0]), rule.expression)
    for text, pattern, replacements in (
        (open_text, _COMPARISON, _turned),
        (open_text, _GUARD, _inverted),
        (open_text, _NUMBER, _tenfold),
        (rule.expression, _SELECTOR, _dropped),
        (rule.expression, _DAYS, _hours),
    ):
        for found in pattern.finditer(text):
            for new in replacements(found[0]):
                expression = rule.expression[: found.start()] + new + rule.expression[found.end() :]
                where = " ".join(rule.expression[max(0, found.start() - 16) : found.end() + 8].split())
                yield Mutant(f"{found[0]} became {new} in …{where}…", {**rule.body, "expr": expression})
    if rule.is_alert:
        yield Mutant("it no longer waits", {**rule.body, "for": "0s"})


def _turned(comparison: str) -> list[str]:
    return [_TURNED[comparison]]


def _inverted(guard: str) -> list[str]:
    return [_INVERTED[guard]]


def _tenfold(number: str) -> list[str]:
    value = float(number)
    return [f"{value * 10:.10g}", f"{value / 10:.10g}"] if value else []


def _dropped(_selector: str) -> list[str]:
    return [""]


def _hours(days: str) -> list[str]:
    return [days.replace("d", "h")]
