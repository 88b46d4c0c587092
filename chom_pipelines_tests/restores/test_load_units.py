from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from chom_pipelines.repository.payloads import Part, Table
from chom_pipelines.restores.load_units import Target, Unit, load_units
from chom_pipelines.restores.table_sql import SplitTable

sizes = st.lists(st.integers(0, 100), min_size=1, max_size=4)
drawn = st.tuples(sizes, st.booleans(), st.booleans(), st.booleans())


def target(number: int, sizes: list[int], *, meet: bool = False, counts: bool = False, bundled: bool = False) -> Target:
    """A table of one part a size, with an object a part, or in a bundle."""
    parts = [
        Part(
            rows=size // 10,
            bytes=size,
            digest="a" * 64,
            objects=(f"data/bundle.tar#t{number}" if bundled else f"data/{number}.{part}.tsv",),
        )
        for part, size in enumerate(sizes[:1] if bundled else sizes)
    ]
    table = Table(
        database="d",
        name=f"t{number}",
        engine="InnoDB",
        transactional=True,
        columns=("id",),
        load="(`id`)",
        key_column="id",
        parts=tuple(parts),
    )
    return Target(table, "d", SplitTable(b"", ranges_meet=meet, may_count=counts))


def paths(units: list[Unit]) -> Counter[str]:
    return Counter(
        f"{unit.bundle}#{path}" if unit.bundle else path for unit in units for load in unit.loads for path in load.paths
    )


@given(st.lists(drawn, max_size=6), st.booleans())
def test_every_object_is_loaded_once_and_the_largest_units_come_first(
    tables: list[tuple[list[int], bool, bool, bool]],
    locked: bool,  # noqa: FBT001  (drawn)
) -> None:
    targets = [
        target(number, sizes, meet=meet, counts=counts, bundled=bundled)
        for number, (sizes, meet, counts, bundled) in enumerate(tables)
    ]
    units = load_units(targets, counters_are_locked=locked)
    assert paths(units) == Counter(path for each in targets for part in each.table.parts for path in part.objects)
    assert sum(load.rows for unit in units for load in unit.loads) == sum(each.table.rows for each in targets)
    assert [unit.bytes for unit in units] == sorted((unit.bytes for unit in units), reverse=True)
    assert sum(unit.bytes for unit in units) == sum(each.table.bytes for each in targets)


def test_the_ranges_of_a_table_go_over_several_connections() -> None:
    assert len(load_units([target(0, [30, 20])], counters_are_locked=True)) == 2


def test_a_table_with_a_locked_counter_goes_over_one_connection() -> None:
    counting = [target(0, [30, 20], counts=True)]
    (unit,) = load_units(counting, counters_are_locked=True)
    # in turn, as one transaction of a whole table may be larger than a cluster takes
    assert [load.parts for load in unit.loads] == [(part,) for part in counting[0].table.parts]
    assert len(load_units(counting, counters_are_locked=False)) == 2


def test_a_table_whose_ranges_meet_goes_over_one_connection() -> None:
    assert len(load_units([target(0, [30, 20], meet=True)], counters_are_locked=False)) == 1
