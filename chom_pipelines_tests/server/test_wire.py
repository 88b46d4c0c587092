"""Rows read and loaded below the driver's cursor: every size, every ending, and a connection that can be used after."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chom_pipelines.errors import ChomError, ConnectionFailedError, ServerError
from chom_pipelines.server import wire
from chom_pipelines.server.connection import Session
from chom_pipelines.server.packets import BLOCK
from chom_pipelines.server.upload import load
from chom_pipelines.server.wire import Block, ExpectedCounts, UnfitRowError, rendered_rows, separate_rows
from chom_pipelines_tests.examples import SHARING
from chom_pipelines_tests.servers import PrivateServer

ANYTHING = ExpectedCounts(0, counts_separators=False, counts_backslashes=False)
NO_TABS = ExpectedCounts(0, counts_separators=True, counts_backslashes=False)
FEW = settings(SHARING, max_examples=40)
AT_THE_EDGES = (
    *(0, 1, 250, 251, 252, 65_535, 65_536, BLOCK - 1, BLOCK, BLOCK + 1),
    *(BLOCK + (1 << 16) - 9, BLOCK + (1 << 16), 3 * BLOCK),
    *(0xFFFFFF - 5, 0xFFFFFF - 4, 0xFFFFFF - 3, 0xFFFFFF, 0xFFFFFF + 1, 0xFFFFFF + 2),
)
"""Where the length's length, a block, the buffer and the packet end."""


def never() -> None:
    raise AssertionError("nothing was to be interrupted")


def killer(server: PrivateServer, session: Session) -> Callable[[], None]:
    def kill() -> None:
        with server.connect() as other:
            other.execute(f"KILL QUERY {session.id}")

    return kill


def numbers(count: int) -> str:
    digits = " UNION ALL ".join(f"SELECT {digit} AS d" for digit in range(10))
    places = range(len(str(count - 1)))
    number = " + ".join(f"{10**place} * t{place}.d" for place in places)
    tables = ", ".join(f"({digits}) t{place}" for place in places)
    return f"(SELECT {number} AS n FROM {tables}) numbers WHERE n < {count} ORDER BY n"


def joined(blocks: Iterable[Block]) -> tuple[bytes, int]:
    pieces = list(blocks)
    assert all(len(piece.data) <= 2 * BLOCK + (1 << 17) for piece in pieces)
    return b"".join(piece.data for piece in pieces), sum(piece.rows for piece in pieces)


@pytest.fixture(params=["socket", "tcp"])
def session(request: pytest.FixtureRequest, server: PrivateServer) -> Iterator[Session]:
    with Session(server.root if request.param == "socket" else server.backup) as opened:
        yield opened


def test_values_of_every_size_arrive_as_they_are(session: Session) -> None:
    sql = " UNION ALL ".join(f"SELECT REPEAT('v', {size})" for size in AT_THE_EDGES)
    wanted = hashlib.sha256()
    for size in AT_THE_EDGES:
        wanted.update(b"v" * size + b"\n")
    for rows in (rendered_rows(session, sql, ANYTHING, never), separate_rows(session, sql, (True,))):
        found, count = hashlib.sha256(), 0
        for block in rows:
            found.update(block.data)
            count += block.rows
        assert (count, found.digest()) == (len(AT_THE_EDGES), wanted.digest())
    assert session.value("SELECT 7") == 7


def test_several_long_values_in_a_row_arrive_as_they_are(session: Session) -> None:
    sizes = (3, 0xFFFFFF, 0, 2 * BLOCK)
    sql = "SELECT " + ", ".join(f"REPEAT('{letter}', {size})" for letter, size in zip("abcd", sizes, strict=True))
    line = b"\t".join(letter * size for letter, size in zip((b"a", b"b", b"c", b"d"), sizes, strict=True)) + b"\n"
    assert joined(separate_rows(session, f"{sql} UNION ALL {sql}", (True,) * 4)) == (line * 2, 2)
    assert session.value("SELECT 7") == 7


