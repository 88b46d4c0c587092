"""Every way to render a row gives text from which LOAD DATA, and its manual, read exactly what is stored."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chom_pipelines.errors import ServerError
from chom_pipelines.logical.catalog import Catalog
from chom_pipelines.logical.queries import Reading, reading
from chom_pipelines.logical.ranges import Range
from chom_pipelines.logical.rendering import Escape, load_clause, load_statement
from chom_pipelines.logical.snapshot import STATEMENTS
from chom_pipelines.logical.tables import TableInfo
from chom_pipelines.server.connection import Session
from chom_pipelines.server.upload import load
from chom_pipelines.server.wire import Block, ExpectedCounts, UnfitRowError, rendered_rows, separate_rows
from chom_pipelines_tests.examples import SHARING
from chom_pipelines_tests.logical.taking import filled
from chom_pipelines_tests.logical.textfile import rows_of
from chom_pipelines_tests.servers import PrivateServer

PACKET = 1 << 24
Row = tuple[str | None, str, str | None, bytes | None, bytes]

texts = st.text("ab\\\t\n\r\0\x1aNtn0'\"é💾%", max_size=9) | st.sampled_from(["NULL", "\\N", "\\\\N", ""])
blobs = st.binary(max_size=9) | texts.map(str.encode)
some_rows = st.lists(st.tuples(st.none() | texts, texts, st.none() | texts, st.none() | blobs, blobs), max_size=6)
plain_rows = st.lists(st.tuples(texts, texts), min_size=1, max_size=6)
several = settings(SHARING, max_examples=40)

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


@pytest.mark.parametrize(("kind", "form"), [("FLOAT", "<f"), ("DOUBLE", "<d")])
def test_every_number_has_one_text_which_is_exact(server: PrivateServer, kind: str, form: str) -> None:
    random = Random(f"{kind} of any bits")  # noqa: S311  (no secret)
    numbers = {1.719426439093941e-09, -1.1551457405870449e-26, -0.0, 5e-324, 1e-45, 1e15, 1e16, 1 / 3}
    while len(numbers) < 5_000:
        (number,) = struct.unpack(form, random.randbytes(struct.calcsize(form)))
        numbers |= {number} if math.isfinite(number) else set()
    database = server.fresh_database()
    columns = f"id INT PRIMARY KEY, a {kind} NULL, b {kind} NOT NULL, c LONGTEXT NULL"
    with server.connect() as session:
        session.execute(f"USE {database}")
        for name in ("t", "twin"):
            session.execute(f"CREATE TABLE {name} ({columns})")
        session.execute(f"INSERT INTO t VALUES {', '.join(f'({at}, {n!r}, {n!r}, 1)' for at, n in enumerate(numbers))}")
        for statement in STATEMENTS:
            session.execute(statement)
        table = next(each for each in Catalog(session, server.facts, (database,)).tables() if each.name == "t")
        how = reading(table, Range(), PACKET)
        anything = ExpectedCounts(0, counts_separators=False, counts_backslashes=False)
        texts = {joined(rendered_rows(session, attempt.sql, anything, never)) for attempt in how.attempts}
        text = joined(separate_rows(session, how.separate, how.escaped))
        assert texts == {text}
        for at, (_, a, b, _) in enumerate(rows_of(text)):
            assert a == b, at
        load(session, load_statement("twin", load_clause(table.columns), "x"), iter([text]), lambda _: None)
        sums = session.rows("CHECKSUM TABLE t, twin EXTENDED")
        assert sums[0][1] == sums[1][1]


def test_rows_without_an_order_are_given_one(mariadb: PrivateServer) -> None:
    database = mariadb.fresh_database()
    columns = "a INT NULL, f FLOAT NULL, t TEXT NULL, b LONGBLOB NULL"
    with mariadb.connect() as session:
        session.execute(f"USE {database}")
        for name in ("t", "twin"):
            session.execute(f"CREATE TABLE {name} ({columns}, UNIQUE KEY (a)) ENGINE=Aria")
        filled(session, "t", 300, "NULLIF(n, 7), NULLIF(n % 3, 1) / 7, REPEAT('x', (n * 7919) % 900), NULLIF(n % 2, 0)")
        session.execute("INSERT INTO twin SELECT * FROM t ORDER BY SHA1(a)")
        for statement in STATEMENTS:
            session.execute(statement)
        texts = [
            joined(separate_rows(session, how.separate, how.escaped))
            for table in Catalog(session, mariadb.facts, (database,)).tables()
            for how in [reading(table, Range(), PACKET)]
        ]
        assert texts[0] == texts[1]
        assert texts[0].count(b"\n") == 300


@pytest.mark.parametrize(
    "key",
    ["(a, b)", "(a DESC, b)", "(b, a DESC)", "(t(4), b)", "(b) USING HASH"],
)
@pytest.mark.parametrize("engine", ["InnoDB", "MyISAM", "MEMORY"])
def test_rows_are_never_sorted(server: PrivateServer, key: str, engine: str) -> None:
    database = server.fresh_database()
    text = "VARCHAR(9)" if engine == "MEMORY" else "TEXT"
    with server.connect() as session:
        session.execute(f"USE {database}")
        columns = f"a INT NOT NULL, b INT NOT NULL, t {text} NOT NULL"
        try:
            session.execute(f"CREATE TABLE t ({columns}, PRIMARY KEY {key}) ENGINE={engine}")
        except ServerError:
            assert not server.facts.is_mariadb
            assert "DESC" in key  # which MySQL has in InnoDB only
            return
        session.execute("INSERT INTO t VALUES (1, 1, 'a'), (2, 2, 'b'), (3, 3, 'c')")
        (table,) = Catalog(session, server.facts, (database,)).tables()
        for attempt in reading(table, Range(), PACKET).attempts:
            assert "filesort" not in str(session.rows(f"EXPLAIN {attempt.sql}"))
