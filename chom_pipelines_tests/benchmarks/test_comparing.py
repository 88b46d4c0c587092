"""Whether a machine has become slower, by its reports; what they do not tell is not told."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chom_pipelines.benchmarks.comparing import TOLERANCE, compared, is_comparable
from chom_pipelines.benchmarks.report import Comparison
from chom_pipelines.outcome import Outcome
from chom_pipelines_tests.benchmarks.made import report, rung

SECONDS = st.floats(min_value=0.01, max_value=1e4)
RUNGS = st.dictionaries(st.sampled_from("abcdef"), SECONDS.map(lambda one: [one]), min_size=1)


@given(RUNGS, st.integers(1, 9))
def test_the_same_figures_again_pass(rungs: dict[str, list[float]], weeks: int) -> None:
    earlier = [report(rungs, week=week) for week in range(weeks)]
    found = compared(report(rungs, week=weeks), earlier)
    assert found == Comparison(reports=min(weeks, 5))
    assert found.outcome is Outcome.PASSED


def test_beside_no_earlier_report_nothing_is_verified() -> None:
    found = compared(report({"a": [1.0]}), [])
    assert (found, found.outcome) == (Comparison(), Outcome.NOT_VERIFIED)


@given(RUNGS, st.floats(min_value=1.01 * (1 + TOLERANCE), max_value=100), st.randoms())
def test_what_is_slower_than_the_tolerance_is_found_and_nothing_else(
    rungs: dict[str, list[float]], times: float, chance: random.Random
) -> None:
    slow = chance.choice(sorted(rungs))
    now = report({**rungs, slow: [rungs[slow][0] * times]}, week=3)
    earlier = [report(rungs, week=week) for week in range(3)]
    chance.shuffle(earlier)
    comparison = compared(now, earlier)
    (found,) = comparison.slower
    assert (found.name, found.reports, comparison.reports, comparison.undecided) == (slow, 3, 3, ())
    assert comparison.outcome is Outcome.FAILED
    assert found.slower == pytest.approx(times)


@given(RUNGS, st.floats(min_value=0.01, max_value=1))
def test_what_is_faster_passes(rungs: dict[str, list[float]], times: float) -> None:
    now = report({name: [seconds * times for seconds in each] for name, each in rungs.items()}, week=1)
    assert compared(now, [report(rungs)]).outcome is Outcome.PASSED


def test_what_has_always_varied_may_vary() -> None:
    now = report({"a": [1.4]}, week=1)
    assert compared(now, [report({"a": [0.8, 1.0, 1.3]})]).outcome is Outcome.PASSED
    assert compared(now, [report({"a": [1.0, 1.0, 1.0]})]).outcome is Outcome.FAILED


def test_one_noisy_week_hides_nothing_in_later_ones() -> None:
    earlier = [report({"a": [1.0, 1.0, 9.0] if week == 1 else [1.0, 1.0, 1.0]}, week=week) for week in range(4)]
    assert [each.name for each in compared(report({"a": [3.0]}, week=4), earlier).slower] == ["a"]


def test_of_what_varies_too_much_to_tell_nothing_is_told() -> None:
    found = compared(report({"a": [1.0, 1.5, 2.2], "b": [1.0]}, week=1), [report({"a": [1.0], "b": [1.0]})])
    assert [(each.what, each.reason) for each in found.undecided] == [
        ("a", "it took 1.50 times as long, and its runs varied by 80%")
    ]
    assert (found.slower, found.outcome) == ((), Outcome.NOT_VERIFIED)


def test_what_was_measured_earlier_and_cannot_be_measured_now_is_no_pass() -> None:
    now, earlier = report({"a": [1.0]}, week=1), report({"a": [1.0], "data files": [1.0]})
    lacking = now.model_copy(update={"ladder": (*now.ladder, rung("data files"))})
    found = compared(lacking, [earlier])
    assert [(each.what, each.reason) for each in found.undecided] == [("data files", "it is not installed")]
    assert found.outcome is Outcome.NOT_VERIFIED
    assert compared(lacking, [lacking.model_copy(update={"started": earlier.started})]).outcome is Outcome.PASSED


def test_another_tool_that_is_not_asked_for_again_is_not_missed() -> None:
    now = report({"a": [1.0]}, week=1)
    earlier = report({"a": [1.0]}).model_copy(update={"peers": (rung("myloader", 1.0),)})
    assert compared(now, [earlier]).outcome is Outcome.PASSED


@pytest.mark.parametrize(
    "other", [{"cpu": "another processor"}, {"disk": "xfs on /dev/sdb"}, {"text": 400_000_000}, {"elsewhere": 0.3}]
)
def test_other_machines_other_amounts_of_data_and_disturbed_times_are_not_compared(other: dict[str, object]) -> None:
    earlier = report({"a": [1.0]}, **other)  # type: ignore[arg-type]
    assert not is_comparable(report({"a": [9.0]}, week=1), earlier)
    assert compared(report({"a": [9.0]}, week=1), [earlier]) == Comparison()


def test_times_of_a_little_more_data_are_compared_by_byte() -> None:
    earlier = report({"a": [1.0]}, text=100_000_000)
    assert compared(report({"a": [1.1]}, week=1, text=110_000_000), [earlier]) == Comparison(reports=1)


def test_a_report_is_not_compared_with_later_ones() -> None:
    assert compared(report({"a": [9.0]}), [report({"a": [1.0]}, week=1), report({"a": [9.0]})]) == Comparison()
