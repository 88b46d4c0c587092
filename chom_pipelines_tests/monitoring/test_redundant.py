"""Indexes that another one makes superfluous: none that would be missed."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from chom_pipelines.monitoring.readers.indexes import Index
from chom_pipelines.monitoring.readers.redundant import PRIMARY, Why, redundant


def index(name: str, *columns: str, unique: bool = False, reads: int | None = None) -> Index:
    return Index("shop", "orders", name, columns, unique, unique, reads, 16_384)


def found(*indexes: Index) -> list[tuple[str, str, Why]]:
    return [(each.index.name, each.by.name, each.why) for each in redundant(indexes)]


_columns = st.lists(st.sampled_from("abc"), min_size=1, max_size=3, unique=True).map(tuple)
_several = st.lists(st.tuples(_columns, st.booleans()), max_size=7).map(
    lambda drawn: [index(f"i{number}", *columns, unique=unique) for number, (columns, unique) in enumerate(drawn)]
)


@given(_several)
def test_what_stays_serves_whatever_goes_and_keeps_every_rule(indexes: list[Index]) -> None:
    gone = {each.index.name for each in redundant(indexes)}
    stay = [each for each in indexes if each.name not in gone]
    for each in indexes:
        if each.name not in gone:
            continue
        assert any(other.columns[: len(each.columns)] == each.columns for other in stay)
        if each.is_unique:
            assert any(other.is_unique and other.columns == each.columns for other in stay)


def test_a_prefix_is_superfluous_and_the_shortest_that_covers_it_is_named() -> None:
    assert found(index("a", "x"), index("b", "x", "y"), index("c", "x", "y", "z")) == [
        ("a", "b", Why.PREFIX),
        ("b", "c", Why.PREFIX),
    ]


def test_of_two_alike_one_stays_the_one_that_is_read_more() -> None:
    assert found(index("a", "x"), index("b", "x")) == [("b", "a", Why.DUPLICATE)]
    assert found(index("a", "x", reads=0), index("b", "x", reads=9)) == [("a", "b", Why.DUPLICATE)]


def test_a_unique_index_is_kept_by_a_longer_one_and_by_one_that_is_not_unique() -> None:
    assert found(index("a", "x", unique=True), index("b", "x", "y"), index("c", "x")) == [("c", "a", Why.DUPLICATE)]


def test_the_primary_key_stays_and_makes_its_copy_superfluous() -> None:
    assert found(index(PRIMARY, "id", unique=True), index("a", "id", unique=True)) == [("a", PRIMARY, Why.DUPLICATE)]


def test_the_first_characters_of_a_column_are_covered_by_all_of_it_and_not_the_other_way_round() -> None:
    assert found(index("a", "x(10)"), index("b", "x", "y")) == [("a", "b", Why.PREFIX)]
    assert found(index("a", "x"), index("b", "x(10)", "y")) == []


def test_what_is_set_apart_is_compared_with_nothing() -> None:
    indexes = [index("a", "x"), index("words", "x", "y")]
    assert list(redundant(indexes, {("shop", "orders", "words")})) == []


def test_other_tables_are_not_compared() -> None:
    other = replace(index("b", "x", "y"), table="users")
    assert list(redundant([index("a", "x"), other])) == []
