"""What is concluded from figures: speed-ups, predictions, advice."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chom_pipelines.benchmarks.judging import (
    advice,
    share_of,
    with_speed_ups,
)
from chom_pipelines.benchmarks.report import ENOUGH, Rung
from chom_pipelines.repository.codecs import Codec
from chom_pipelines_tests.benchmarks.made import backup, codec, data, ladder, limit, report, rung

SECONDS = st.floats(min_value=0.01, max_value=1e4)


@given(st.lists(SECONDS, min_size=1, max_size=6))
def test_the_first_rung_is_once_as_fast_and_each_other_by_how_much_less_time_it_takes(seconds: list[float]) -> None:
    found = with_speed_ups([rung(str(number), each) for number, each in enumerate(seconds)])
    assert found[0].speed_up == 1
    assert [each.speed_up for each in found] == [pytest.approx(seconds[0] / each) for each in seconds]


def test_without_a_standard_restore_nothing_is_so_many_times_as_fast() -> None:
    assert [each.speed_up for each in with_speed_ups([rung("piped dump"), rung("parallel", 1.0)])] == [None, None]
    assert with_speed_ups([]) == ()
    assert with_speed_ups([rung("piped dump", 1.0), rung("data files")])[1].speed_up is None


def test_a_share_is_of_a_limit_that_was_measured() -> None:
    disk = limit("a disk", 1.0)
    share = share_of(25_000_000, disk)
    assert share
    assert (share.limit, share.fraction) == ("a disk", 0.25)
    assert share_of(None, disk) is None
    assert share_of(1.0, None) is None


CODECS = (
    codec(Codec.XZ, 6, 10.0, 3_000_000),
    codec(Codec.ZSTD, 9, 0.8, 6_000_000),
    codec(Codec.ZSTD, 3, 0.2, 8_000_000),
    codec(Codec.ZSTD, 1, 0.1, 9_000_000),
)


def test_the_smallest_codec_is_advised_that_leaves_half_of_the_cores_to_the_server() -> None:
    found = advice(data(), 0.0, CODECS, backup(2.0), ladder())  # 50 MB/s a connection
    assert found.compression == "zstd -3"
    assert "rows came at 100 MB/s through 2 connections" in found.compression_reason
    assert advice(data(), 0.0, CODECS, backup(5.5), ladder()).compression == "zstd -9"
    assert advice(data(), 0.0, CODECS, backup(0.1), ladder()).compression is None
    assert advice(data(), 0.0, CODECS, None, ladder()).compression is None
    assert advice(data(), 0.0, (), backup(2.0), ladder()).compression is None


def test_several_connections_are_advised_where_they_were_faster_than_one() -> None:
    assert advice(data(), 0.0, CODECS, backup(2.0), ladder(8.0, 4.0)).threads == 2
    even = advice(data(), 0.0, CODECS, backup(2.0), ladder(8.0, 7.9))
    assert (even.threads, even.threads_reason) == (1, "2 connections are no faster than one (1.01 times as fast)")
    assert advice(data(), 0.0, CODECS, backup(2.0), ladder()[2:]).threads is None


def test_data_files_are_advised_where_they_were_faster_than_rows_and_else_rows() -> None:
    assert advice(data(), 0.0, CODECS, backup(2.0), ladder()).method == "physical"
    assert advice(data(), 0.0, CODECS, backup(2.0), ladder(files=3.9)).method == "logical"
    lacking = advice(data(), 0.0, CODECS, backup(2.0), ladder(files=None))
    assert (lacking.method, lacking.method_reason) == (
        "logical",
        "a physical restore was not measured: it is not installed",
    )
    assert advice(data(), 0.0, CODECS, backup(2.0), ()).method is None


@given(st.integers(0, ENOUGH - 1))
def test_too_few_data_speak_for_nothing(text: int) -> None:
    found = advice(data(text), 0.0, CODECS, backup(2.0), ladder())
    assert (found.compression, found.threads, found.method) == (None, None, None)
    assert "too little to tell" in found.method_reason


@given(st.floats(0, 1))
def test_a_busy_machine_speaks_for_nothing(elsewhere: float) -> None:
    found = advice(data(), elsewhere, CODECS, backup(2.0), ladder())
    assert (found.method is None) == report({}, elsewhere=elsewhere).was_disturbed
    assert ("other processes took" in found.method_reason) == (found.method is None)


@given(st.lists(st.sampled_from(ladder()), max_size=4), st.lists(st.sampled_from(CODECS), max_size=4))
def test_every_advice_has_its_reason(rungs: list[Rung], codecs: list[object]) -> None:
    found = advice(data(), 0.0, codecs, backup(2.0), rungs)  # type: ignore[arg-type]
    assert all((found.compression_reason, found.threads_reason, found.method_reason))
    assert found.compression is None or found.compression in {each.name for each in CODECS}
