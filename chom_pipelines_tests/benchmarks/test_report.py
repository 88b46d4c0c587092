"""No figure is in a report that was not measured, and none is believed that does not follow from its runs."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from chom_pipelines.benchmarks.figures import Run, Timed
from chom_pipelines.benchmarks.report import DOCUMENT, Unmeasured
from chom_pipelines.errors import DamagedError, UnknownFormatError
from chom_pipelines.outcome import Outcome
from chom_pipelines_tests.benchmarks.made import limit, report, rung, timed

SECONDS = st.floats(min_value=1e-4, max_value=1e6)


@given(st.lists(SECONDS, min_size=1, max_size=9))
def test_median_and_spread_are_those_of_the_runs_whatever_their_order(seconds: list[float]) -> None:
    found, again = timed(*seconds), timed(*reversed(seconds))
    assert found.lowest <= found.median <= found.highest
    assert (found.median, found.spread) == (again.median, again.spread)
    assert (found.lowest, found.highest) == (min(seconds), max(seconds))


@given(st.lists(SECONDS, min_size=1, max_size=5), st.sampled_from(["median", "lowest", "highest"]))
def test_a_figure_that_does_not_follow_from_its_runs_cannot_be_built(seconds: list[float], what: str) -> None:
    body: dict[str, Any] = timed(*seconds).model_dump()
    body[what] *= 2
    with pytest.raises(ValidationError, match="not the median and the spread"):
        Timed.model_validate(body)


def test_without_a_run_there_is_no_figure() -> None:
    with pytest.raises(ValidationError, match="at least 1 item"):
        Timed(runs=(), median=1, lowest=1, highest=1)


@pytest.mark.parametrize(
    ("outcome", "measured", "reason"),
    [
        (Outcome.PASSED, False, ""),
        (Outcome.PASSED, True, "it broke"),
        (Outcome.FAILED, True, "it broke"),
        (Outcome.FAILED, False, ""),
        (Outcome.NOT_VERIFIED, False, ""),
        (Outcome.NOT_VERIFIED, True, "it is not installed"),
    ],
)
def test_what_passed_was_measured_and_what_did_not_has_a_reason_and_no_time(
    outcome: Outcome, *, measured: bool, reason: str
) -> None:
    body = {**rung("parallel", 1.0).model_dump(), "outcome": outcome, "reason": reason}
    body["timed"] = timed(1.0).model_dump() if measured else None
    with pytest.raises(ValidationError, match="parallel: what passed has its runs"):
        type(rung("parallel", 1.0)).model_validate(body)


def test_a_restore_of_which_no_table_was_compared_has_not_passed() -> None:
    body = {**rung("parallel", 1.0).model_dump(), "tables": 0}
    with pytest.raises(ValidationError, match="no table was compared"):
        type(rung("parallel", 1.0)).model_validate(body)


@given(st.dictionaries(st.text(min_size=1, max_size=8), st.lists(SECONDS, min_size=1, max_size=3), max_size=4))
def test_a_report_comes_back_as_it_was_written(rungs: dict[str, list[float]]) -> None:
    written = report(rungs)
    assert DOCUMENT.unseal(DOCUMENT.seal(written, None), None, "there") == written


def test_a_report_that_was_edited_is_not_believed() -> None:
    sealed = DOCUMENT.seal(report({"parallel": [2.0]}), None)
    with pytest.raises(DamagedError, match="its seal does not match"):
        DOCUMENT.unseal(sealed.replace(b'"rounds": 3', b'"rounds": 9'), None, "there")


def test_a_report_of_a_later_format_is_refused_by_its_number() -> None:
    body = {**json.loads(DOCUMENT.seal(report({}), None)), "format": 2}
    with pytest.raises(UnknownFormatError, match="format 2; this version reads 1"):
        DOCUMENT.unseal(json.dumps(body).encode(), None, "there")


def test_a_report_is_what_the_worst_of_it_is_and_names_it() -> None:
    whole = report({"parallel": [1.0]})
    assert (whole.outcome, whole.reasons) == (Outcome.PASSED, ())
    assert report({}).outcome is Outcome.NOT_VERIFIED
    lacking = whole.model_copy(update={"ladder": (*whole.ladder, rung("data files"))})
    assert (lacking.outcome, lacking.reasons) == (
        Outcome.NOT_VERIFIED,
        ("data files: not verified: it is not installed",),
    )
    sizes = whole.model_copy(update={"unmeasured": (Unmeasured(what="the sizes", reason="no connection"),)})
    assert (sizes.outcome, sizes.reasons) == (Outcome.NOT_VERIFIED, ("the sizes: not measured: no connection",))
    wrong = rung("zstd").model_copy(update={"outcome": Outcome.FAILED, "reason": "another checksum"})
    assert lacking.model_copy(update={"peers": (wrong,)}).outcome is Outcome.FAILED


def test_rates_are_of_the_median() -> None:
    assert limit("a disk", 2.0).rate == 50_000_000
    assert rung("parallel", 4.0, 1.0, 2.0).rate == 100_000_000
    assert Timed.of([Run(seconds=1, cpu_seconds=0.5, server_cpu_seconds=2)]).server_cpu == 2
