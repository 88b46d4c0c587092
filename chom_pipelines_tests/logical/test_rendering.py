"""Every way to render a row gives text from which LOAD DATA, and its manual, read exactly what is stored."""

from __future__ import annotations

from collections.abc import Iterable

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chom_pipelines.logical.catalog import Catalog, TableInfo
from chom_pipelines.logical.columns import Escape, load_clause, load_statement
from chom_pipelines.logical.queries import Reading, reading
from chom_pipelines.logical.ranges import Range
from chom_pipelines.logical.snapshot import STATEMENTS
from chom_pipelines.server.connection import Session
from chom_pipelines.server.wire import Block, ExpectedCounts, UnfitRowError, load, rendered_rows, separate_rows
from chom_pipelines_tests.logical.textfile import rows_of
from chom_pipelines_tests.servers import PrivateServer

PACKET = 1 << 24
Row = tuple[str | None, str, str | None, bytes | None, bytes]

texts = st.text("ab\\\t\n\r\0\x1aNtn0'\"é💾%", max_size=9) | st.sampled_from(["NULL", "\\N", "\\\\N", ""])
blobs = st.binary(max_size=9) | texts.map(str.encode)
some_rows = st.lists(st.tuples(st.none() | texts, texts, st.none() | texts, st.none() | blobs, blobs), max_size=6)
plain_rows = st.lists(st.tuples(texts, texts), min_size=1, max_size=6)
several = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

SHORT = "a VARCHAR(40) NULL, b VARCHAR(40) NOT NULL, c CHAR(40) NULL, d VARBINARY(60) NULL, e VARBINARY(60) NOT NULL"
LONG = "a TEXT NULL, b LONGTEXT NOT NULL, c MEDIUMTEXT NULL, d BLOB NULL, e LONGBLOB NOT NULL"
PLAIN = "a VARCHAR(40) NOT NULL, b CHAR(40) NOT NULL"


def joined(blocks: Iterable[Block]) -> bytes:
    return b"".join(block.data for block in blocks)


def as_bytes(rows: Iterable[tuple[str | bytes | None, ...]]) -> list[list[bytes | None]]:
    return [
        [str(number).encode(), *(value.encode() if isinstance(value, str) else value for value in row)]
        for number, row in enumerate(rows)
    ]


def never() -> None:
    """The results here are too short to be interrupted."""


class Renderings:
    """A table that is filled again for every example, and its twin."""

    def __init__(self, server: PrivateServer, columns: str) -> None:
        self.database = server.fresh_database()
        self.session = server.connect()
        for name in ("t", "twin"):
            self.session.execute(
                f"CREATE TABLE {self.database}.{name} (id INT PRIMARY KEY, {columns}) CHARACTER SET utf8mb4"
            )
        catalog = Catalog(self.session, server.facts, (self.database,))
        self.info: TableInfo = next(table for table in catalog.tables() if table.name == "t")
        for statement in STATEMENTS:
            self.session.execute(statement)

    def __enter__(self) -> Session:
        return self.session

    def __exit__(self, *_: object) -> None:
        self.session.close()

    def fill(self, rows: Iterable[tuple[str | bytes | None, ...]]) -> None:
        self.session.execute(f"DELETE FROM {self.database}.t")
        for number, row in enumerate(rows):
            marks = ", ".join("%s" if not isinstance(value, bytes) else "_binary %s" for value in row)
            self.session.execute(f"INSERT INTO {self.database}.t VALUES ({number}, {marks})", row)

    @property
    def how(self) -> Reading:
        return reading(self.info, Range(), PACKET)

    def reload(self, text: bytes) -> None:
        self.session.execute(f"DELETE FROM {self.database}.twin")
        statement = load_statement(f"{self.database}.twin", load_clause(self.info.columns), "x")
        load(self.session, statement, iter([text]), lambda _: None)
        assert self.session.warnings() == []
        table, twin = (
            self.session.rows(f"SELECT id, HEX(a), HEX(b), HEX(c), HEX(d), HEX(e) FROM {self.database}.{name}")
            for name in ("t", "twin")
        )
        assert table == twin


def check_every_rendering(server: PrivateServer, columns: str, rows: list[list[Row]]) -> None:
    renderings = Renderings(server, columns)
    with renderings as session:
        for example in rows:
            renderings.fill(example)
            full = renderings.how.attempts[-1]
            assert not full.counts_separators
            anything = ExpectedCounts(full.tabs_a_row, counts_separators=False, counts_backslashes=False)
            text = joined(rendered_rows(session, full.sql, anything, never))
            assert rows_of(text) == as_bytes(example)
            assert joined(separate_rows(session, renderings.how.separate, renderings.how.escaped)) == text
            renderings.reload(text)


examples = st.lists(some_rows, min_size=10, max_size=10)
few = settings(several, max_examples=25)


@given(rows=examples)
@few
def test_short_columns(server: PrivateServer, rows: list[list[Row]]) -> None:
    check_every_rendering(server, SHORT, rows)


@given(rows=examples)
@few
def test_long_columns(server: PrivateServer, rows: list[list[Row]]) -> None:
    check_every_rendering(server, LONG, rows)


@given(examples=st.lists(plain_rows, min_size=20, max_size=20))
@few
def test_a_cheap_rendering_is_right_or_refused(server: PrivateServer, examples: list[list[tuple[str, str]]]) -> None:
    renderings = Renderings(server, PLAIN)
    with renderings as session:
        cheap, full = renderings.how.attempts
        for rows in examples:
            renderings.fill(rows)
            everything = ExpectedCounts(full.tabs_a_row, full.counts_separators, full.counts_backslashes)
            wanted = joined(rendered_rows(session, full.sql, everything, never))
            assert rows_of(wanted) == as_bytes(rows)
            special = any(set("\\\t\n") & set(a + b) for a, b in rows)
            try:
                expected = ExpectedCounts(cheap.tabs_a_row, cheap.counts_separators, cheap.counts_backslashes)
                assert joined(rendered_rows(session, cheap.sql, expected, never)) == wanted
                assert not special
            except UnfitRowError:
                assert special


@given(examples=st.lists(st.lists(st.tuples(st.none() | texts, texts), min_size=1), min_size=20, max_size=20))
@few
def test_a_cheap_rendering_of_long_and_missing_text_is_right_or_refused(
    server: PrivateServer, examples: list[list[tuple[str | None, str]]]
) -> None:
    renderings = Renderings(server, "a MEDIUMTEXT NULL, b TEXT NOT NULL")
    with renderings as session:
        cheap, full = renderings.how.attempts
        expected = ExpectedCounts(cheap.tabs_a_row, cheap.counts_separators, cheap.counts_backslashes)
        anything = ExpectedCounts(full.tabs_a_row, full.counts_separators, full.counts_backslashes)
        for rows in examples:
            renderings.fill(rows)
            special = any(set("\t\n") & set((a or "") + b) for a, b in rows)
            try:
                text = joined(rendered_rows(session, cheap.sql, expected, never))
                assert rows_of(text) == as_bytes(rows)
                assert text == joined(rendered_rows(session, full.sql, anything, never))
                assert not special
            except UnfitRowError:
                assert special


def test_the_full_rendering_is_always_the_last(server: PrivateServer) -> None:
    for columns in (SHORT, LONG, PLAIN):
        renderings = Renderings(server, columns)
        with renderings:
            assert [attempt.counts_separators for attempt in renderings.how.attempts][-1] is False
    assert Escape.FULL.value == ("\\", "\t", "\n")
