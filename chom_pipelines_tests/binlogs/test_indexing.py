from dataclasses import replace

import pytest

from chom_pipelines.binlogs.archive.indexing import SegmentIndex, indexed
from chom_pipelines.binlogs.format.statements import TEXT_BYTES, Does, understand
from chom_pipelines.binlogs.format.transactions import Ending
from chom_pipelines.binlogs.recovery.scheduled import statuses
from chom_pipelines.errors import ArchiveDamagedError, UnknownFormatError
from chom_pipelines.server.facts import Flavour
from chom_pipelines_tests.binlogs.logs import logs_since, new_log, scanned
from chom_pipelines_tests.servers import PrivateServer


@pytest.mark.parametrize(
    ("text", "does", "thing", "tables"),
    [
        ("CREATE TABLE a (b INT)", Does.CREATE, "table", [("d", "a")]),
        ("create table if not exists `x`.`a``b` like c", Does.CREATE, "table", [("x", "a`b")]),
        ("CREATE OR REPLACE TABLE a (b INT)", Does.CREATE, "table", [("d", "a")]),
        ("CREATE UNIQUE INDEX i ON t (a)", Does.CREATE, "index", [("d", "t")]),
        ("CREATE DEFINER=`a`@`%` TRIGGER g AFTER INSERT ON x.t FOR EACH ROW", Does.CREATE, "trigger", [("x", "t")]),
        ("CREATE ALGORITHM=MERGE DEFINER=`r`@`%` SQL SECURITY INVOKER VIEW v AS", Does.CREATE, "view", [("d", "v")]),
        ("ALTER TABLE x . a ADD c INT", Does.ALTER, "table", [("x", "a")]),
        ("ALTER ONLINE TABLE a ADD c INT", Does.ALTER, "table", [("d", "a")]),
        ("DROP TABLE IF EXISTS a,`b`, x.c /* note */", Does.DROP, "table", [("d", "a"), ("d", "b"), ("x", "c")]),
        ("DROP DATABASE IF EXISTS shop", Does.DROP, "database", [("shop", "")]),
        ("ALTER SCHEMA `shop` CHARACTER SET utf8mb4", Does.ALTER, "database", [("shop", "")]),
        ("DROP INDEX i ON t", Does.DROP, "index", [("d", "t")]),
        ("DROP PROCEDURE p", Does.DROP, "procedure", [("d", "p")]),
        ("TRUNCATE a", Does.TRUNCATE, "table", [("d", "a")]),
        ("TRUNCATE TABLE\n\t`x`.`a`", Does.TRUNCATE, "table", [("x", "a")]),
        ("truncate table", Does.TRUNCATE, "table", []),
        ("RENAME TABLE a TO b, x.c TO y.d", Does.RENAME, "table", [("d", "a"), ("x", "c")]),
        ("/* a note */ -- another\n # and one more\nDROP TABLE a", Does.DROP, "table", [("d", "a")]),
        ("/*!50003 DROP TABLE a */", Does.DROP, "table", [("d", "a")]),
        ("DROP/**/TABLE x", Does.DROP, "table", [("d", "x")]),
        ("DROP -- a note\nTABLE/* x */IF EXISTS x.`a/*b*/`,c", Does.DROP, "table", [("x", "a/*b*/"), ("d", "c")]),
        ("/*!40000 DROP TABLE x */", Does.DROP, "table", [("d", "x")]),
        ("/*M!100100 DROP */ TABLE /*! IF EXISTS */ x", Does.DROP, "table", [("d", "x")]),
        ("SET STATEMENT max_statement_time=1 FOR DROP TABLE x", Does.DROP, "table", [("d", "x")]),
        ("SET STATEMENT a='x FOR y', b=2 FOR /* z */ TRUNCATE x", Does.TRUNCATE, "table", [("d", "x")]),
        ("SET STATEMENT a=1 FOR DELETE FROM x", Does.ROWS, "", []),
        ("--\nCREATE TABLE x\nSELECT * FROM t", Does.CREATE, "table", [("d", "x")]),
        ("--\nALTER EVENT e DISABLE DO\nDELETE FROM t", Does.ALTER, "event", [("d", "e")]),
        ("--\nGRANT\nSELECT ON d.* TO u", Does.OTHER, "", []),
        ("CREATE DEFINER=`my user`@`%` EVENT e ON SCHEDULE EVERY 1 DAY DO a", Does.CREATE, "event", [("d", "e")]),
        ("CREATE DEFINER = 'a b' @ 'c d' VIEW v AS SELECT 1", Does.CREATE, "view", [("d", "v")]),
        ("DROP TABLE größe", Does.DROP, "table", [("d", "größe")]),
        ("DELETE FROM users", Does.ROWS, "", []),
        ("(INSERT INTO a VALUES (1))", Does.ROWS, "", []),
        ("WITH r AS (SELECT 1) DELETE FROM users", Does.ROWS, "", []),
        ("ANALYZE TABLE a", Does.OTHER, "", []),
        ("", Does.OTHER, "", []),
    ],
)  # fmt: skip
def test_what_a_statement_does_is_told_from_its_first_words(
    text: str, does: Does, thing: str, tables: list[tuple[str, str]]
) -> None:
    statement = understand(text.encode(), "d", Flavour.MARIADB)
    assert (statement.does, statement.object, list(statement.tables)) == (does, thing, tables)
    assert (statement.text, statement.temporary) == (text, False)


