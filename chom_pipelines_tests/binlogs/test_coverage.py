"""What has all of a time, and why nothing has."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chom_pipelines.binlogs.archive.chain import Chain, chained
from chom_pipelines.binlogs.archive.coverage import Span, covering
from chom_pipelines.binlogs.archive.segments import Segment
from chom_pipelines.errors import ArchiveBehindError, NotArchivedError
from chom_pipelines_tests.binlogs.segments import at, segment

SECOND = 1 / 3600


def chain(*segments: Segment) -> Chain:
    return chained(segments, {})


def numbers(chains: list[Chain], start: float, end: float) -> list[int]:
    """Of the files that have the time between."""
    return [each.number for each in covering(chains, Span(at(start), at(end)))]


def test_the_files_of_an_hour_are_those_that_were_written_in_it() -> None:
    six = [chain(*map(segment, range(6)))]
    assert numbers(six, 2.5, 4.5) == [2, 3, 4]
    assert numbers(six, 2 + 2 * SECOND, 3) == [2]
    assert numbers(six, 2, 3) == [1, 2]  # the file before ends within that second


def test_pieces_of_one_file_are_told_apart_by_their_ends() -> None:
    pieces = [
        segment(
            1,
            start=4 + 100 * number,
            end=104 + 100 * number,
            as_of=at(1.5 + number),
            before=f"0-11-{number}",
            after=f"0-11-{number + 1}",
            complete=False,
        )
        for number in range(4)
    ]
    found = covering([chain(*pieces)], Span(at(2.6), at(3.4)))
    assert [each.start for each in found] == [204]


@pytest.mark.parametrize(
    ("start", "end", "why"),
    [
        (0.5, 1.5, "the archive begins at 2026-01-02 01:00:00; of the time before, only full backups can be restored"),
        (2.5, 3.5, r"mysql-bin.000003 is missing; no moment after 2026-01-02 03:00:00 can be restored but from a full"),
        (3.2, 3.8, "mysql-bin.000003 is missing"),
        (2.5, 9.0, "mysql-bin.000003 is missing"),
    ],
)
def test_what_is_lost_is_named_with_its_cost(start: float, end: float, why: str) -> None:
    with pytest.raises(NotArchivedError, match=why) as caught:
        numbers([chain(*(segment(number) for number in (1, 2, 4, 5)))], start, end)
    assert not caught.value.retryable


def test_what_is_not_there_yet_may_be_tried_again() -> None:
    with pytest.raises(ArchiveBehindError, match="the archive ends at 2026-01-02 06:00:01 by the server's clock"):
        numbers([chain(*map(segment, range(6)))], 5.5, 6.5)


def test_of_a_file_that_was_begun_anew_nothing_is_taken_for_the_other() -> None:
    old = chain(*map(segment, range(3)))
    new = chain(*(segment(number, history="11.2", opened=at(number + 5), as_of=at(number + 6)) for number in range(3)))
    assert numbers([old, new], 1.5, 2.5) == [1, 2]
    assert numbers([old, new], 5.5, 7.5) == [0, 1, 2]
    with pytest.raises(NotArchivedError, match=r"the server began its files anew.*: mysql-bin.000000 from 4 to"):
        numbers([old, new], 2.5, 5.5)


def test_a_piece_from_the_middle_of_a_file_has_nothing_of_before() -> None:
    with pytest.raises(NotArchivedError, match="the archive begins at 2026-01-02 03:00:01"):
        numbers([chain(segment(2, start=500))], 2.2, 2.8)


def test_of_an_empty_archive_is_said_that_nothing_is_there() -> None:
    with pytest.raises(NotArchivedError, match="nothing is"):
        numbers([], 1, 2)


@given(st.sets(st.integers(0, 9), max_size=10), st.integers(0, 39), st.integers(1, 12))
def test_a_time_is_covered_exactly_where_every_file_that_was_written_in_it_is_there(
    files: set[int], quarter: int, length: int
) -> None:
    start, end = quarter / 4, (quarter + length) / 4
    expected = all(file in files for file in range(int(start), -(-(quarter + length) // 4)))
    try:
        found = numbers([chain(*map(segment, files))], start, end)
    except NotArchivedError:
        assert not expected
    else:
        assert expected
        assert set(found) >= set(range(int(start), -(-(quarter + length) // 4)))
