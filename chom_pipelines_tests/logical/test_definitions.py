import pytest
from hypothesis import given
from hypothesis import strategies as st

from chom_pipelines.errors import DamagedError
from chom_pipelines.logical.definitions import Context, Definition, in_dependency_order, parsed, written

names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=64)
definitions = st.lists(
    st.builds(
        Definition,
        kind=st.sampled_from(["table", "view", "trigger", "procedure"]),
        database=names,
        name=names,
        statement=st.binary(max_size=200) | st.just(b'BEGIN\n-- chom {"kind": "table"}\nDELIMITER ;;\nEND;;'),
        context=st.builds(Context, sql_mode=st.none() | st.just("ANSI"), time_zone=st.none() | st.just("UTC")),
        parent=names,
    ),
    max_size=5,
)


@given(definitions)
def test_definitions_come_back_whatever_bytes_they_hold(given_definitions: list[Definition]) -> None:
    assert parsed(b"".join(written(given_definitions)), "file") == given_definitions


def test_a_file_that_ends_inside_a_header_is_damaged() -> None:
    whole = b"".join(written([Definition("table", "d", "t", b"CREATE TABLE t (i int)")]))
    with pytest.raises(DamagedError, match="file: cannot be read at byte"):
        parsed(whole.replace(b'"bytes"', b'"bites"'), "file")


def test_a_counter_that_moves_is_no_change_and_a_column_is_one() -> None:
    def table(text: bytes) -> Definition:
        return Definition("table", "d", "t", b"CREATE TABLE `t` (\n  `id` int\n) ENGINE=InnoDB" + text)

    assert table(b" AUTO_INCREMENT=5 DEFAULT CHARSET=latin1").shape == table(b" DEFAULT CHARSET=latin1").shape
    assert table(b" AUTO_INCREMENT=5").counter == 5
    assert table(b" COMMENT='x'").shape != table(b"").shape


@given(st.permutations(range(6)))
def test_a_view_comes_after_the_views_that_it_names(order: list[int]) -> None:
    views = [
        Definition("view", "d", f"v{number}", f"CREATE VIEW `v{number}` AS select 1 from `v{number - 1}`".encode())
        for number in order
    ]
    assert [view.name for view in in_dependency_order(views)] == [f"v{number}" for number in range(6)]


def test_views_that_seem_to_name_one_another_are_all_there() -> None:
    views = [Definition("view", "d", name, b"CREATE VIEW x AS select `a`, `b` from t") for name in ("a", "b")]
    assert sorted(view.name for view in in_dependency_order(views)) == ["a", "b"]
