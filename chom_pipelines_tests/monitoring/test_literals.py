"""Statements are shown without what users wrote into them, however it was quoted."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chom_pipelines.monitoring.readers.literals import CUT, cut, without_literals
from chom_pipelines_tests.examples import PROFILE

SECRET = "Geheim"

_nasty = st.one_of(
    st.sampled_from([SECRET, "\\", f"{SECRET}\\"]),
    st.lists(
        st.sampled_from([SECRET, "'", '"', "\\", "*/", "/*", "--", " -- ", "#", "`", "\n", ",", ")", "$$", "$x$", "!"]),
        max_size=6,
    ).map("".join),
)
_code = st.sampled_from(
    ["SELECT", "a", "t.b", "`odd name`", "=", ",", "(", ")", "/*!40001 SQL_NO_CACHE */", "@x", "IN", "NULL", "-", "$x$"]
)


@st.composite
def _statements(draw: st.DrawFn) -> str:
    """Code and literals in turn, as a session would write them whose backslashes escape, or whose do not."""
    escapes = draw(st.booleans())
    parts = []
    for _ in range(draw(st.integers(1, 8))):
        kind = draw(st.sampled_from(["code", "text", "comment", "line", "version"]))
        content = draw(_nasty)
        if kind == "code":
            parts.append(draw(_code))
        elif kind == "text":
            quote = draw(st.sampled_from(["'", '"']))
            escaped = content.replace("\\", "\\\\") if escapes else content
            by = f"\\{quote}" if escapes and draw(st.booleans()) else quote * 2
            parts.append(draw(st.sampled_from(["", "N", "_utf8mb4 "])) + quote + escaped.replace(quote, by) + quote)
        elif kind == "comment":
            parts.append("/* " + content.replace("*/", "") + " */")
        elif kind == "version":
            parts.append("/*!99999 " + content.replace("*/", "").replace(SECRET, "") + " */")
        else:
            parts.append("-- " + content.replace("\n", "") + "\n")
    whole = " ".join(parts)
    return whole[: draw(st.integers(0, len(whole)))] if draw(st.booleans()) else whole


@settings(PROFILE, max_examples=400)
@given(_statements())
def test_nothing_that_was_quoted_or_commented_is_shown(statement: str) -> None:
    assert SECRET not in without_literals(statement)


@given(st.text(max_size=200))
def test_any_text_becomes_one_line(statement: str) -> None:
    assert "\n" not in without_literals(statement)


@given(st.integers(0, 10**12), st.floats(allow_nan=False, allow_infinity=False, min_value=0))
def test_no_number_is_shown(whole: int, fraction: float) -> None:
    assert (
        without_literals(f"SELECT * FROM t WHERE a={whole} AND b>{fraction!r}") == "SELECT * FROM t WHERE a=? AND b>?"
    )


@pytest.mark.parametrize(
    ("statement", "shown"),
    [
        ("SELECT * FROM t1 WHERE c2 = 'it''s' AND `d 3` = 0xFF", "SELECT * FROM t1 WHERE c2 = ? AND `d 3` = ?"),
        ("INSERT INTO t VALUES (1, 'a'), (2, 'b'), (-3, 'c')", "INSERT INTO t VALUES (?, …), …"),
        ("SELECT a /* why */ FROM t -- tail", "SELECT a FROM t"),
        ("SELECT /*!40001 SQL_NO_CACHE */ a FROM t", f"SELECT {CUT}"),
        (r"SELECT 'a\'b', c FROM t", f"SELECT ?{CUT}"),
        (r"SELECT 'a\', 'Geheim', 'b'", f"SELECT ?{CUT}"),
        ("SELECT $x$ a 'b $x$ Geheim'", f"SELECT {CUT}"),
        ("/*!99999 it's */ SELECT 'Geheim'", CUT),
        ("UPDATE t SET a = 'cut off he", "UPDATE t SET a = ?"),
        ("SELECT x'ab', N'a', 1.5e10, .5", "SELECT ?, ?, ?, ?"),
    ],
)
def test_what_is_left_can_be_read(statement: str, shown: str) -> None:
    assert without_literals(statement) == shown


def test_a_long_line_is_cut() -> None:
    assert (cut("a\n  b", 10), cut("abcdef", 4)) == ("a b", f"abc{CUT}")