@pytest.mark.parametrize(
    "text",
    [
        "CREATE TEMPORARY TABLE a (b INT)",
        "CREATE OR REPLACE TEMPORARY TABLE a (b INT)",
        "DROP TEMPORARY TABLE IF EXISTS a",
        "DROP /*!40005 TEMPORARY */ TABLE IF EXISTS `a`",
    ],
)
def test_temporary_tables_are_told_from_others(text: str) -> None:
    statement = understand(text.encode(), "d", Flavour.MARIADB)
    assert statement.temporary
    assert statement.tables == (("d", "a"),)


@pytest.mark.parametrize(
    "text",
    [
        "CREATE USER a IDENTIFIED BY 'secret'",
        "/* x */ ALTER USER a IDENTIFIED WITH p AS 'secret'",
        "GRANT ALL ON *.* TO a IDENTIFIED BY PASSWORD 'secret'",
        "SET PASSWORD FOR a = 'secret'",
        "SET PASSWORD FOR 'a'@'%' = 'secret' REPLACE 'secret'",
        "set password = PASSWORD('secret')",
        "CREATE SERVER s FOREIGN DATA WRAPPER mysql OPTIONS (HOST 'h', PASSWORD 'secret')",
        'ALTER SERVER s OPTIONS (PASSWORD "secret")',
        "CREATE OR REPLACE USER a IDENTIFIED VIA ed25519 USING 'secret'",
        "ALTER USER 'a'@'%' IDENTIFIED VIA mysql_native_password USING 'it''s secret' OR ed25519 USING 'secret'",
        "ALTER USER a IDENTIFIED WITH caching_sha2_password AS 0x5ec8e7",
        "ALTER/**/USER a IDENTIFIED/**/BY/*'*/'secret'/*'*/",
        "ALTER USER USER() IDENTIFIED BY 'x\\' REPLACE 'secret'",
        "CREATE USER a IDENTIFIED BY 'cut off: secret",
        "SET STATEMENT a=1 FOR ALTER USER a IDENTIFIED BY 'secret'",
        "CHANGE MASTER TO MASTER_HOST='h', MASTER_PASSWORD='secret'",
        "CHANGE REPLICATION SOURCE TO SOURCE_PASSWORD='secret'",
        "START SLAVE USER='u' PASSWORD='secret'",
        "CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO ALTER USER a IDENTIFIED BY 'secret'",
        "CREATE TABLE f (a INT) ENGINE=FEDERATED CONNECTION='mysql://u:secret@h/d/t'",
        "CREATE USER u /* 80000 IDENTIFIED WITH caching_sha2_password BY 'secret' */",
        "CREATE USER u IDENTIFIED BY 'a' -- was 'secret'",
        "UPDATE mysql.user SET authentication_string = 'secret'",
        "INSERT INTO `mysql` . servers VALUES ('secret')",
        "/* x */ REPLACE INTO mysql/* y */.servers VALUES ('secret')",
    ],
)
def test_passwords_are_left_out(text: str) -> None:
    statement = understand(text.encode(), "", Flavour.MARIADB)
    assert "secret" not in statement.text
    assert "5ec8e7" not in statement.text
    assert statement.text[:3] == text[:3]


