"""What benchmarks tell of restores: only undisturbed ones of enough data, of ways by which the project restores."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chom_pipelines.benchmarks.predicting import predictions, rates
from chom_pipelines.benchmarks.report import ENOUGH, Means, Place
from chom_pipelines.repository.payloads import Method
from chom_pipelines.repository.timing import DISTURBED, Into
from chom_pipelines_tests.benchmarks.made import TEXT, ladder, report, rung


def test_rates_are_of_reports_that_tell_any_and_of_ways_by_which_the_project_restores() -> None:
    rungs = (
        *ladder(),
        rung("durability off", 3.0).model_copy(update={"place": Place.RELAXED}),
        rung("RAM disk", 2.0).model_copy(update={"place": Place.MEMORY}),
        rung("data files", 1.0, means=Means.FILES).model_copy(update={"place": Place.DISK}),
        rung("data files, RAM disk", means=Means.FILES).model_copy(update={"place": Place.MEMORY}),
    )
    good = report({}, week=1).model_copy(update={"ladder": rungs})
    others = [
        report({}, week=3, elsewhere=2 * DISTURBED).model_copy(update={"ladder": rungs}),
        report({}, week=4, text=ENOUGH - 1).model_copy(update={"ladder": rungs}),
    ]
    found = list(rates([*others, good]))
    assert {each.when for each in found} == {good.started}
    ways = [(each.timing.way.method, each.timing.way.into, each.timing.way.on) for each in found]
    assert ways == [
        (Method.LOGICAL, Into.DIRECTORY, "ext4 on /dev/vda"),
        (Method.LOGICAL, Into.PRIVATE, "memory"),
        (Method.PHYSICAL, Into.PRIVATE, "ext4 on /dev/vda"),
        (Method.PHYSICAL, Into.DIRECTORY, "ext4 on /dev/vda"),
    ]
    assert {each.timing.way.machine for each in found} == {"2 cores of a processor"}
    assert {each.timing.way.flavour for each in found} == {"mariadb"}
    assert {(each.timing.amounts.bytes, each.timing.seconds) for each in found} == {(TEXT, 3.0), (TEXT, 2.0), (TEXT, 1)}


@given(st.integers(1, 10**13), st.integers(1, 10**13))
def test_a_prediction_grows_with_the_bytes(text: int, files: int) -> None:
    found = {each.way: each for each in predictions("full_1", text, files, ladder(), None)}
    assert set(found) == {"parallel", "data files"}  # whoever restores has all connections, and not the stock client
    assert found["parallel"].seconds == pytest.approx(4.0 * text / 200_000_000)
    assert found["data files"].seconds == pytest.approx(1.0 * files / 200_000_000)


def test_nothing_is_predicted_of_what_is_not_known_or_was_not_measured() -> None:
    assert [each.way for each in predictions("full_1", 10**9, 0, ladder(), None)] == ["parallel"]
    assert predictions("full_1", 0, 10**9, ladder(files=None), None) == ()
