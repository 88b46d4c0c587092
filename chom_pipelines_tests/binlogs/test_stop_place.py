"""A replay stops at one place only, whatever clocks did: in front of the first transaction that is too late."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chom_pipelines.binlogs.format.transactions import Ending, Transaction, moment
from chom_pipelines.binlogs.recovery.choosing import Way
from chom_pipelines.binlogs.recovery.replay_plan import Recovery
from chom_pipelines.binlogs.recovery.stop_place import Located, Stop, find_stop, refuse_wrong_clock
from chom_pipelines.binlogs.recovery.targets import AtTime, BeforePlace, ThroughGtid
from chom_pipelines.errors import RestoreRefusedError
from chom_pipelines.server.facts import Flavour
from chom_pipelines_tests.binlogs.segments import UUID, full, segment

BEGIN = 1_790_000_000_000_000
SECOND = 1_000_000
TIMES = st.lists(st.integers(0, 5_000_000), max_size=30)


def begun(times: list[int], opened: list[int]) -> list[Located]:
    """As MariaDB's log: when statements began, three in a file, and when the files were begun, in seconds."""
    found = log([time * SECOND for time in times])
    return [replace(each, opened=moment(BEGIN + opened[each.number - 1] * SECOND)) for each in found]


def log(times: list[int], numbers: list[int] | None = None) -> list[Located]:
    """Transactions of a hundred bytes, three in a file, committed at these microseconds, with these GTIDs."""
    return [
        Located(
            f"mysql-bin.{1 + index // 3:06d}",
            Transaction(
                f"{UUID}:{(numbers or range(1, 99))[index]}",
                200 + index % 3 * 100,
                300 + index % 3 * 100,
                BEGIN + time,
                0,
                Ending.COMMIT,
                (),
                (),
                0,
            ),
            None,
        )
        for index, time in enumerate(times)
    ]


@given(TIMES, st.integers(0, 5_000_000))
def test_all_up_to_the_first_later_one_is_replayed(times: list[int], at: int) -> None:
    found = find_stop(log(times), AtTime(moment(BEGIN + at)), Flavour.MYSQL, None)
    assert all(time <= at for time in times[: found.transactions])
    assert found.following is None or times[found.transactions] > at
    assert (found.following is None) == (found.transactions == len(times))


@given(TIMES)
def test_whole_seconds_are_had_to_their_end_and_no_further(times: list[int]) -> None:
    seconds = [time // 1_000_000 * 1_000_000 for time in times]
    for second in range(6):
        late = AtTime(moment(BEGIN + second * 1_000_000) + timedelta(microseconds=999_999))
        early = AtTime(moment(BEGIN + second * 1_000_000))
        assert find_stop(log(seconds), late, Flavour.MARIADB, None) == find_stop(
            log(seconds), early, Flavour.MARIADB, None
        )


@given(st.permutations(range(1, 13)), st.integers(1, 12))
def test_gtids_in_any_order_are_complete_where_the_last_of_them_is(numbers: list[int], upto: int) -> None:
    target = ThroughGtid(f"{UUID}:1-{upto}")
    found = find_stop(log([0] * 12, numbers), target, Flavour.MYSQL, None)
    assert set(range(1, upto + 1)) <= set(numbers[: found.transactions])
    assert numbers[found.transactions - 1] <= upto


def test_a_place_within_a_transaction_is_refused() -> None:
    with pytest.raises(RestoreRefusedError, match="goes from 300 to 400"):
        find_stop(log([0, 0, 0]), BeforePlace("mysql-bin.000001", 350), Flavour.MYSQL, None)


@given(st.integers(0, 11))
def test_the_place_at_which_a_transaction_begins_leaves_it_out(index: int) -> None:
    found = log([0] * 12)
    place = BeforePlace(found[index].file, found[index].transaction.start)
    assert find_stop(found, place, Flavour.MYSQL, None).transactions == index


def test_a_gtid_of_mariadb_that_is_not_there_is_refused_where_another_has_its_number() -> None:
    found = [
        Located(each.file, each.transaction._replace(gtid=f"0-11-{number}"), None)
        for number, each in enumerate(log([0, 0, 0, 0]), 1)
    ]
    for missing in ("0-12-3", "0-99-1"):
        with pytest.raises(RestoreRefusedError, match=f"GTID {missing} is not in the archive"):
            find_stop(found, ThroughGtid(missing), Flavour.MARIADB, "")
    assert find_stop(found, ThroughGtid("0-11-3"), Flavour.MARIADB, "").transactions == 3


def test_a_transaction_whose_clock_was_set_is_no_place_to_stop_in_front_of() -> None:
    strange, *later = log([10**12, 1, 2])
    target = AtTime(moment(BEGIN + 10))
    with pytest.raises(RestoreRefusedError, match="2 behind it say that they came before"):
        refuse_wrong_clock(strange, later, target)
    refuse_wrong_clock(log([11])[0], later, target)  # by so little, transactions of one server may be out of order
    refuse_wrong_clock(strange, log([10**12]), target)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 20)), min_size=1, max_size=30), st.integers(0, 40))
