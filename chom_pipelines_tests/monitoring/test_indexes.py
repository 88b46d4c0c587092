"""Indexes and their reads, on servers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from chom_pipelines.monitoring.readers.daily_digests import read_digests
from chom_pipelines.monitoring.readers.indexes import Index, read_indexes
from chom_pipelines.monitoring.readers.reading import Reading
from chom_pipelines.monitoring.readers.session import monitoring_session
from chom_pipelines.server.endpoint import Endpoint
from chom_pipelines.server.facts import Flavour
from chom_pipelines_tests.monitoring.limited import grant, limited
from chom_pipelines_tests.servers import PrivateServer, private_server

ALL = ("REFERENCES ON *.*", "SELECT ON performance_schema.*", "SELECT ON mysql.innodb_index_stats")


def indexes(endpoint: Endpoint, databases: Sequence[str] | None) -> Reading[tuple[Index, ...]]:
    session, facts = monitoring_session(endpoint)
    with closing(session):
        return read_indexes(session, facts, databases)


@pytest.fixture(scope="module", params=["mysql", "performance_schema", "userstat"])
def counting(request: pytest.FixtureRequest) -> Iterator[PrivateServer]:
    """A server of each kind that counts the reads of indexes."""
    if request.param == "mysql":
        yield request.getfixturevalue("mysql_server")
        return
    option = "--userstat=1" if request.param == "userstat" else "--performance-schema=ON"
    with private_server(Flavour.MARIADB, (option,)) as server:
        yield server


def counts_by_userstat(server: PrivateServer) -> bool:
    with server.connect() as session:
        return bool(session.rows("SHOW GLOBAL VARIABLES LIKE 'userstat'")) and bool(session.value("SELECT @@userstat"))


def fill(server: PrivateServer, database: str) -> None:
    with server.connect() as session:
        session.execute(f"USE {database}")
        session.execute("CREATE TABLE parent (id INT PRIMARY KEY, code INT NOT NULL, UNIQUE KEY code (code))")
        session.execute(
            "CREATE TABLE child (id INT PRIMARY KEY, parent INT, a INT, b VARCHAR(50), t TEXT, n INT AUTO_INCREMENT,"
            " g INT AS (a + 1) STORED, KEY read_one (a), KEY unread (b(10), a), KEY made (g), FULLTEXT KEY words (t),"
            " KEY number (n), KEY of_parent (parent), FOREIGN KEY (parent) REFERENCES parent (id))"
        )
        if server.flavour is Flavour.MYSQL:
            session.execute("CREATE INDEX computed ON child ((a * 2), b)")
        session.execute("INSERT INTO parent VALUES (1, 1)")
        for number in range(20):
            session.execute(f"INSERT INTO child (id, parent, a, b, t) VALUES ({number}, 1, {number}, 'x', 'hello')")
        session.rows("SELECT * FROM child FORCE INDEX (read_one) WHERE a = 3")
        session.rows("SELECT * FROM child WHERE MATCH (t) AGAINST ('hello')")
        session.execute("ANALYZE TABLE child")


def test_reads_needs_columns_and_sizes_are_told_by_each_means_of_counting(counting: PrivateServer) -> None:
    with counting.scope() as server:
        database = server.fresh_database()
        fill(server, database)
        reading = indexes(server.root, [database])
        with server.connect() as session:
            page = int(session.value("SELECT @@innodb_page_size"))
    assert (reading.succeeded, reading.capabilities) == (True, ("indexes", "index_reads", "index_sizes"))
    found = {each.name: each for each in reading.value or () if each.table == "child"}
    assert {name for name, each in found.items() if each.is_needed} == {"PRIMARY", "number", "of_parent"}
    assert [found["PRIMARY"].is_unique, found["read_one"].is_unique] == [True, False]
    assert found["read_one"].reads
    assert (found["unread"].reads, found["made"].reads) == (0, 0)
    assert found["words"].reads is None  # it was searched with, and no server counts that
    assert (found["unread"].columns, found["made"].columns) == (("b(10)", "a"), ("g",))
    assert (found["unread"].bytes, found["words"].bytes) == (page, None)
    if server.flavour is Flavour.MYSQL:
        assert found["computed"].columns == ("(`a` * 2)", "b")


def test_partitions_are_summed_and_odd_names_found(counting: PrivateServer) -> None:
    with counting.scope() as server:
        database = server.fresh_database("", name="we ird#p#y")
        with server.connect() as session:
            session.execute(f"USE `{database}`")
            session.execute(
                "CREATE TABLE `p#p#q` (id INT PRIMARY KEY, a INT, KEY `i``x` (a)) PARTITION BY HASH (id) PARTITIONS 3"
            )
            session.execute("INSERT INTO `p#p#q` VALUES (1, 1), (2, 2), (3, 3)")
            session.execute("CREATE TABLE `q#p#q` (id INT PRIMARY KEY)")
            session.rows("SELECT * FROM `p#p#q` FORCE INDEX (`i``x`) WHERE a = 2")
            session.execute("ANALYZE TABLE `p#p#q`, `q#p#q`")
            page = int(session.value("SELECT @@innodb_page_size"))
        found = {(each.table, each.name): each for each in indexes(server.root, [database]).value or ()}
    assert found["p#p#q", "i`x"].reads
    assert found["q#p#q", "PRIMARY"].bytes == page


def test_with_the_least_privileges_everything_is_told(counting: PrivateServer) -> None:
    with counting.scope() as server:
        database = server.fresh_database()
        fill(server, database)
        by_userstat = [f"SELECT ON {database}.*"] if counts_by_userstat(server) else []
        own = {(each.name, each.is_needed, each.bytes) for each in indexes(server.root, [database]).value or ()}
        with limited(server, *ALL, *by_userstat) as account:
            reading = indexes(account, [database])
    assert reading.succeeded
    assert {(each.name, each.is_needed, each.bytes) for each in reading.value or ()} == own


def test_each_privilege_that_is_missing_is_named_and_nothing_looks_unused_for_it(counting: PrivateServer) -> None:
    with counting.scope() as server:
        database = server.fresh_database()
        fill(server, database)
        with limited(server) as account:
            assert indexes(account, [database]).value is None
            grant(server, indexes(account, [database]).lacks[0].remedy)
            reading = indexes(account, [database])
            assert {lack.capability for lack in reading.lacks} == {"index_reads", "index_sizes"}
            assert {each.reads for each in reading.value or ()} == {None}
            assert {each.bytes for each in reading.value or ()} == {None}
            assert [each.is_needed for each in reading.value or () if each.name == "of_parent"] == [True]
            for lack in reading.lacks:
                grant(server, lack.remedy)
            assert indexes(account, [database]).succeeded


def test_a_server_that_counts_nothing_says_how_to_have_it_count(mariadb: PrivateServer) -> None:
    database = mariadb.fresh_database()
    fill(mariadb, database)
    reading = indexes(mariadb.root, [database])
    (lack,) = reading.lacks
    assert (lack.capability, lack.remedy.split(";")[0]) == ("index_reads", "SET GLOBAL userstat = ON")
    assert {each.reads for each in reading.value or ()} == {None}
    assert [each.is_needed for each in reading.value or () if each.name == "of_parent"] == [True]


def test_an_instrument_that_is_off_is_not_taken_for_no_reads(mysql: PrivateServer) -> None:
    database = mysql.fresh_database()
    fill(mysql, database)
    statement = (
        "UPDATE performance_schema.setup_instruments SET enabled = '{}' WHERE name = 'wait/io/table/sql/handler'"
    )
    with mysql.connect() as session:
        session.execute(statement.format("NO"))
        try:
            reading = indexes(mysql.root, [database])
        finally:
            session.execute(statement.format("YES"))
    assert {each.reads for each in reading.value or ()} == {None}
    assert reading.lacks[0].remedy == f"{statement.format('YES')};"


def test_statements_are_told_without_the_values_in_them(counting: PrivateServer) -> None:
    with counting.scope() as server:
        database = server.fresh_database()
        with server.connect() as root:  # of hundreds of tests before
            if int(root.value("SELECT @@performance_schema")):
                root.execute("TRUNCATE performance_schema.events_statements_summary_by_digest")
        fill(server, database)
        session, facts = monitoring_session(server.root)
        with closing(session):
            reading = read_digests(session, facts, 500)
        if reading.value is None:
            assert "performance_schema = ON" in reading.lacks[0].remedy
        else:
            texts = [each.text for each in reading.value if each.database == database]
            assert any("MATCH" in text for text in texts)
            assert not any("hello" in text for text in texts)
            assert reading.value[0].seconds >= reading.value[-1].seconds > 0


def test_statements_take_a_privilege(mysql: PrivateServer) -> None:
    with limited(mysql) as account:
        session, facts = monitoring_session(account)
        with closing(session):
            (lack,) = read_digests(session, facts).lacks
    assert lack.remedy.startswith("GRANT SELECT ON `performance\\_schema`.* TO ")


def test_tables_whose_names_differ_by_case_alone_are_not_mixed_up(server: PrivateServer) -> None:
    database = server.fresh_database()
    with server.connect() as session:
        session.execute(f"CREATE TABLE {database}.parent (id INT PRIMARY KEY)")
        session.execute(f"CREATE TABLE {database}.t (id INT PRIMARY KEY, a INT, KEY i (a), KEY j (a, id))")
        session.execute(
            f"CREATE TABLE {database}.T (id INT PRIMARY KEY, a INT, KEY i (a), KEY j (id, a),"
            f" FOREIGN KEY (a) REFERENCES {database}.parent (id))"
        )
    found = {(each.table, each.name): each for each in indexes(server.root, [database]).value or ()}
    assert len(found) == 7
    assert {place for place, each in found.items() if each.is_needed and place[1] != "PRIMARY"} == {("T", "i")}
    assert (found["t", "j"].columns, found["T", "j"].columns) == (("a", "id"), ("id", "a"))


def test_indexes_that_cannot_be_told_are_not_silently_missing(mariadb: PrivateServer) -> None:
    database = mariadb.fresh_database()
    with mariadb.connect() as session:
        session.execute(f"CREATE TABLE {database}.gone (a INT, KEY i (a)) ENGINE=MyISAM")
        session.execute("FLUSH TABLES")
    (Path(mariadb.facts.variables["datadir"]) / database / "gone.MYI").unlink()
    reading = indexes(mariadb.root, [database])
    assert reading.value == ()
    assert "cannot tell the indexes of all tables: Can't find file" in str(reading.failure)
