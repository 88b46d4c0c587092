"""MySQL's files may begin without the GTIDs of transactions that are in the file before: that is no gap."""

from __future__ import annotations

import pytest

from chom_pipelines.binlogs.archive.chain import chained
from chom_pipelines.binlogs.archive.segments import Segment
from chom_pipelines.server.facts import Flavour
from chom_pipelines_tests.binlogs.segments import segment

UUID = "51c53387-e94f-11f1-bafe-02fc00000001"


def files(*gtids: tuple[str, str]) -> list[Segment]:
    """Files that begin and end after these."""
    return [
        segment(number, flavour=Flavour.MYSQL, before=f"{UUID}:{before}", after=f"{UUID}:{after}")
        for number, (before, after) in enumerate(gtids)
    ]


def test_transactions_in_flight_at_a_rotation_are_found_and_are_no_gap() -> None:
    chain = chained(files(("1-10", "1-20"), ("1-19", "1-19:21-30"), ("1-30", "1-40")), {})
    assert not chain.gaps
    assert [(each.before, each.after) for each in chain.runs[0].segments] == [
        (f"{UUID}:1-10", f"{UUID}:1-20"),
        (f"{UUID}:1-20", f"{UUID}:1-30"),
        (f"{UUID}:1-30", f"{UUID}:1-40"),
    ]


def test_an_archive_may_begin_behind_such_a_rotation() -> None:
    chain = chained(files(("1-19", "1-19:21-30"), ("1-30", "1-40")), {})
    assert not chain.gaps
    assert [each.before for each in chain.runs[0].segments] == [f"{UUID}:1-20", f"{UUID}:1-30"]


@pytest.mark.parametrize(
    "following",
    [
        ("1-9", "1-9:21-30"),  # it lacks what is in no file before it but the first
        ("1-21", "1-30"),  # somebody has executed what is in no file
        ("1-15", "1-17"),  # it writes again what the file before has
        ("1-20:25", "1-30"),  # later than all that was executed
    ],
)
def test_what_no_rotation_explains_is_a_gap(following: tuple[str, str]) -> None:
    (gap,) = chained(files(("1-10", "1-20"), following), {}).gaps
    assert "goes on after" in gap.why


def test_segments_of_one_file_go_on_exactly() -> None:
    whole, begun, rest = files(("1-10", "1-20"), ("1-19", "1-19:21-25"), ("1-19:21-25", "1-19:21-30"))
    begun = segment(1, flavour=begun.flavour, before=begun.before, after=begun.after, complete=False, end=600)
    rest = segment(1, flavour=rest.flavour, before=rest.before, after=rest.after, start=600)
    chain = chained([whole, begun, rest], {})
    assert not chain.gaps
    assert chain.runs[0].last.after == f"{UUID}:1-30"