def test_many_short_rows_arrive_in_order(session: Session) -> None:
    sql = f"SELECT IF(n % 1000, n, REPEAT('x', n DIV 100)) FROM {numbers(60_000)}"
    lines = [str(n).encode() if n % 1000 else b"x" * (n // 100) for n in range(60_000)]
    text = b"".join(line + b"\n" for line in lines)
    assert joined(rendered_rows(session, sql, NO_TABS, never)) == (text, 60_000)
    assert joined(separate_rows(session, sql, (False,))) == (text, 60_000)


def test_no_rows_are_no_blocks(session: Session) -> None:
    assert list(rendered_rows(session, "SELECT 1 FROM DUAL WHERE FALSE", NO_TABS, never)) == []
    assert list(separate_rows(session, "SELECT 1, 2 FROM DUAL WHERE FALSE", (True, True))) == []
    assert session.value("SELECT 7") == 7


@pytest.mark.parametrize("place", [0, 17, 30_000, 59_999])
@pytest.mark.parametrize("unfit", ["NULL", "'a\tb'"], ids=["null", "separator"])
def test_a_row_that_does_not_fit_ends_the_query_and_not_the_snapshot(
    server: PrivateServer, place: int, unfit: str
) -> None:
    database = server.fresh_database()
    with server.connect() as writer:
        writer.execute(f"CREATE TABLE {database}.t (a INT PRIMARY KEY)")
        with Session(server.root) as reader:
            reader.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT")
            writer.execute(f"INSERT INTO {database}.t VALUES (1)")
            sql = f"SELECT IF(n = {place}, {unfit}, REPEAT('x', 50)) FROM {numbers(60_000)}"
            with pytest.raises(UnfitRowError):
                list(rendered_rows(reader, sql, NO_TABS, killer(server, reader)))
            assert reader.value(f"SELECT COUNT(*) FROM {database}.t") == 0


def test_a_row_too_long_to_be_counted_is_refused_where_it_should_be_and_passed_on_where_not(session: Session) -> None:
    sql = "SELECT REPEAT('x', 3000000) UNION ALL SELECT 'y'"
    with pytest.raises(UnfitRowError):
        list(rendered_rows(session, sql, NO_TABS, lambda: None))
    assert session.value("SELECT 7") == 7
    assert joined(rendered_rows(session, sql, ANYTHING, never)) == (b"x" * 3_000_000 + b"\ny\n", 2)


def test_a_late_interruption_never_hits_the_next_query(server: PrivateServer) -> None:
    # the result is only just larger than what is looked at at once: the server has often sent it all already
    sql = f"SELECT IF(n = 3, '\t', REPEAT('x', 100)) FROM {numbers(10_900)}"
    with Session(server.backup) as session:
        for _ in range(15):
            with pytest.raises(UnfitRowError):
                list(rendered_rows(session, sql, NO_TABS, killer(server, session)))
            assert session.value("SELECT COUNT(*) FROM information_schema.CHARACTER_SETS") > 1


def test_an_error_after_many_rows_is_the_servers_and_the_connection_stays(session: Session) -> None:
    sql = f"SELECT IF(n = 50000, (SELECT 1 UNION SELECT 2), n) FROM {numbers(60_000).replace('ORDER BY n', '')}"
    for rows in (rendered_rows(session, sql, ANYTHING, never), separate_rows(session, sql, (False,))):
        with pytest.raises(ServerError, match="1242"):
            list(rows)
        assert session.value("SELECT 7") == 7


def test_an_error_before_the_first_row_is_the_servers(session: Session) -> None:
    for rows in (
        rendered_rows(session, "SELECT no_such", ANYTHING, never),
        separate_rows(session, "SELECT no_such", (True,)),
    ):
        with pytest.raises(ServerError, match="no_such"):
            next(rows)
        assert session.value("SELECT 7") == 7


def test_a_connection_that_is_killed_in_the_middle_is_reported(server: PrivateServer) -> None:
    sql = f"SELECT REPEAT('x', 1000) FROM {numbers(60_000)}"
    for rendered in (True, False):
        with Session(server.backup) as session:
            rows = rendered_rows(session, sql, ANYTHING, never) if rendered else separate_rows(session, sql, (True,))
            next(rows)
            with server.connect() as other:
                other.execute(f"KILL {session.id}")
            with pytest.raises((ConnectionFailedError, ServerError), match="test "):
                list(rows)


def test_null_empty_and_the_text_null_stay_apart(session: Session) -> None:
    sql = r"SELECT NULL, '', 'NULL', '\\N', 'a\tb\nc\\' UNION ALL SELECT 1, NULL, NULL, 2, NULL"
    text = b"\\N\t\tNULL\t\\\\N\ta\\tb\\nc\\\\\n1\t\\N\t\\N\t2\t\\N\n"
    assert joined(separate_rows(session, sql, (True,) * 5)) == (text, 2)


def test_escapes_are_whole_where_pieces_end(session: Session) -> None:
    sql = f"SELECT REPEAT('\\t\\\\', {3 * BLOCK}), REPEAT('\\n', {BLOCK + 1})"
    wanted = rb"\t\\" * (3 * BLOCK) + b"\t" + rb"\n" * (BLOCK + 1) + b"\n"
    assert joined_exactly(separate_rows(session, sql, (True, True))) == wanted


def joined_exactly(blocks: Iterable[Block]) -> bytes:
    return b"".join(block.data for block in blocks)


field = st.none() | st.binary(max_size=12) | st.text("\\\t\nN0btrZ\0\x1a'\"", max_size=8).map(str.encode)


@given(rows=st.lists(st.tuples(field, field), max_size=8), cut=st.integers(1, 50))
@FEW
def test_what_is_escaped_here_is_what_the_server_loads(
    mariadb: PrivateServer, rows: list[tuple[bytes | None, bytes | None]], cut: int
) -> None:
    loaded_and_read_again(mariadb, rows, cut)


@given(rows=st.lists(st.tuples(field, field), max_size=8), cut=st.integers(1, 50))
@FEW
def test_what_is_escaped_here_is_what_mysql_loads(
    mysql: PrivateServer, rows: list[tuple[bytes | None, bytes | None]], cut: int
) -> None:
    loaded_and_read_again(mysql, rows, cut)


def loaded_and_read_again(server: PrivateServer, rows: list[tuple[bytes | None, bytes | None]], cut: int) -> None:
    lines = [
        b"%d\t" % number + b"\t".join(b"\\N" if value is None else wire._escape(value) for value in row) + b"\n"
        for number, row in enumerate(rows)
    ]
    text = b"".join(lines)
    with server.connect() as session:
        session.execute("CREATE TEMPORARY TABLE IF NOT EXISTS mysql.loaded (id INT, a BLOB, b VARBINARY(40))")
        sent: list[int] = []
        chunks = [text[start : start + cut] for start in range(0, len(text), cut)]
        assert load(session, INTO.format("mysql.loaded"), iter(chunks), sent.append) == len(rows)
        assert sum(sent) == len(text)
        assert session.warnings() == []
        assert session.rows("SELECT a, b FROM mysql.loaded ORDER BY id") == rows
        again = b"".join(line for line in lines)
        assert (
            joined_exactly(separate_rows(session, "SELECT id, a, b FROM mysql.loaded ORDER BY id", (True,) * 3))
            == again
        )


INTO = (
    "LOAD DATA LOCAL INFILE 'x' INTO TABLE {} CHARACTER SET binary "
    "FIELDS TERMINATED BY '\\t' ESCAPED BY '\\\\' LINES TERMINATED BY '\\n'"
)


def test_a_large_load_arrives_whole(server: PrivateServer) -> None:
    database = server.fresh_database()
    with server.connect() as session:
        session.execute(f"CREATE TABLE {database}.t (id INT PRIMARY KEY, v LONGBLOB)")
        chunks = (b"%d\t" % number + b"x" * 700_000 + b"\n" for number in range(5))
        assert load(session, INTO.format(f"{database}.t"), chunks, lambda _: None) == 5
        assert session.rows(f"SELECT id, LENGTH(v) FROM {database}.t") == [(number, 700_000) for number in range(5)]
        assert load(session, INTO.format(f"{database}.t"), iter([]), lambda _: None) == 0


def test_a_load_whose_source_fails_is_rolled_back(server: PrivateServer) -> None:
    database = server.fresh_database()

    def broken() -> Iterator[bytes]:
        yield b"1\n2\n"
        raise LookupError("the source is damaged")

    with server.connect() as session:
        session.execute(f"CREATE TABLE {database}.t (id INT PRIMARY KEY)")
        with pytest.raises(LookupError, match="damaged"):
            load(session, INTO.format(f"{database}.t"), broken(), lambda _: None)
        with pytest.raises(ConnectionFailedError):
            session.value("SELECT 1")
    with server.connect() as other:
        assert other.value(f"SELECT COUNT(*) FROM {database}.t") == 0


def test_a_load_that_the_server_refuses_takes_nothing_from_its_source(server: PrivateServer) -> None:
    def untouched() -> Iterator[bytes]:
        read.append(True)
        yield b""

    read: list[bool] = []
    with server.connect() as session:
        with pytest.raises(ServerError, match="no_such"):
            load(session, INTO.format("mysql.no_such"), untouched(), lambda _: None)
        assert session.value("SELECT 7") == 7
        session.execute("CREATE TEMPORARY TABLE mysql.refused (id INT)")
        session.execute("SET GLOBAL local_infile = 0")
        try:
            with pytest.raises(ChomError):
                load(session, INTO.format("mysql.refused"), untouched(), lambda _: None)
        finally:
            with server.connect() as other:
                other.execute("SET GLOBAL local_infile = 1")
    assert not read
