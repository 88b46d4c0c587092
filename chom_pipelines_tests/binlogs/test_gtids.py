import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chom_pipelines.binlogs.format.gtid_position import GtidPosition, MariadbGtid
from chom_pipelines.binlogs.format.gtid_set import GtidCollector, GtidSet
from chom_pipelines.errors import InvalidGtidError
from chom_pipelines_tests.servers import PrivateServer

UUIDS = ("3e11fa47-71ca-11e1-9e33-c80aa9429562", "4f22fa47-71ca-11e1-9e33-c80aa9429562")
SOURCES = (*UUIDS, f"{UUIDS[0]}:a_tag", f"{UUIDS[0]}:zz", f"{UUIDS[1]}:a_tag")

gtids = st.frozensets(st.tuples(st.sampled_from(SOURCES), st.integers(1, 30)))


def _set(members: frozenset[tuple[str, int]]) -> GtidSet:
    return GtidSet.parse(",".join(f"{source}:{number}" for source, number in members))


@given(gtids, gtids)
def test_sets_of_gtids_are_sets(one: frozenset[tuple[str, int]], other: frozenset[tuple[str, int]]) -> None:
    first, second = _set(one), _set(other)
    assert first.union(second) == _set(one | other)
    assert first.difference(second) == _set(one - other)
    assert first.covers(second) == (one >= other)
    assert len(first) == len(one)
    assert bool(first) == bool(one)
    assert (first == second) == (one == other)


@given(gtids, st.randoms(use_true_random=False))
def test_the_text_of_a_set_is_canonical_and_is_read_back(
    members: frozenset[tuple[str, int]], shuffler: random.Random
) -> None:
    shuffled = sorted(members)
    shuffler.shuffle(shuffled)
    collector = GtidCollector.beginning_with(GtidSet())
    for source, number in shuffled:
        collector.add(source, number)
    assert collector.gtids() == _set(members)
    assert str(collector.gtids()) == str(_set(members))
    assert GtidSet.parse(str(_set(members))) == _set(members)


def test_mysql_agrees_about_subsets_differences_and_texts(mysql: PrivateServer) -> None:
    shuffler = random.Random(7)  # noqa: S311  (no secret)
    with mysql.connect() as session:
        for _ in range(150):
            one, other = (
                frozenset((shuffler.choice(SOURCES), shuffler.randint(1, 12)) for _ in range(shuffler.randint(0, 25)))
                for _ in range(2)
            )
            first, second = _set(one), _set(other)
            arguments = f"'{first}', '{second}'"
            row = session.rows(
                f"SELECT GTID_SUBSET({arguments}), GTID_SUBTRACT({arguments}), GTID_SUBTRACT('{first}', '')"
            )
            subset, difference, canonical = row[0]
            assert second.covers(first) == bool(subset)
            assert str(first.difference(second)) == difference.replace("\n", "")
            assert str(first) == canonical.replace("\n", "")
            assert GtidSet.parse(difference) == first.difference(second)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("", ""),
        (" , \n", ""),
        (f"{UUIDS[0].upper()}:7 :1-3:4-5,\n{UUIDS[1]}:2", f"{UUIDS[0]}:1-5:7,{UUIDS[1]}:2"),
        (f"{UUIDS[0]}:1-2:A_Tag:5:6:zz:1,{UUIDS[0]}:3", f"{UUIDS[0]}:1-3:a_tag:5-6:zz:1"),
        (f"{UUIDS[0]}:5-3", ""),
        (f"{UUIDS[0]}:1-5:3-9", f"{UUIDS[0]}:1-9"),
    ],
)
def test_whatever_servers_and_people_write_is_read(text: str, canonical: str, mysql: PrivateServer) -> None:
    assert str(GtidSet.parse(text)) == canonical
    with mysql.connect() as session:
        assert session.value(f"SELECT GTID_SUBTRACT('{text}', '')").replace("\n", "") == canonical


@pytest.mark.parametrize(
    "text",
    [
        "nonsense",
        UUIDS[0],
        f"{UUIDS[0]}:",
        f"{UUIDS[0]}:0",
        f"{UUIDS[0]}:9223372036854775807",
        f"{UUIDS[0]}:1-x",
        "1:1",
    ],
)
def test_what_is_no_set_of_gtids_is_refused(text: str) -> None:
    with pytest.raises(InvalidGtidError, match="no set of GTIDs"):
        GtidSet.parse(text)


positions = st.dictionaries(st.integers(0, 3), st.tuples(st.integers(1, 3), st.integers(1, 5)))


@given(positions, positions)
def test_a_position_covers_what_is_not_beyond_it(
    one: dict[int, tuple[int, int]], other: dict[int, tuple[int, int]]
) -> None:
    first, second = (
        GtidPosition.of(MariadbGtid(domain, server, number) for domain, (server, number) in last.items())
        for last in (one, other)
    )
    assert GtidPosition.parse(str(first)) == first
    assert first.covers(first)
    expected = all(
        domain in one and (one[domain][1] > number or one[domain] == (server, number))
        for domain, (server, number) in other.items()
    )
    assert first.covers(second) == expected


def test_a_position_advances_by_one_transaction_in_its_domain() -> None:
    position = GtidPosition.parse(" 1-1-7,\n0-1-100")
    assert str(position) == "0-1-100,1-1-7"
    assert str(position.with_gtid("0-2-101").with_gtid("5-1-1")) == "0-2-101,1-1-7,5-1-1"
    assert not GtidPosition.parse("")


@pytest.mark.parametrize("text", ["0-1", "0-1-x", "4294967296-1-1", "0-1-1,0-1-2", "0-1--1"])
def test_what_is_no_position_is_refused(text: str) -> None:
    with pytest.raises(InvalidGtidError):
        GtidPosition.parse(text)
