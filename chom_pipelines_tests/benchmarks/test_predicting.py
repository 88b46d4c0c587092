"""How long a restore takes, by rates that were measured: only of what was measured, and only here."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chom_pipelines.benchmarks.predicting import newest, predictions, restore_of
from chom_pipelines.benchmarks.report import DISTURBED, ENOUGH, Place
from chom_pipelines.repository.layout import Kind
from chom_pipelines_tests.benchmarks.made import TEXT, ladder, report, rung
from chom_pipelines_tests.repository.samples import ID, a_manifest

HERE = ("a processor", 2)


def test_rates_are_those_of_the_last_report_of_this_machine_that_tells_any() -> None:
    good = report({"parallel": [1.0]}, week=1)
    others = [
        report({"parallel": [1.0]}),
        report({"parallel": [1.0]}, week=2, cpu="another processor"),
        report({"parallel": [1.0]}, week=3, elsewhere=2 * DISTURBED),
        report({"parallel": [1.0]}, week=4, text=ENOUGH - 1),
    ]
    assert newest([*others, good], *HERE) == good
    assert newest(others[1:], *HERE) is None
    assert newest([good], "a processor", 4) is None


def test_a_restore_is_predicted_by_the_fastest_way_onto_a_disk_that_was_measured() -> None:
    memory = rung("RAM disk", 0.1).model_copy(update={"place": Place.MEMORY})
    of_rows = report({}).model_copy(update={"ladder": (*ladder(), memory)})
    manifest = a_manifest()  # of nine bytes
    found = restore_of(manifest, of_rows, None)
    assert found
    assert (found.way, found.bytes) == ("parallel", 9)
    assert found.seconds == pytest.approx(4.0 * 9 / TEXT)
    assert restore_of(manifest, report({}), None) is None
    assert restore_of(manifest, of_rows.model_copy(update={"measured_on": "MySQL 9.7.4"}), None) is None
    parent = {"kind": Kind.INCREMENTAL, "parent": ID}
    assert restore_of(manifest.model_copy(update=parent), of_rows, None) is None


@given(st.integers(1, 10**13), st.integers(1, 10**13))
def test_a_prediction_grows_with_the_bytes(text: int, files: int) -> None:
    found = {each.way: each for each in predictions("full_1", text, files, ladder(), None)}
    assert set(found) == {"parallel", "data files"}  # whoever restores has all connections, and not the stock client
    assert found["parallel"].seconds == pytest.approx(4.0 * text / 200_000_000)
    assert found["data files"].seconds == pytest.approx(1.0 * files / 200_000_000)


def test_nothing_is_predicted_of_what_is_not_known_or_was_not_measured() -> None:
    assert [each.way for each in predictions("full_1", 10**9, 0, ladder(), None)] == ["parallel"]
    assert predictions("full_1", 0, 10**9, ladder(files=None), None) == ()
