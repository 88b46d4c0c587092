"""Counts of rows: every statement here says how many rows it changes, and the log must say the same."""

from collections.abc import Sequence

import pytest

from chom_pipelines.binlogs.format.scanning import Scanner
from chom_pipelines.binlogs.format.transactions import Transaction
from chom_pipelines.server.connection import Session
from chom_pipelines.server.facts import Flavour
from chom_pipelines_tests.binlogs.logs import logs_since, new_log, scanned
from chom_pipelines_tests.binlogs.types_data import every_type
from chom_pipelines_tests.servers import PrivateServer

Counts = dict[str, tuple[int, int, int]]


def counted(server: PrivateServer, statements: Sequence[str], session: Session) -> list[Counts]:
    """Run statements, and return the rows that each transaction in the log changed; those without any are left out."""
    first = new_log(server)
    for statement in statements:
        session.execute(statement)
    found = []
    for log in logs_since(server, first):
        transactions, _ = scanned(log.data)
        scanner = Scanner("log", held=4096)  # large events pass through, and must be counted alike
        assert [each for at in range(0, len(log.data), 999) for each in scanner.feed(log.data[at : at + 999])] == (
            transactions
        )
        found += transactions
    return [_counts(each) for each in found if each.rows]


def _counts(transaction: Transaction) -> Counts:
    return {each.table: (each.inserted, each.updated, each.deleted) for each in transaction.rows}


@pytest.mark.parametrize("image", ["FULL", "MINIMAL", "NOBLOB"])
@pytest.mark.parametrize("nullable", [True, False])
def test_rows_of_every_type_are_counted(server: PrivateServer, image: str, *, nullable: bool) -> None:
    with server.connect() as session:
        session.execute(f"USE {server.fresh_database()}")
        session.execute(f"SET SESSION binlog_row_image = '{image}', sql_mode = ''")
        for number, (kind, values) in enumerate(every_type(server.flavour).items()):
            name = f"t{number}"
            definition = kind if nullable or not values else f"{kind.replace(' NULL', '')} NOT NULL"
            session.execute(f"CREATE TABLE {name} (id INT PRIMARY KEY, v {definition}, w INT NOT NULL)")
            one, other = values or ("DEFAULT", "DEFAULT")
            last = "NULL" if nullable and values else other
            update = f"v = {other}, w = 9" if values else "w = 9"
            assert counted(
                server,
                [
                    f"INSERT INTO {name} VALUES (1, {one}, 1), (2, {other}, 1), (3, {last}, 1), (4, {one}, 1)",
                    f"UPDATE {name} SET {update} WHERE id < 4",
                    f"DELETE FROM {name} WHERE id IN (1, 3)",
                    f"INSERT INTO {name} (id, w) VALUES (7, 1)" if nullable else f"UPDATE {name} SET w = 1",
                ],
                session,
            ) == [
                {name: (4, 0, 0)},
                {name: (0, 3, 0)},
                {name: (0, 0, 2)},
                {name: (1, 0, 0)} if nullable else {name: (0, 1, 0)},
            ], kind


@pytest.mark.parametrize("image", ["FULL", "MINIMAL"])
def test_rows_of_wide_tables_are_counted(server: PrivateServer, image: str) -> None:
    kinds = every_type(server.flavour)
    columns = {f"c{number}": (kind, values) for number, (kind, values) in enumerate(kinds.items()) if values}
    columns |= {f"i{number}": ("INT NULL", ("1", "2")) for number in range(300)}
    with server.connect() as session:
        session.execute(f"USE {server.fresh_database()}")
        session.execute(f"SET SESSION binlog_row_image = '{image}', sql_mode = ''")
        definitions = ", ".join(
            f"{name} {kind}" for name, (kind, _) in columns.items() if not kind.startswith("CHAR(2")
        )
        session.execute(f"CREATE TABLE wide (id INT PRIMARY KEY, {definitions})")
        names = [name for name, (kind, _) in columns.items() if not kind.startswith("CHAR(2")]
        odd, even = names[::2], names[1::2]
        one = ", ".join(f"{name} = {columns[name][1][0]}" for name in odd)
        other = ", ".join(f"{name} = {columns[name][1][1]}" for name in even)
        assert counted(
            server,
            [
                "INSERT INTO wide (id) VALUES (1), (2), (3), (4), (5)",
                f"UPDATE wide SET {one} WHERE id IN (1, 2)",
                f"UPDATE wide SET {other} WHERE id > 1",
                "DELETE FROM wide",
            ],
            session,
        ) == [{"wide": (5, 0, 0)}, {"wide": (0, 2, 0)}, {"wide": (0, 4, 0)}, {"wide": (0, 0, 5)}]


