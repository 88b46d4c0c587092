"""The mutants of rules differ where they should: in comparisons, limits, guards, ranges and waiting, each alone."""

from __future__ import annotations

from chom_pipelines_tests.deploy.mutants import mutants
from chom_pipelines_tests.deploy.rules import Rule, needed, rules


def changed(expression: str) -> set[str]:
    rule = Rule("Some", expression, is_alert=True, body={"alert": "Some", "expr": expression, "for": "5m"})
    return {mutant.body["expr"] for mutant in mutants(rule) if mutant.body["expr"] != expression}


def test_comparisons_are_turned_and_limits_are_ten_times_off() -> None:
    assert changed('max(a{b!="c",d=~"5"}[5m]) >= 30') == {
        'max(a{b!="c",d=~"5"}[5m]) <= 30',
        'max(a{b!="c",d=~"5"}[5m]) >= 300',
        'max(a{b!="c",d=~"5"}[5m]) >= 3',
        "max(a[5m]) >= 30",
    }


def test_guards_are_inverted() -> None:
    assert changed("a and b unless c") == {"a unless b unless c", "a and b and c"}


def test_days_are_taken_for_hours() -> None:
    assert changed("a[7d] offset 10d") == {"a[7h] offset 10d", "a[7d] offset 10h"}


def test_an_alert_also_no_longer_waits() -> None:
    rule = Rule("Some", "absent(a)", is_alert=True, body={"alert": "Some", "expr": "absent(a)", "for": "5m"})
    assert [mutant.body["for"] for mutant in mutants(rule)] == ["0s"]


def test_what_an_alert_is_made_of_is_found_through_all_that_is_recorded() -> None:
    shipped = rules()
    (alert,) = (rule for rule in shipped if rule.name == "BackupTooOld")
    assert [rule.name for rule in needed(alert, shipped)] == [
        "server:chom_watched:max7d",
        "server:chom_backup_age:limit_seconds",
        "server:chom_full_backup:timestamp_seconds",
        "BackupTooOld",
    ]
