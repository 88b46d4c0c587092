"""Values decide whether something was lost, and not what a server warns of; what is lost is named."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chom_pipelines.errors import RestoreFailedError
from chom_pipelines.logical.rendering import Column
from chom_pipelines.logical.tables import KeyColumn, TableInfo
from chom_pipelines.outcome import Outcome
from chom_pipelines.progress import unreported
from chom_pipelines.proofs.verification import verify
from chom_pipelines.repository.proof import Level
from chom_pipelines.restores.execution import RestoreResult
from chom_pipelines.restores.losses import described
from chom_pipelines.restores.restoring import restore_into_server
from chom_pipelines.restores.selection import RestoreRequest
from chom_pipelines.server.identifiers import quote
from chom_pipelines_tests.logical.comparing import exact_rows
from chom_pipelines_tests.logical.taking import Backups
from chom_pipelines_tests.servers import PrivateServer

REQUEST = RestoreRequest(threads=2)


def restored(server: PrivateServer, backups: Backups, *statements: str, request: RestoreRequest = REQUEST) -> str:
    """Make a table, back it up, prove it, restore it beside itself and compare; return the copy's database."""
    database, copy = made(server, *statements), server.fresh_database()
    entry = backups.take(server, database)
    proof = verify(entry, Level.FULL, None, unreported, threads=2)
    assert (proof.failures, proof.outcome) == ((), Outcome.PASSED)
    again = replace(request, rename={database: copy}, replace=True)
    assert restore_into_server(entry, None, server.root, again, unreported).rows > 0
    with server.connect() as session:
        assert exact_rows(session, copy) == exact_rows(session, database)
    return copy


def made(server: PrivateServer, *statements: str) -> str:
    database = server.fresh_database("CHARACTER SET utf8mb4")
    with server.connect() as session:
        session.execute(f"USE {quote(database)}")
        session.execute("SET SESSION sql_mode = ''")
        for statement in statements:
            session.execute(statement)
    return database


@pytest.mark.parametrize("kept", ["VIRTUAL", "STORED"])
def test_a_generated_column_may_warn_of_the_rows_that_it_warned_of_before(
    server: PrivateServer, backups: Backups, kept: str
) -> None:
    restored(
        server,
        backups,
        f"CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(20), n INT AS (CAST(v AS SIGNED)) {kept}, KEY (n))",
        "INSERT INTO t (id, v) VALUES (1, '12 pcs'), (2, ''), (3, '7')",
    )


def test_a_value_that_is_cut_to_what_it_was_is_not_lost(server: PrivateServer, backups: Backups) -> None:
    restored(server, backups, "CREATE TABLE t (f FLOAT(10,0))", "INSERT INTO t VALUES (1e30), (-1e30), (5)")


def test_the_error_value_of_an_enum_comes_back(server: PrivateServer, backups: Backups) -> None:
    restored(server, backups, "CREATE TABLE t (e ENUM('a'), s SET('a'))", "INSERT INTO t VALUES ('x', 'x'), ('a', 'a')")


def test_a_column_that_only_an_index_knows_may_warn(mysql: PrivateServer, backups: Backups) -> None:
    restored(
        mysql,
        backups,
        "CREATE TABLE t (id INT AUTO_INCREMENT, v VARCHAR(20), KEY (id), KEY ((CAST(v AS SIGNED))))",
        "INSERT INTO t VALUES (1, '12 pcs'), (2, '表')",
    )


def test_an_expression_may_not_know_a_character(mariadb: PrivateServer, backups: Backups) -> None:
    restored(
        mariadb,
        backups,
        "CREATE TABLE t (v VARCHAR(9) CHARACTER SET utf8mb4, l VARCHAR(9) CHARACTER SET latin1 AS (CONCAT(v, 'x')))",
        "INSERT INTO t (v) VALUES ('größe'), ('表')",
    )