def test_what_no_secret_is_near_to_is_kept() -> None:
    for text in (
        "GRANT SELECT ON *.* TO 'app'@'10.%', `b`@`%`",
        "DELETE FROM t WHERE name = 'x' /* 'y' */",
        "CREATE EVENT e ON SCHEDULE AT '2026-01-02' DISABLE DO DELETE FROM t",
    ):
        assert understand(text.encode(), "d", Flavour.MARIADB).text == text
    masked = understand(b"ALTER USER 'app'@'%' IDENTIFIED BY 'x' ACCOUNT LOCK", "", Flavour.MARIADB).text
    assert masked == "ALTER USER 'app'@'%' IDENTIFIED BY '…' ACCOUNT LOCK"
    event = understand(b"CREATE EVENT e ON SCHEDULE AT '2026-01-02' DISABLE DO SET PASSWORD = 'x'", "", Flavour.MARIADB)
    assert statuses({}, [event]) == {("", "e"): "DISABLE"}
    assert understand(b"UPDATE user SET x = 'y'", "mysql", Flavour.MARIADB).text == "UPDATE user SET x = '…'"


@pytest.mark.parametrize(
    ("text", "mariadb", "mysql"),
    [
        ("/*M! DROP TABLE a; */ TRUNCATE b", (Does.DROP, "a"), (Does.TRUNCATE, "b")),
        ("DROP /*M!100100 TEMPORARY */ TABLE a", (Does.DROP, "a"), (Does.DROP, "a")),
        ("TRUNCATE /*m! a, */ b", (Does.TRUNCATE, "b"), (Does.TRUNCATE, "b")),
        ("/*M! it's */ DROP TABLE a /*M! it's */", (Does.OTHER, None), (Does.DROP, "a")),
    ],
)
def test_what_is_marked_for_mariadb_is_a_comment_to_mysql(
    text: str, mariadb: tuple[Does, str | None], mysql: tuple[Does, str | None]
) -> None:
    for flavour, expected in ((Flavour.MARIADB, mariadb), (Flavour.MYSQL, mysql)):
        found = understand(text.encode(), "d", flavour)
        assert (found.does, found.tables[0][1] if found.tables else None) == expected
        assert found.temporary is (flavour is Flavour.MARIADB and "TEMPORARY" in text)
        again = understand(found.text.encode(), "d", Flavour.MARIADB)
        assert replace(again, text=found.text) == found, "its text tells the same without its server"


def test_a_quote_in_a_comment_that_mysql_does_not_execute_uncovers_no_password() -> None:
    text = "ALTER USER a /*M! it's */ IDENTIFIED BY 'secret' /*M! it's */"
    assert "secret" not in understand(text.encode(), "", Flavour.MYSQL).text


def test_a_servers_log_is_read_as_that_server_executed_it(server: PrivateServer) -> None:
    database = server.fresh_database()
    first = new_log(server)
    with server.connect() as session:
        session.execute(f"USE {database}")
        session.execute("CREATE TABLE a (x INT)")
        session.execute("CREATE TABLE b (x INT)")
        session.execute("RENAME TABLE /*M! a TO c, */ b TO d")
        renamed = {"a", "b"} - {str(name) for (name,) in session.rows("SHOW TABLES")}
    [log] = logs_since(server, first)
    statements = [each for transaction in scanned(log.data)[0] for each in transaction.statements]
    assert {name for _, name in statements[-1].tables} == renamed
    assert renamed == ({"a", "b"} if server.flavour is Flavour.MARIADB else {"b"})


