import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chom_pipelines.logical.rendering import Column, Escape, cheapest_escape, load_clause, may_exceed, row_expression
from chom_pipelines.server.wire import ExpectedCounts

NUMBER = Column("n", "int", nullable=False)
TEXT = Column("t", "varchar", nullable=False, character_bytes=400)
MAYBE = Column("m", "varchar", nullable=True, character_bytes=400)
LONG = Column("l", "longtext", nullable=False)
BYTES = Column("b", "varbinary", nullable=False, character_bytes=400)
KIND = Column("k`d", "enum", nullable=False)


@pytest.mark.parametrize(
    ("columns", "escape"),
    [
        ((NUMBER,), Escape.NONE),
        ((NUMBER, TEXT), Escape.NONE),
        ((NUMBER, TEXT, MAYBE), Escape.BACKSLASH),  # NULL is written with a backslash
        ((TEXT, LONG), Escape.NONE),
        ((TEXT, BYTES), Escape.FULL),  # bytes hold separators sooner or later
    ],
)
def test_the_cheapest_rendering_that_can_be_proved_comes_first(columns: tuple[Column, ...], escape: Escape) -> None:
    assert cheapest_escape(columns) is escape


def test_a_row_that_may_overflow_becomes_null_and_never_loses_a_column() -> None:
    assert may_exceed((LONG,), 1 << 24)
    assert not may_exceed((NUMBER, TEXT, MAYBE), 1 << 24)
    rendered = row_expression((NUMBER, LONG), Escape.FULL, overflow=True)
    assert rendered.startswith("CONCAT(")  # NULL in, NULL out; CONCAT_WS would leave the column out
    assert "OCTET_LENGTH(`l`)" in rendered


def test_members_of_enum_go_by_their_numbers() -> None:
    assert "CAST(`k``d` AS UNSIGNED)" in row_expression((KIND,), Escape.FULL, overflow=False)
    assert load_clause((NUMBER, KIND)) == "(`n`, @v1) SET `k``d` = CAST(@v1 AS UNSIGNED)"


lines = st.lists(st.lists(st.text("ab\t\n\\", max_size=6), min_size=3, max_size=3), min_size=1, max_size=8)


@given(lines)
def test_the_count_of_separators_tells_when_something_should_have_been_escaped(rows: list[list[str]]) -> None:
    block = "".join("\t".join(row) + "\n" for row in rows).encode()
    clean = not any(re.search(r"[\t\n\\]", field) for row in rows for field in row)
    assert ExpectedCounts(2, counts_separators=True, counts_backslashes=True).holds(block, len(rows)) == clean
