"""The chain of segments finds every break, and none where there is none."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chom_pipelines.binlogs.archive.chain import chained
from chom_pipelines.binlogs.archive.segments import FIRST, Identity, Segment
from chom_pipelines_tests.binlogs.segments import SIZE, at, segment


def _cut(whole: Segment, *places: int) -> list[Segment]:
    """One file in several segments."""
    ends = [FIRST, *places, whole.end]
    pieces = []
    for number, (start, end) in enumerate(pairwise(ends)):
        last = end == whole.end
        pieces.append(
            replace(
                whole,
                id=f"binlog_{whole.file}_{start:012d}",
                start=start,
                end=end,
                complete=last,
                following=whole.following if last else None,
                before=whole.before if number == 0 else f"{whole.before}.{number}",
                after=whole.after if last else f"{whole.before}.{number + 1}",
            )
        )
    return pieces


@given(st.permutations(range(5)), st.lists(st.integers(FIRST + 1, SIZE - 1), unique=True, max_size=3))
def test_segments_that_follow_each_other_are_one_run_in_whatever_order_they_are_found(
    order: list[int], places: list[int]
) -> None:
    whole = [segment(number) for number in order]
    pieces = [each for one in whole for each in (_cut(one, *sorted(places)) if one.number == 2 else [one])]
    chain = chained(pieces, {})
    assert len(chain.runs) == 1
    assert chain.gaps == ()
    assert chain.runs[0].last.number == 4
    assert [(each.number, each.start) for each in chain.runs[0].segments] == sorted(
        (each.number, each.start) for each in pieces
    )


@given(st.sets(st.integers(0, 7), min_size=1))
def test_whatever_is_missing_is_a_gap_and_nothing_else_is(there: set[int]) -> None:
    chain = chained([segment(number) for number in there], {})
    missing = {number for number in range(min(there), max(there)) if number not in there}
    named = {number for gap in chain.gaps for number in range(gap.after.number + 1, gap.before.number)}
    assert named == missing
    assert len(chain.runs) == len(chain.gaps) + 1


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"number": 3}, "mysql-bin.000002 is missing"),
        ({"number": 5}, "mysql-bin.000002 to mysql-bin.000004 are missing"),
        ({"start": 200}, "mysql-bin.000002 is missing up to 200"),
        ({"before": "0-12-20"}, "ends after the GTIDs 0-11-20, and mysql-bin.000002 goes on after 0-12-20"),
        ({"before": ""}, "goes on after (none)"),
        ({"identity": Identity(12, None)}, "mysql-bin.000002 is of another server (server id 12)"),
        ({"identity": Identity(11, "f00")}, "is of another server (server id 11, f00)"),
    ],
)
def test_each_kind_of_break_is_named(changes: dict[str, object], why: str) -> None:
    number = changes.pop("number", 2)
    assert isinstance(number, int)
    chain = chained([segment(1), segment(number, **changes)], {})
    (gap,) = chain.gaps
    assert why in gap.why
    assert [len(run.segments) for run in chain.runs] == [1, 1]


def test_a_file_that_was_not_archived_to_its_end_breaks_the_chain() -> None:
    chain = chained([segment(1, complete=False, following=None, end=400), segment(2)], {})
    assert [gap.why for gap in chain.gaps] == ["mysql-bin.000001 is missing from 400 on"]


def test_a_file_that_names_another_one_as_the_next_breaks_the_chain() -> None:
    chain = chained([segment(1, following="mysql-bin.000009"), segment(2)], {})
    assert "mysql-bin.000001 says that mysql-bin.000009 follows" in chain.gaps[0].why


def test_a_file_that_followed_another_one_of_the_same_name_breaks_the_chain() -> None:
    """Where two servers have the same ids and as many transactions, nothing else tells."""
    chain = chained([segment(1, head="f" * 64), segment(2)], {})
    assert "mysql-bin.000001 is another file of that name than the one that mysql-bin.000002 followed" in (
        chain.gaps[0].why
    )


def test_pieces_of_one_file_that_are_apart_overlap_or_are_of_another_file_break_the_chain() -> None:
    first, second = _cut(segment(1), 400)
    for changed, why in (
        (replace(second, start=500), "mysql-bin.000001 from 400 to 500 is missing"),
        (replace(second, start=300), "mysql-bin.000001 from 300 to 400 is there twice"),
        (replace(second, head="f" * 64), "is of another file of that name"),
    ):
        assert why in chained([first, changed], {}).gaps[0].why


def test_events_that_the_server_lost_break_the_chain() -> None:
    chain = chained([segment(1, incidents=1), segment(2)], {})
    assert "the server lost events in mysql-bin.000001" in chain.gaps[0].why


def test_a_server_that_crashed_and_closed_nothing_by_name_leaves_no_gap() -> None:
    assert chained([segment(1, following=None), segment(2)], {}).gaps == ()


def test_what_cannot_be_used_is_named_in_the_gap_that_it_leaves_and_in_no_other() -> None:
    damaged = segment(2).id
    chain = chained([segment(number) for number in (1, 3, 5)], {damaged: "its SHA-256 is another"})
    assert [damaged in gap.why for gap in chain.gaps] == [True, False]
    assert chain.gaps[0].remedy.startswith(f"move {damaged} out of the repository")
    assert chain.gaps[1].remedy.startswith("take a full backup")


def test_files_are_ordered_by_number_also_beyond_a_million() -> None:
    names = [f"mysql-bin.{number}" for number in (999998, 999999, 1000000, 1000001)]
    files = [
        segment(
            1,
            file=name,
            following=following,
            before=f"0-11-{index}",
            after=f"0-11-{index + 1}",
            opened=at(index),
            previous=None,
        )
        for index, (name, following) in enumerate(zip(names, [*names[1:], "mysql-bin.1000002"], strict=True))
    ]
    assert chained(reversed(files), {}).gaps == ()
