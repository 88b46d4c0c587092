from hypothesis import given
from hypothesis import strategies as st

from chom_pipelines.logical.catalog import Catalog
from chom_pipelines.logical.ranges import Range, cut, even_bounds, range_key
from chom_pipelines.logical.snapshot import NO_SQL_MODE
from chom_pipelines.server.identifiers import quote
from chom_pipelines_tests.logical.taking import filled
from chom_pipelines_tests.servers import PrivateServer


@given(st.integers(-(2**63), 2**63), st.integers(0, 2**64), st.integers(2, 500))
def test_even_bounds_lie_inside_and_rise(least: int, span: int, wanted: int) -> None:
    bounds = even_bounds(least, least + span, wanted)
    assert bounds == sorted(set(bounds))
    assert all(least < bound <= least + span for bound in bounds)
    assert len(bounds) < wanted


def test_an_open_range_is_the_whole_table() -> None:
    assert Range().condition("id") == ""
    assert Range("1", "5").condition("i`d") == " WHERE `i``d` >= 1 AND `i``d` < 5"


def test_ranges_hold_every_row_exactly_once_whatever_the_key(server: PrivateServer) -> None:
    database = server.fresh_database()
    keys = {
        "numbers": ("INT", "n * 7 - 5000"),
        "sparse": ("BIGINT UNSIGNED", "n * n * 1000003"),
        "texts": ("VARCHAR(40) CHARACTER SET utf8mb4", "CONCAT('Käse ', n % 17, '''', n)"),
        "bytes": ("VARBINARY(32)", "UNHEX(SHA2(n, 256))"),
        "days": ("DATETIME", "TIMESTAMP'2026-01-01 00:00:00' + INTERVAL n HOUR"),
        "exact": ("DECIMAL(20,4)", "n / 7"),
        "invalid": ("DATE", "CONCAT(2000 + n DIV 12, '-', 1 + n % 12, '-31')"),
        "kinds": ("ENUM('b', 'a')", "1 + n % 2"),
    }
    with server.connect() as session:
        session.execute(f"USE {quote(database)}")
        session.execute("SET SESSION sql_mode = 'ALLOW_INVALID_DATES'")
        for name, (kind, value) in keys.items():
            session.execute(f"CREATE TABLE {name} (k {kind} NOT NULL, n INT NOT NULL, t CHAR(200), PRIMARY KEY (k, n))")
            filled(session, name, 2_000, f"{value}, n, 'x'")
            session.execute(f"ANALYZE TABLE {name}")
        session.execute(NO_SQL_MODE)
        tables = {table.name: table for table in Catalog(session, server.facts, [database]).tables()}
        for name, table in tables.items():
            ranges = cut(session, table, range_bytes=max(1, table.bytes // 6))
            assert (len(ranges) > 3) == (name != "kinds"), name
            counts = [
                session.value(f"SELECT COUNT(*) FROM {name}{part.condition(range_key(table))}") for part in ranges
            ]
            assert sum(counts) == 2_000, name
