"""Rows of a live table and of its restored copy are told apart by what they hold, whatever the columns are now."""

from __future__ import annotations

import pytest

from chom_pipelines.errors import RestoreRefusedError
from chom_pipelines.restores.rescue import compared
from chom_pipelines_tests.servers import PrivateServer

CASES = {
    "a number that became text": (
        "(id INT PRIMARY KEY, c INT)",
        ["(1, 5)", "(2, 6)", "(3, 7)"],
        ["MODIFY c VARCHAR(20)"],
        ["SET c = '5abc' WHERE id = 1", "SET c = '06.0' WHERE id = 2"],
        (0, 2, 0),
    ),
    "a date that became text": (
        "(id INT PRIMARY KEY, c DATE)",
        ["(1, '2026-01-02')", "(2, '2026-01-03')"],
        ["MODIFY c VARCHAR(20)"],
        ["SET c = '2026.1.2' WHERE id = 1"],
        (0, 1, 0),
    ),
    "bytes that became text": (
        "(id INT PRIMARY KEY, c VARBINARY(20))",
        ["(1, 'a')", "(2, 'é')"],
        ["MODIFY c VARCHAR(20) CHARACTER SET utf8mb4"],
        ["SET c = 'A' WHERE id = 1"],
        (0, 1, 0),
    ),
    "numbers of another width": (
        "(id INT PRIMARY KEY, c INT)",
        ["(1, 5)", "(2, 6)"],
        ["MODIFY c DECIMAL(20, 4)", "MODIFY id BIGINT UNSIGNED"],
        ["SET c = 5.5 WHERE id = 1"],
        (0, 1, 0),
    ),
    "a column and a key of another case": (
        "(Id INT PRIMARY KEY, Val INT)",
        ["(1, 5)", "(2, 6)"],
        ["CHANGE Val VAL INT", "CHANGE Id ID INT"],
        ["SET val = 66 WHERE id = 2"],
        (0, 1, 0),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_changes_are_counted_whatever_the_types_are_now(server: PrivateServer, case: str) -> None:
    definition, rows, alterations, changes, counts = CASES[case]
    live, restored = server.fresh_database(), server.fresh_database()
    with server.connect() as session:
        for database in (restored, live):
            session.execute(f"CREATE TABLE {database}.t {definition}")
            session.execute(f"INSERT INTO {database}.t VALUES {', '.join(rows)}")
        for alteration in alterations:
            session.execute(f"ALTER TABLE {live}.t {alteration}")
        before = compared(server.root, (live, "t"), (restored, "t"), "then")
        for change in changes:
            session.execute(f"UPDATE {live}.t {change}")
    assert (before.missing, before.changed, before.added) == (0, 0, 0)
    found = compared(server.root, (live, "t"), (restored, "t"), "then")
    assert (found.missing, found.changed, found.added) == counts


def test_what_a_copy_of_a_document_cannot_keep_is_no_change(mysql: PrivateServer) -> None:
    live, restored = mysql.fresh_database(), mysql.fresh_database()
    with mysql.connect() as session:
        for database in (live, restored):
            session.execute(f"CREATE TABLE {database}.t (id INT PRIMARY KEY, j JSON)")
        session.execute(f"INSERT INTO {live}.t VALUES (1, JSON_OBJECT('t', CAST(12.50 AS DECIMAL(10, 2))))")
        session.execute(f"INSERT INTO {live}.t VALUES (2, JSON_OBJECT('d', DATE'2026-01-01')), (3, NULL), (4, '[1]')")
        session.execute(f"INSERT INTO {restored}.t SELECT id, CAST(j AS CHAR) FROM {live}.t")
        assert compared(mysql.root, (live, "t"), (restored, "t"), "then").changed == 0
        session.execute(f"UPDATE {live}.t SET j = JSON_SET(j, '$.t', 12.51) WHERE id = 1")
        session.execute(f"UPDATE {live}.t SET j = '[]' WHERE id IN (3, 4)")
    assert compared(mysql.root, (live, "t"), (restored, "t"), "then").changed == 3


def test_rows_of_a_system_versioned_table_are_told_apart_by_its_own_key(mariadb: PrivateServer) -> None:
    live, restored = mariadb.fresh_database(), mariadb.fresh_database()
    with mariadb.connect() as session:
        for database in (live, restored):
            session.execute(f"CREATE TABLE {database}.t (id INT PRIMARY KEY, v INT) WITH SYSTEM VERSIONING")
            session.execute(f"INSERT INTO {database}.t VALUES (1, 1), (2, 2), (3, 3)")
        session.execute(f"DELETE FROM {live}.t WHERE id = 1")
        session.execute(f"UPDATE {live}.t SET v = 22 WHERE id = 2")
    found = compared(mariadb.root, (live, "t"), (restored, "t"), "then")
    assert (found.missing, found.changed, found.added) == (1, 1, 0)


def test_a_key_of_another_kind_is_refused_by_name(server: PrivateServer) -> None:
    live, restored = server.fresh_database(), server.fresh_database()
    with server.connect() as session:
        session.execute(f"CREATE TABLE {live}.t (k VARCHAR(20) PRIMARY KEY)")
        session.execute(f"CREATE TABLE {restored}.t (k INT PRIMARY KEY)")
    with pytest.raises(
        RestoreRefusedError, match=r"the key column k of .* is of the type varchar, and .* it is of int"
    ):
        compared(server.root, (live, "t"), (restored, "t"), "then")