def test_what_is_archived_later_does_not_change_where_a_moment_is(committed: list[tuple[int, int]], at: int) -> None:
    """Statements that took so long, committed after these pauses, in files of three that were begun in between."""
    ends = list(accumulate(pause for pause, _ in committed))
    times = [max(end - took, 0) for end, (_, took) in zip(ends, committed, strict=True)]
    found = begun(times, [0, *ends[2::3]])
    target = AtTime(moment(BEGIN + at * SECOND))
    whole = find_stop(found, target, Flavour.MARIADB, None)
    assert all(end > at for end in ends[whole.transactions :][:1] if whole.following)
    assert whole.transactions >= sum(end <= at for end in ends)
    for number, opened in enumerate([*ends[2::3]], 1):
        if at < opened:  # the first files alone go as far
            assert find_stop(found[: number * 3], target, Flavour.MARIADB, None).transactions == whole.transactions


def test_a_transaction_that_took_long_is_no_wrong_clock() -> None:
    target = AtTime(moment(BEGIN + 4 * SECOND))
    after, *later = begun([9, 1, 10], [0])
    with pytest.raises(RestoreRefusedError, match="1 behind it say that they came before"):
        refuse_wrong_clock(after, later[:1], target)
    right = begun([9, 10, 11, 12], [0, 0])
    refuse_wrong_clock(right[0], [*right[1:3], later[0]], target)
    wrong = begun([1000, 1, 10], [0])
    with pytest.raises(RestoreRefusedError, match="1 behind it say") as caught:
        refuse_wrong_clock(wrong[0], wrong[1:], target)
    assert "statements took long" in caught.value.remedy


def test_however_many_follow_a_wrong_clock_those_behind_them_are_not_left_out() -> None:
    """A clock that was a day ahead for some transactions, and was then set back."""
    day = 24 * 3600
    ahead, after = [day + number for number in range(12)], [number // 10 for number in range(3, 5000)]
    times = [number * SECOND for number in (*ahead, *after)]
    found = [replace(each, file="mysql-bin.000001", opened=moment(BEGIN)) for each in log(times, [*range(len(times))])]
    with pytest.raises(RestoreRefusedError, match="4,997 behind it say that they came before"):
        refuse_wrong_clock(found[0], found[1:], AtTime(moment(BEGIN + 1800 * SECOND)))


def test_a_file_that_ends_soon_has_its_neighbours_in_the_next() -> None:
    alone = begun([5], [1000])
    behind = [replace(each, file="mysql-bin.000002") for each in begun([6, 7, 8, 9], [0, 0])]
    with pytest.raises(RestoreRefusedError, match="4 behind it say that they came before"):
        refuse_wrong_clock(alone[0], behind, AtTime(moment(BEGIN + 100 * SECOND)))


def test_a_plan_says_where_the_last_transaction_may_be_of_after_the_moment() -> None:
    way = Way(full(0.5), "11", (segment(0),))
    known, begun_early, after = begun([1, 2, 600], [0])
    for target, last, said in ((300, begun_early, 1), (598, begun_early, 0), (300, known, 1)):
        until = AtTime(moment(BEGIN + target * SECOND))
        lines = Recovery(way, until, Stop(last, after, 1), (), None, None).lines
        assert sum("may have been committed after the target" in line for line in lines) == said
        in_mysql = Stop(replace(last, opened=None), replace(after, opened=None), 1)
        assert "committed after the target" not in str(Recovery(way, until, in_mysql, (), None, None).lines)


def test_a_file_that_was_begun_by_a_session_of_another_time_is_no_place_to_stop_at() -> None:
    first, *later = begun([1, 2, 3], [1000])
    with pytest.raises(RestoreRefusedError, match="2 behind it say that they came before"):
        refuse_wrong_clock(first, later, AtTime(moment(BEGIN + 4 * SECOND)))