def test_no_table_is_too_far_back_in_a_statement_to_be_known() -> None:
    names = [f"a_table_{number}" for number in range(200)]
    dropped = understand(f"DROP TABLE {', '.join(names)}".encode(), "d", Flavour.MARIADB)
    assert [name for _, name in dropped.tables] == names
    assert len(dropped.text) == TEXT_BYTES
    pad = f"/* {'c' * 2000} */"
    for text, does in (
        ("{} TRUNCATE TABLE t", Does.TRUNCATE),
        ("TRUNCATE {} t", Does.TRUNCATE),
        ("{} ALTER TABLE t DROP COLUMN c", Does.ALTER),
        ("RENAME {} TABLE t TO u", Does.RENAME),
        ("SET STATEMENT {} a = 1 FOR DROP TABLE t", Does.DROP),
    ):
        found = understand(text.format(pad).encode(), "d", Flavour.MYSQL)
        assert (found.does, found.tables) == (does, (("d", "t"),))
    assert understand(f"{pad} TRUNCATE t".encode(), "d", Flavour.MYSQL).text == "TRUNCATE t"
    hidden = understand(f"{pad} ALTER USER a IDENTIFIED BY 'secret'".encode(), "", Flavour.MYSQL).text
    assert hidden == "ALTER USER a IDENTIFIED BY '…'"


def test_long_statements_are_cut_off_between_characters() -> None:
    statement = understand(("INSERT INTO a VALUES ('" + "é" * 600).encode(), "d", Flavour.MARIADB)
    assert len(statement.text.encode()) in {TEXT_BYTES - 1, TEXT_BYTES}
    assert statement.text.endswith("é")


def test_the_index_has_statements_and_many_rows_and_nothing_else(server: PrivateServer) -> None:
    database = server.fresh_database()
    many = ", ".join(f"({number})" for number in range(150))
    first = new_log(server)
    with server.connect() as session:
        for statement in (
            f"CREATE TABLE {database}.users (id INT PRIMARY KEY)",
            f"CREATE TABLE {database}.others (id INT PRIMARY KEY)",
            f"INSERT INTO {database}.users VALUES {many}",
            f"INSERT INTO {database}.others VALUES (1), (2)",
            "BEGIN",
            f"DELETE FROM {database}.users WHERE id < 120",
            f"DELETE FROM {database}.others",
            "COMMIT",
            f"DELETE FROM {database}.users WHERE id < 130",
            "SET SESSION binlog_format = 'STATEMENT'",
            f"DELETE FROM {database}.users",
            f"DROP TABLE {database}.users",
        ):
            session.execute(statement)
    [log] = logs_since(server, first)
    transactions, _ = scanned(log.data)
    index = SegmentIndex(transactions=tuple(filter(None, map(indexed, transactions))))
    assert SegmentIndex.parse(index.model_dump_json().encode(), "here") == index
    assert [[(each.table, each.inserted, each.deleted) for each in entry.rows] for entry in index.transactions] == [
        *([], [], [("users", 150, 0)], [("users", 0, 120)], [], []),
    ]
    does = [[each.does for each in entry.statements] for entry in index.transactions]
    assert does == [[Does.CREATE], [Does.CREATE], [], [], [Does.ROWS], [Does.DROP]]
    deleted, dropped = index.transactions[-2:]
    assert deleted.statements[0].text == f"DELETE FROM {database}.users"
    assert dropped.statements[0].tables == ((database, "users"),)
    assert [dropped] == [each for each in index.transactions if each.ending is Ending.STATEMENT][2:]
    whole = {(each.gtid, each.start, each.end, each.time) for each in transactions}
    assert all((each.gtid, each.start, each.end, each.time) in whole for each in index.transactions)


def test_an_index_of_a_format_that_is_not_known_is_no_damaged_one() -> None:
    later = b'{"format": 2, "many_rows": 100, "transactions": {"of": "another shape"}}'
    with pytest.raises(UnknownFormatError, match="here: the index is of format 2; this version reads 1"):
        SegmentIndex.parse(later, "here")
    for text in (b"", b'{"format": 1', b'{"format": 1, "transactions": 7}', b"[]"):
        with pytest.raises(ArchiveDamagedError, match="here: the index cannot be read"):
            SegmentIndex.parse(text, "here")
