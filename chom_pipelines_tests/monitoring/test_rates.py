"""Rates are of two readings, and of none where the server began to count anew in between."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chom_pipelines.monitoring.console.rates import Counters, Rates

_status = st.dictionaries(st.sampled_from(["queries", "slow_queries", "uptime"]), st.integers(0, 10**9), max_size=3)


def rates(before: dict[str, float], now: dict[str, float], seconds: float = 2.0) -> Rates:
    return Rates(Counters(10.0, before), Counters(10.0 + seconds, now))


@given(_status, _status, st.floats(0, 100))
def test_no_rate_is_negative(before: dict[str, float], now: dict[str, float], seconds: float) -> None:
    told = rates(before, now, seconds).per_second("queries")
    assert told is None or told >= 0


def test_a_rate_is_what_was_counted_by_the_time_in_between() -> None:
    found = rates({"queries": 100, "a": 1}, {"queries": 300, "a": 2})
    assert (found.per_second("Queries"), found.per_second("queries", "a")) == (100, 100.5)


def test_what_a_server_does_not_count_is_not_known() -> None:
    assert rates({"queries": 1}, {"queries": 2}).per_second("queries", "innodb_rows_read") is None


@pytest.mark.parametrize("name", ["uptime", "uptime_since_flush_status"])
def test_after_a_restart_or_a_flush_nothing_is_known_though_a_counter_is_larger(name: str) -> None:
    found = rates({name: 900, "queries": 10}, {name: 3, "queries": 400})
    assert (found.began_anew, found.per_second("queries")) == (True, None)


def test_a_counter_that_alone_went_back_is_not_known() -> None:
    found = rates({"uptime": 1, "queries": 10, "a": 5}, {"uptime": 3, "queries": 4, "a": 9})
    assert (found.per_second("queries"), found.per_second("a")) == (None, 2)


def test_two_readings_at_once_tell_no_rate() -> None:
    assert rates({"queries": 1}, {"queries": 5}, 0.0).per_second("queries") is None


@pytest.mark.parametrize(("reads", "percent"), [(0, 100.0), (100, 90.0), (5000, 0.0)])
def test_the_hit_rate_is_of_the_pages_that_were_asked_for_in_between(reads: float, percent: float) -> None:
    names = "innodb_buffer_pool_read_requests", "innodb_buffer_pool_reads"
    found = rates(dict.fromkeys(names, 7.0), {names[0]: 1007, names[1]: 7 + reads})
    assert found.buffer_pool_hit_percent == pytest.approx(percent)


def test_the_hit_rate_of_an_idle_server_is_not_known() -> None:
    names = "innodb_buffer_pool_read_requests", "innodb_buffer_pool_reads"
    assert rates(dict.fromkeys(names, 0.0), {names[0]: 3, names[1]: 3}).buffer_pool_hit_percent is None


def test_texts_that_are_no_numbers_are_left_out() -> None:
    assert Counters.of(0, {"Queries": "12", "Ssl_cipher": "AES", "Odd": "nan"}).values == {"queries": 12.0}