def test_parts_of_json_values_are_counted_as_updates(mysql: PrivateServer) -> None:
    with mysql.connect() as session:
        session.execute(f"USE {mysql.fresh_database()}")
        session.execute("CREATE TABLE j (id INT PRIMARY KEY, a JSON, b VARCHAR(20), c JSON, d JSON NOT NULL)")
        long = """JSON_OBJECT('k', 1, 'l', REPEAT('x', 500))"""
        session.execute(f"INSERT INTO j VALUES (1, {long}, 'x', {long}, {long}), (2, {long}, 'x', NULL, {long})")
        session.execute("SET SESSION binlog_row_value_options = 'PARTIAL_JSON'")
        for image in ("FULL", "MINIMAL"):
            session.execute(f"SET SESSION binlog_row_image = '{image}'")
            assert (
                counted(
                    mysql,
                    [
                        "UPDATE j SET a = JSON_SET(a, '$.k', JSON_EXTRACT(a, '$.k') + 1)",
                        "UPDATE j SET a = JSON_SET(a, '$.k', 12345), d = JSON_REMOVE(d, '$.k'), b = 'y'",
                        "UPDATE j SET c = JSON_SET(c, '$.m', 7), b = 'z'",
                        "UPDATE j SET a = '{}', d = '[]', b = 'whole'",
                        f"UPDATE j SET a = {long}, d = {long}, c = {long}, b = 'x'",
                    ],
                    session,
                )
                == [{"j": (0, 2, 0)}] * 5
            )


def test_tables_without_json_are_counted_where_parts_of_json_values_are_logged(mysql: PrivateServer) -> None:
    with mysql.connect() as session:
        session.execute(f"USE {mysql.fresh_database()}")
        session.execute("CREATE TABLE wide (a INT, s VARCHAR(20))")
        session.execute("CREATE TABLE constant (a INT NOT NULL, b INT NOT NULL)")
        session.execute("SET SESSION binlog_row_value_options = 'PARTIAL_JSON'")
        assert counted(
            mysql,
            [
                "INSERT INTO wide VALUES (1, 'a'), (2, NULL), (3, 'ccc')",
                "UPDATE wide SET s = CONCAT(a, 'x')",
                "INSERT INTO constant VALUES (1, 1), (2, 2)",
                "UPDATE constant SET b = 7",
            ],
            session,
        ) == [{"wide": (3, 0, 0)}, {"wide": (0, 3, 0)}, {"constant": (2, 0, 0)}, {"constant": (0, 2, 0)}]


def test_columns_that_nobody_sees_are_counted_as_well(server: PrivateServer) -> None:
    with server.connect() as session:
        session.execute(f"USE {server.fresh_database()}")
        if server.flavour is Flavour.MYSQL:
            session.execute(
                "CREATE TABLE h (id INT PRIMARY KEY, a JSON, b VARCHAR(20), i INT INVISIBLE,"
                " INDEX f ((UPPER(b))), INDEX m ((CAST(a->'$.z' AS UNSIGNED ARRAY))))"
            )
        else:
            session.execute(
                "CREATE TABLE h (id INT PRIMARY KEY, a JSON, b VARCHAR(2000), i INT INVISIBLE DEFAULT 3,"
                " UNIQUE (b) USING HASH) WITH SYSTEM VERSIONING"
            )
        assert counted(
            server,
            [
                """INSERT INTO h (id, a, b) VALUES (1, '{"z": [1, 2, 3]}', 'x'), (2, NULL, NULL)""",
                """UPDATE h SET a = '{"z": [7]}', b = CONCAT('y', id)""",
                "DELETE FROM h",
            ],
            session,
        )[0] == {"h": (2, 0, 0)}


OLD = ("TIME", "DATETIME", "TIMESTAMP NULL", "TIME(1)", "TIME(6)", "DATETIME(3)", "TIMESTAMP(6) NULL")


@pytest.mark.parametrize("held", [1 << 20, 1000])
def test_old_temporal_types_are_counted_or_said_not_to_be(mariadb: PrivateServer, held: int) -> None:
    with mariadb.connect() as session:
        session.execute(f"USE {mariadb.fresh_database()}")
        session.execute("SET GLOBAL mysql56_temporal_format = OFF")
        for number, kind in enumerate(OLD):
            session.execute(f"CREATE TABLE o{number} (id INT, t {kind}, b TEXT)")
        session.execute("SET GLOBAL mysql56_temporal_format = ON")
        first = new_log(mariadb)
        for number in range(len(OLD)):
            value = "CURRENT_TIMESTAMP, REPEAT('x', 400)"
            session.execute(f"INSERT INTO o{number} VALUES (1, {value}), (2, {value}), (3, {value}), (4, {value})")
    [log] = logs_since(mariadb, first)
    scanner = Scanner("log", held=held)
    rows = [each.rows for at in range(0, len(log.data), 500) for each in scanner.feed(log.data[at : at + 500])]
    counts = [(each.inserted, each.uncounted) for [each] in rows]
    assert counts == [(0, 1) if "(" in kind else (4, 0) for kind in OLD]
