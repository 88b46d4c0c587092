"""The sizes of tables, on servers."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from chom_pipelines.monitoring.readers.file_sizes import read_file_sizes
from chom_pipelines.monitoring.readers.reading import Reading
from chom_pipelines.monitoring.readers.room import Room, read_room
from chom_pipelines.monitoring.readers.session import monitoring_session
from chom_pipelines.monitoring.readers.tables import TableSize, read_tables
from chom_pipelines.server.endpoint import Endpoint
from chom_pipelines.server.facts import Flavour
from chom_pipelines_tests.binlogs.test_server_options import mariadb_plugins
from chom_pipelines_tests.monitoring.limited import grant, limited
from chom_pipelines_tests.servers import PrivateServer, private_server

ODD = "t é#P#q`"


def tables(endpoint: Endpoint, databases: Sequence[str] | None) -> Reading[tuple[TableSize, ...]]:
    session, facts = monitoring_session(endpoint)
    with closing(session):
        return read_tables(session, facts, databases)


def fill(server: PrivateServer, database: str) -> None:
    """A table with an odd name, one of two partitions, an empty one, and a view."""
    with server.connect() as session:
        session.execute(f"USE {database}")
        session.execute("CREATE TABLE empty_one (id INT)")
        session.execute("CREATE VIEW seen AS SELECT 1 AS one")
        odd = ODD.replace("`", "``")
        session.execute(f"CREATE TABLE `{odd}` (id INT PRIMARY KEY AUTO_INCREMENT, s VARCHAR(200), KEY i (s(20)))")
        session.execute(
            "CREATE TABLE parts (id INT PRIMARY KEY) PARTITION BY RANGE (id)"
            " (PARTITION p0 VALUES LESS THAN (10), PARTITION p1 VALUES LESS THAN MAXVALUE)"
        )
        session.execute(f"INSERT INTO `{odd}` (s) VALUES (REPEAT('x', 200))")
        for _ in range(12):
            session.execute(f"INSERT INTO `{odd}` (s) SELECT s FROM `{odd}`")
        session.execute("INSERT INTO parts VALUES (1), (11)")
        session.execute(f"ANALYZE TABLE `{odd}`, parts, empty_one")


def test_sizes_are_the_servers_own_of_this_moment_with_odd_names_and_partitions(server: PrivateServer) -> None:
    database = server.fresh_database()
    with server.connect() as session:
        session.execute(f"CREATE TABLE {database}.`{ODD.replace('`', '``')}` (id INT)")
        session.rows(f"SELECT * FROM information_schema.tables WHERE table_schema = '{database}'")  # MySQL keeps that
        session.execute(f"DROP TABLE {database}.`{ODD.replace('`', '``')}`")
    fill(server, database)
    reading = tables(server.root, [database])
    assert (reading.succeeded, reading.capabilities) == (True, ("table_sizes",))
    found = {each.table: each for each in reading.value or ()}
    assert list(found) == ["empty_one", "parts", ODD]
    with server.connect() as session:
        page = int(session.value("SELECT @@innodb_page_size"))
        own = session.rows(
            "SELECT clustered_index_size, sum_of_other_index_sizes, n_rows FROM mysql.innodb_table_stats"
            f" WHERE database_name = '{database}' AND table_name LIKE 't%'"
        )
    data, index, rows = own[0]
    assert (found[ODD].data, found[ODD].index, found[ODD].engine) == (data * page, index * page, "InnoDB")
    assert found[ODD].rows == pytest.approx(int(rows), rel=0.1)
    assert found[ODD].total > 500_000
    assert (found["parts"].data, found["empty_one"].total) == (2 * page, page)


def test_a_table_that_grew_since_it_was_asked_is_told_as_it_is(server: PrivateServer) -> None:
    database = server.fresh_database()
    fill(server, database)
    before = {each.table: each.data for each in tables(server.root, [database]).value or ()}[ODD]
    odd = ODD.replace("`", "``")
    with server.connect() as session:
        session.execute(f"USE {database}")
        session.execute(f"INSERT INTO `{odd}` (s) SELECT s FROM `{odd}`")
        session.execute(f"ANALYZE TABLE `{odd}`")
    after = {each.table: each.data for each in tables(server.root, [database]).value or ()}[ODD]
    assert after > 1.5 * before


def test_mariadbs_sequences_and_versioned_tables_are_tables(mariadb: PrivateServer) -> None:
    database = mariadb.fresh_database()
    with mariadb.connect() as session:
        session.execute(f"CREATE SEQUENCE {database}.s")
        session.execute(f"CREATE TABLE {database}.v (id INT) WITH SYSTEM VERSIONING")
    assert [each.table for each in tables(mariadb.root, [database]).value or ()] == ["s", "v"]


def test_a_database_that_is_not_seen_has_no_size_of_zero_but_the_grant_that_mends_it(server: PrivateServer) -> None:
    seen, hidden = server.fresh_database(), server.fresh_database()
    for database in (seen, hidden):
        fill(server, database)
    with limited(server, f"REFERENCES ON {seen}.*", f"SELECT ON {hidden}.empty_one") as account:
        reading = tables(account, [seen, hidden])
        assert {each.database for each in reading.value or ()} == {seen}
        (lack,) = reading.lacks
        assert (lack.capability, reading.capabilities) == ("table_sizes", ())
        assert lack.remedy.startswith("GRANT REFERENCES ON ")
        assert tables(account, [hidden]).value is None
        grant(server, lack.remedy)
        mended = tables(account, [seen, hidden])
    assert (mended.succeeded, {each.database for each in mended.value or ()}) == (True, {seen, hidden})


def test_all_databases_take_the_privilege_everywhere_as_others_are_not_even_listed(server: PrivateServer) -> None:
    database = server.fresh_database()
    fill(server, database)
    with limited(server, f"REFERENCES ON {database}.*") as account:
        reading = tables(account, None)
        assert {each.database for each in reading.value or ()} == {database}
        assert [lack.remedy.split(" TO ")[0] for lack in reading.lacks] == ["GRANT REFERENCES ON *.*"]
        grant(server, reading.lacks[0].remedy)
        assert tables(account, None).succeeded
    assert database in {each.database for each in tables(server.root, None).value or ()}
    assert not {each.database for each in tables(server.root, None).value or ()} & {"mysql", "sys"}


def test_a_database_that_does_not_exist_is_named(server: PrivateServer) -> None:
    reading = tables(server.root, ["nowhere"])
    assert (reading.value, reading.lacks[0].why) == (None, "there is no database `nowhere`")


def test_a_table_that_cannot_be_opened_is_named_and_is_not_empty(server: PrivateServer) -> None:
    database = server.fresh_database()
    with server.connect() as session:
        session.execute(f"CREATE TABLE {database}.gone (a INT) ENGINE=MyISAM")
        session.execute(f"CREATE TABLE {database}.here (a INT) ENGINE=MyISAM")
        session.execute(f"CREATE TABLE {database}.both (a INT) ENGINE=MERGE UNION=({database}.here)")
        session.execute(f"INSERT INTO {database}.here VALUES (1)")
        session.execute("FLUSH TABLES")
        for suffix in ("MYD", "MYI"):
            (Path(server.facts.variables["datadir"]) / database / f"gone.{suffix}").unlink()
    reading = tables(server.root, [database])
    assert [(each.table, each.data > 0) for each in reading.value or ()] == [("both", False), ("here", True)]
    assert (reading.succeeded, reading.lacks) == (False, ())
    assert f"{database}.gone: Can't find file" in str(reading.failure)


def test_a_connection_that_ends_within_tells_nothing_and_says_why(server: PrivateServer) -> None:
    database = server.fresh_database()
    fill(server, database)
    session, facts = monitoring_session(server.root)
    with closing(session), server.connect() as other:
        other.execute(f"KILL {session.id}")
        reading = read_tables(session, facts, [database])
    assert (reading.value, reading.lacks, bool(reading.failure)) == (None, (), True)


def test_files_are_found_by_odd_names_and_partitions(server: PrivateServer) -> None:
    database = server.fresh_database("", name="we ird#p#x")
    with server.connect() as session:
        session.execute(f"CREATE TABLE `{database}`.`{ODD.replace('`', '``')}` (id INT PRIMARY KEY)")
        session.execute(f"CREATE TABLE `{database}`.`a b` (id INT PRIMARY KEY) PARTITION BY HASH (id) PARTITIONS 3")
    session, facts = monitoring_session(server.root)
    with closing(session):
        places = {(database, "a b"), (database, ODD), (database, "not there")}
        found = read_file_sizes(session, facts, places).value or {}
    files = Path(server.facts.variables["datadir"])
    assert set(found) == places - {(database, "not there")}
    own = sorted(
        (each.stat().st_size, each.name.lower()) for each in files.rglob("*.ibd") if "@0023p@0023x" in str(each)
    )
    assert found[database, "a b"] == sum(size for size, name in own if "#p#" in name)
    assert sum(found.values()) == sum(size for size, _ in own)


def test_files_take_process(server: PrivateServer) -> None:
    with limited(server) as account:
        session, facts = monitoring_session(account)
        with closing(session):
            reading = read_file_sizes(session, facts, ())
            assert (reading.value, reading.lacks[0].remedy.split(" TO ")[0]) == (None, "GRANT PROCESS ON *.*")


def test_the_room_of_a_server_on_this_machine_is_known(server: PrivateServer) -> None:
    session, facts = monitoring_session(server.root)
    with closing(session):
        room = read_room(session, facts)
    assert room.free is not None
    assert room.free > 0
    assert room.source == f"the file system of {Path(facts.variables['datadir'])}"


def elsewhere(endpoint: Endpoint) -> Room:
    """The room of a server that calls itself another machine, as one in a container does."""
    session, facts = monitoring_session(endpoint)
    with closing(session):
        return read_room(session, replace(facts, hostname="another"))


def test_the_room_of_a_server_elsewhere_is_not_known_and_not_that_of_this_machine(server: PrivateServer) -> None:
    room = elsewhere(server.root)
    assert room.free is None
    assert room.source.startswith("not known: ")
    assert "calls itself another, which this machine is not" in room.source
    assert ("INSTALL SONAME 'disks'" in room.source) == server.facts.is_mariadb


def test_mariadb_tells_the_room_with_its_plugin_to_who_has_the_privilege() -> None:
    with private_server(Flavour.MARIADB, (f"--plugin-dir={mariadb_plugins()}", "--plugin-load-add=disks")) as server:
        told = elsewhere(server.root)
        assert told.source.startswith("MariaDB's plugin disks, of ")
        assert (told.free or 0) > 0
        with limited(server) as account:
            assert elsewhere(account).free is None
            grant(server, f"GRANT FILE ON *.* TO {account.user}@localhost")
            assert elsewhere(account).free is not None
