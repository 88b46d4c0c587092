"""The histogram of query times is right: against statements that took what they were told to take."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chom_pipelines.monitoring.readers.histogram import Histogram, of_mariadb, of_mysql, read_histogram
from chom_pipelines.server.connection import Session
from chom_pipelines.server.facts import Flavour
from chom_pipelines_tests.monitoring.monitored import monitored


def quantile(share: float, now: Histogram, before: Histogram) -> tuple[float, float]:
    """The bucket that it falls into, by what was counted in between, as histogram_quantile finds it."""
    counted = [
        (bound, count - earlier) for (bound, count), (_, earlier) in zip(now.buckets, before.buckets, strict=True)
    ]
    wanted = share * counted[-1][1]
    place = next(place for place, (_, count) in enumerate(counted) if count >= wanted)
    return (counted[place - 1][0] if place else 0.0, counted[place][0])


@pytest.mark.parametrize("flavour", Flavour)
def test_the_ninety_fifth_percentile_of_known_latencies_is_in_its_bucket(flavour: Flavour, tmp_path: Path) -> None:
    with monitored(flavour, tmp_path) as server, Session(server.root) as session:
        before = read_histogram(session, server.facts).value
        for _ in range(90):
            session.rows("SELECT SLEEP(0.005)")
        for _ in range(9):
            session.rows("SELECT SLEEP(0.15)")
        session.rows("SELECT SLEEP(0.7)")
        now = read_histogram(session, server.facts).value
        assert before is not None
        assert now is not None
        low, high = quantile(0.5, now, before)
        assert low <= 0.0065
        assert high > 0.005
        low, high = quantile(0.95, now, before)
        assert low <= 0.16
        assert high > 0.15
        low, high = quantile(0.999, now, before)
        assert low <= 0.75
        assert high > 0.7
        assert now.total_seconds - before.total_seconds == pytest.approx(90 * 0.005 + 9 * 0.15 + 0.7, rel=0.15)
        assert 100 <= now.count - before.count < 120


def test_bounds_are_the_same_each_time_and_have_the_powers_of_ten(tmp_path: Path) -> None:
    with monitored(Flavour.MYSQL, tmp_path) as server, Session(server.root) as session:
        found = read_histogram(session, server.facts).value
    assert found is not None
    bounds = [bound for bound, _ in found.buckets]
    assert {0.0001, 0.001, 0.01, 0.1, 1.0, 10.0} <= set(bounds)
    assert bounds == sorted(bounds)
    assert bounds[-1] == float("inf")
    assert len(bounds) == 46


@given(st.lists(st.integers(0, 100), min_size=2, max_size=44))
def test_mariadbs_rows_are_added_up(counts: list[int]) -> None:
    rows: list[tuple[object, ...]] = [
        (f"{2**place:14.6f}", count, f"{count * 2**place:14.6f}") for place, count in enumerate(counts[:-1])
    ]
    found = of_mariadb([*rows, ("TOO LONG", counts[-1], "TOO LONG")])
    assert found.count == sum(counts)
    assert [count for _, count in found.buckets] == [sum(counts[: place + 1]) for place in range(len(counts))]
    assert found.buckets[-1][0] == float("inf")
    least = sum(count * 2**place for place, count in enumerate(counts[:-1]))
    assert found.total_seconds >= least  # what took too long took its bound at the least


def test_of_mysqls_buckets_each_tenth_is_shown_and_the_last() -> None:
    rows = [(number, (number + 1) * 10**9, Decimal(number)) for number in range(450)]
    found = list(of_mysql(rows))
    assert found[0] == (0.001, 0)
    assert found[1] == (0.011, 10)
    assert found[-1] == (float("inf"), 449)
