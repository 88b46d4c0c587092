from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chom_pipelines.server.connection import Session
from chom_pipelines.server.identifiers import account, literal, qualified, quote
from chom_pipelines_tests.examples import SHARING
from chom_pipelines_tests.servers import PrivateServer

MODES = ("", "NO_BACKSLASH_ESCAPES", "ANSI_QUOTES", "ANSI_QUOTES,NO_BACKSLASH_ESCAPES", "PIPES_AS_CONCAT")
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
NAME = st.text(st.characters(exclude_categories=["Cs", "Cc"], max_codepoint=0xFFFF), min_size=1, max_size=60).filter(
    lambda name: name == name.strip(),  # servers strip an alias
)


@pytest.fixture(scope="module")
def session(any_server: PrivateServer) -> Iterator[Session]:
    with any_server.connect() as session:
        yield session


@pytest.mark.parametrize("mode", MODES)
@settings(SHARING, max_examples=60)
@given(text=TEXT | st.sampled_from(["\\", "\\'", "'", '"', "\0", "\x1a", "%s", "\n\r\t", "é😀", "''", "--", "/*!"]))
def test_a_literal_means_its_text_in_every_sql_mode(session: Session, mode: str, text: str) -> None:
    session.execute(f"SET SESSION sql_mode = '{mode}'")
    assert session.value(f"SELECT {literal(text)}") == text


@settings(SHARING, max_examples=60)
@given(name=NAME | st.sampled_from(["`", "a`b", "``", "select", "a.b", "é", "a'b", '"']))
def test_a_quoted_name_is_that_name(session: Session, name: str) -> None:
    (row,) = session.dicts(f"SELECT 1 AS {quote(name)}")
    assert list(row) == [name]


def test_qualified_names_and_accounts_are_quoted_part_by_part() -> None:
    assert qualified("a`b", "c.d") == "`a``b`.`c.d`"
    assert account("o'brien", "%") == "`o'brien`@`%`"
    assert account("role", None) == "`role`"


def test_a_server_takes_an_account_as_it_is_quoted(server: PrivateServer) -> None:
    odd = account("o'br`ien \\", "10.%")
    with server.connect() as root:
        root.execute(f"CREATE USER {odd}")
        try:
            assert "GRANT USAGE" in str(root.rows(f"SHOW GRANTS FOR {odd}"))
        finally:
            root.execute(f"DROP USER {odd}")