def test_a_geometry_that_holds_nothing_comes_back(mariadb: PrivateServer, backups: Backups) -> None:
    restored(
        mariadb,
        backups,
        "CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, g GEOMETRY NOT NULL, p POINT NOT NULL)",
        "INSERT IGNORE INTO t (g, p) VALUES (NULL, NULL), (POINT(1, 2), POINT(9, 10)), (NULL, POINT(92, 9))",
    )


def test_a_key_with_needless_words_comes_back(mariadb: PrivateServer, backups: Backups) -> None:
    restored(
        mariadb,
        backups,
        "CREATE TABLE t (id INT PRIMARY KEY, a INT, b TEXT, KEY (a), KEY h (a) USING HASH, UNIQUE KEY l (b))",
        "INSERT INTO t VALUES (1, 2, 'b')",
    )


def lossy(server: PrivateServer, backups: Backups, request: RestoreRequest) -> tuple[str, RestoreResult]:
    """A table with dates that a restore's sql_mode takes for the same, and that of its rows did not; restored."""
    database = made(
        server,
        # MyISAM's keys are there from the start
        "CREATE TABLE t (id INT, c CHAR(20), n DATE AS (c) STORED, UNIQUE KEY (n)) ENGINE=MyISAM",
        "INSERT INTO t (id, c) VALUES (1, '2024-02-31')",  # which is 0000-00-00 then
        "SET SESSION sql_mode = 'ALLOW_INVALID_DATES'",
        "INSERT INTO t (id, c) VALUES (2, '2024-02-31'), (3, '2024-03-01')",
    )
    copy = server.fresh_database()
    entry = backups.take(server, database)
    again = replace(request, rename={database: copy}, replace=True)
    return copy, restore_into_server(entry, None, server.root, again, unreported)


def test_a_loss_ends_the_restore_and_is_named(server: PrivateServer, backups: Backups) -> None:
    with pytest.raises(
        RestoreFailedError, match=r"`t`: not stored as dumped: 1 row missing \(id 2, c 2024-02-31\)"
    ) as caught:
        lossy(server, backups, REQUEST)
    assert "--accept-losses" in caught.value.remedy


def test_an_accepted_loss_is_a_warning_and_the_rest_is_restored(server: PrivateServer, backups: Backups) -> None:
    copy, result = lossy(server, backups, replace(REQUEST, accept_losses=True))
    assert any("1 row missing (id 2, c 2024-02-31)" in warning for warning in result.warnings)
    with server.connect() as session:
        assert session.rows(f"SELECT id FROM {copy}.t ORDER BY id") == [(1,), (3,)]


def table(*key: str) -> TableInfo:
    columns = tuple(Column(name, "varchar", nullable=True) for name in ("id", "a", "b"))
    return TableInfo(
        database="d",
        name="t",
        engine="InnoDB",
        transactional=True,
        versioned=False,
        loses_history=False,
        borrows=False,
        columns=columns,
        key=tuple(map(KeyColumn, key)),
        bytes=0,
        rows=0,
    )


def test_columns_and_keys_of_what_differs_are_named() -> None:
    dumped = [b"1\tx\ty", b"2\tx\ty", b"3\tx\t\\N", b"4\tq\tq", b"5\tx\ty", b"6\tx\ty"]
    found = [b"1\tx\ty", b"2\tz\ty", b"3\tz\t0", b"5\tz\ty", b"6\tz\ty"]
    assert described(table("id"), iter(dumped), iter(found), 1) == (
        "4 rows with another `a` (id 2; id 3; id 5, …); 1 row with another `b` (id 3); 1 row missing (id 4)"
    )


def test_a_row_without_a_key_is_named_by_all_of_it() -> None:
    assert described(table(), iter([b"1\tx\ty"]), iter([b"1\tx\tz"]), 0) == "1 row with another `b` (id 1, a x, b y)"


def test_a_last_row_may_be_missing() -> None:
    assert described(table("id"), iter([b"1\tx\ty", b"2\tx\ty"]), iter([b"1\tx\ty"]), 1) == "1 row missing (id 2)"
