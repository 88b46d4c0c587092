"""The unit tests of the rules can fail: whatever is changed in a rule that matters makes one of them fail."""

from __future__ import annotations

from pathlib import Path

import pytest

from chom_pipelines_tests.deploy.mutants import mutants
from chom_pipelines_tests.deploy.rules import Rule, Unit, needed, promtool, rules, said, units, write_rules, write_units

_ALL = rules()
_UNITS = units()
_SAME = {
    ("server:chom_buffer_pool_hit:ratio5m", "1 became 10 in …]) > 0), 0, 1 ) )…"),
    ("server:chom_connections_used:ratio", '{state="total"} became  in …base_connections{state="total"}) / max…'),
    ("server:chom_full_backup_size:ratio7d", '{type="full"} became  in …ackup_size_bytes{type="full"} / avg_o…'),
    ("server:chom_full_backup_size:ratio7d", '{type="full"} became  in …ackup_size_bytes{type="full"}[7d]) )…'),
}
"""Mutants that do what the rule does: no ratio is above 1, total is the largest, both sides of a division match."""


@pytest.mark.long  # two hundred mutants; the rules' own unit tests are in every run
@pytest.mark.parametrize("rule", _ALL, ids=lambda rule: rule.name)
def test_a_slip_in_a_rule_makes_a_unit_test_fail(rule: Rule, tmp_path: Path) -> None:
    dependent = [each for each in _ALL if each.is_alert and rule in needed(each, _ALL)]
    names = {each.name for each in dependent}
    chosen = [unit for unit in _UNITS if any(case.alert in names for case in unit.cases)]
    around = [each for each in _ALL if any(each in needed(alert, _ALL) for alert in dependent)]
    assert _judged(around, rule, None, chosen, tmp_path) == ""
    survivors = [
        mutant.what
        for mutant in mutants(rule)
        if (rule.name, mutant.what) not in _SAME and not _judged(around, rule, mutant.body, chosen, tmp_path)
    ]
    assert survivors == []


def _judged(around: list[Rule], rule: Rule, body: dict[str, object] | None, chosen: list[Unit], folder: Path) -> str:
    """What the unit tests say to the rules, of which one may be replaced; nothing where they pass."""
    names = {each.name for each in around if each.is_alert}
    file = folder / "rules.yml"
    write_rules(file, [body if body and each is rule else each.body for each in around])
    for units_file in write_units(
        folder, file, [_of(unit, names) for unit in sorted(chosen, key=lambda unit: unit.cost)]
    ):
        judged = promtool("test", "rules", units_file)
        if judged.returncode:
            assert "exp:" in said(judged), said(judged)
            return said(judged)
    return ""


def _of(unit: Unit, alerts: set[str]) -> Unit:
    """Of a unit test what it expects of these alerts, the others being left out of the rules."""
    cases = [case for case in unit.body["alert_rule_test"] if case["alertname"] in alerts]
    return Unit(unit.file, unit.every, {**unit.body, "alert_rule_test": cases})


def test_what_is_said_to_be_the_same_is_among_the_mutants() -> None:
    assert {(rule.name, mutant.what) for rule in _ALL for mutant in mutants(rule)} >= _SAME
