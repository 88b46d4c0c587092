"""The SQL of a rescue is what a person reads and runs: no name gets out of its quotes or comments."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from chom_pipelines.restores.rescue_sql import Column, ColumnType, Rescue, script

NAMES = st.text(min_size=1, max_size=20).filter(lambda name: "\0" not in name)
INT, TEXT = ColumnType("int"), ColumnType("text", "utf8mb4", "utf8mb4_bin")
EVIL = "x\nDROP DATABASE prod; -- "


def test_names_do_not_end_a_comment() -> None:
    rescue = Rescue((EVIL, EVIL), ("copy", EVIL), (EVIL,), (Column(EVIL, INT, INT), Column("b WHERE 1", TEXT, TEXT)))
    text = script(rescue, "then", (0, 0, 0), [f"left out: {EVIL}"])
    code = [line for line in text.splitlines() if line and not line.startswith("-- ")]
    assert [line.split()[0] for line in code] == ["SET", "SET", "START"]


@given(NAMES, NAMES)
def test_every_name_stands_in_quotes(key: str, column: str) -> None:
    rescue = Rescue(("a", "t"), ("b", "t"), (key,), (Column(key, INT, INT), Column(column, TEXT, TEXT)))
    for statement in (rescue.insert, rescue.update, rescue.count_missing, rescue.count_changed, rescue.count_added):
        bare = statement.replace("``", "").split("`")[::2]
        assert "DROP" not in "".join(bare)
        assert len(statement.replace("``", "").split("`")) % 2 == 1


def test_what_a_collation_takes_for_equal_is_compared_too() -> None:
    rescue = Rescue(("a", "t"), ("b", "t"), ("k",), (Column("k", TEXT, TEXT), Column("n", INT, INT)))
    assert "SHA2(l.`k`, 256) <=> SHA2(r.`k`, 256)" in rescue.count_changed
    assert "l.`k` = r.`k`" in rescue.update
    assert "l.`n` <=> r.`n`" in rescue.count_changed
