"""What a restore of some tables, under another name, or with accounts does to what was there: only what it lists."""

from dataclasses import replace
from pathlib import Path

import pytest

from chom_pipelines.errors import DamagedError, LockNotObtainedError, RestoreFailedError, RestoreRefusedError
from chom_pipelines.logical.tables import RESTORE_MARKER as MARKER
from chom_pipelines.progress import unreported
from chom_pipelines.restores import restoring
from chom_pipelines.restores.operations import Action
from chom_pipelines.restores.restoring import plan_restore, restore_into_server
from chom_pipelines.restores.selection import RestoreRequest
from chom_pipelines.server.connection import Session
from chom_pipelines.server.identifiers import qualified, quote
from chom_pipelines.server.scratch import scratch_server
from chom_pipelines_tests.logical.samples import contents, library
from chom_pipelines_tests.logical.taking import Backups
from chom_pipelines_tests.places import path_of
from chom_pipelines_tests.servers import PrivateServer


def flip(path: Path) -> bytes:
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    return whole


def test_what_a_cut_off_restore_of_tables_leaves_lets_nobody_drop_the_live_database(
    server: PrivateServer, backups: Backups
) -> None:
    database = library(server)
    entry = backups.take(server, database)
    damaged = [path for path in (path_of(entry) / "data").glob("*") if path.is_file()]
    with server.connect() as session:
        session.execute(f"DROP TABLE {quote(database)}.notes")
        session.execute(f"CREATE TABLE {quote(database)}.newer (id INT PRIMARY KEY)")
        session.execute(f"INSERT INTO {quote(database)}.newer VALUES (1)")
    kept = [flip(path) for path in damaged]
    with pytest.raises(DamagedError):
        restore_into_server(
            entry, None, server.root, RestoreRequest(tables=(f"{database}.notes",), threads=1), unreported
        )
    for path, whole in zip(damaged, kept, strict=True):
        path.write_bytes(whole)
    with server.connect() as session:
        assert session.rows(f"SELECT name, backup FROM {quote(database)}.{MARKER}") == [("notes", entry.id)]
        before = contents(session, database)
    with pytest.raises(RestoreRefusedError, match=r"(?s)holds 7 objects.*left that was cut off"):
        restore_into_server(entry, None, server.root, RestoreRequest(threads=1), unreported)
    with pytest.raises(RestoreRefusedError, match="holds 1 object: notes"):
        restore_into_server(
            entry, None, server.root, RestoreRequest(tables=(f"{database}.notes",), threads=1), unreported
        )
    one = RestoreRequest(tables=(f"{database}.books",), replace=True, threads=1)
    restore_into_server(entry, None, server.root, one, unreported)
    with server.connect() as session:
        assert contents(session, database) == before
        assert session.rows(f"SELECT * FROM {quote(database)}.newer") == [(1,)]
        assert session.rows(f"SELECT name FROM {quote(database)}.{MARKER}") == [("notes",)]
    both = RestoreRequest(tables=(f"{database}.books", f"{database}.notes"), replace=True, threads=1)
    restore_into_server(entry, None, server.root, both, unreported)
    with server.connect() as session:
        assert (MARKER,) not in session.rows(f"SHOW TABLES FROM {quote(database)}")


def test_the_dry_run_names_each_thing_that_goes(server: PrivateServer, backups: Backups) -> None:
    database = library(server)
    entry = backups.take(server, database)
    with server.connect() as session:
        session.execute(f"CREATE TABLE {quote(database)}.newer (id INT PRIMARY KEY)")
    found, _ = plan_restore(entry, None, server.root, RestoreRequest(replace=True))
    gone = [each.line for each in found.destructive]
    assert gone == [
        f"drop table {database}.authors",
        f"drop table {database}.books: with its triggers on_book",
        f"drop table {database}.newer: the backup does not have it",
        f"drop table {database}.notes",
        f"drop event {database}.nightly",
        f"drop view {database}.shelf",
        f"drop function {database}.shelf_size",
    ]
    some, _ = plan_restore(entry, None, server.root, RestoreRequest(tables=(f"{database}.books",), replace=True))
    assert [each.line for each in some.destructive] == [f"drop table {database}.books: with its triggers on_book"]


def test_tables_that_refer_to_what_is_replaced_and_stay_are_named(server: PrivateServer, backups: Backups) -> None:
    database = library(server)
    entry = backups.take(server, database)
    one = RestoreRequest(tables=(f"{database}.authors",), replace=True)
    found, _ = plan_restore(entry, None, server.root, one)
    assert [each for each in found.warnings if each.endswith(f"as they stay: {database}.books")]
    both = replace(one, tables=(f"{database}.authors", f"{database}.books"))
    found, _ = plan_restore(entry, None, server.root, both)
    assert not [each for each in found.warnings if "as they stay" in each]


def test_where_one_table_is_in_use_for_long_nothing_goes(
    server: PrivateServer, backups: Backups, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(restoring, "_LOCK_SECONDS", 1)
    database = library(server)
    entry = backups.take(server, database)
    with server.connect() as user, server.connect() as session:
        before = contents(session, database)
        user.execute(f"LOCK TABLES {quote(database)}.notes READ")
        with pytest.raises(LockNotObtainedError, match=rf"at: drop table {database}\.authors") as caught:
            restore_into_server(entry, None, server.root, RestoreRequest(replace=True, threads=1), unreported)
        assert "unfinished" not in caught.value.what
        assert contents(session, database) == before
        assert session.value(f"SELECT {quote(database)}.shelf_size()") == 3


def test_what_is_refused_is_listed_all_the_same(server: PrivateServer, backups: Backups) -> None:
    database = library(server)
    found, refused = plan_restore(backups.take(server, database), None, server.root, RestoreRequest())
    assert isinstance(refused, RestoreRefusedError)
    assert len(found.destructive) == 6


def test_where_something_came_while_the_backup_was_read_nothing_is_done(
    server: PrivateServer, backups: Backups
) -> None:
    database = library(server)
    entry = backups.take(server, database)
    found: list[bool] = []

    def meanwhile(_done: int, _total: int | None, label: str) -> None:
        if not found and "before anything is replaced" in label:
            found.append(True)
            with server.connect() as session:
                session.execute(f"CREATE TABLE {quote(database)}.newer (id INT PRIMARY KEY)")

    with server.connect() as session:
        before = session.rows(f"SELECT * FROM {quote(database)}.books ORDER BY id")
    with pytest.raises(RestoreRefusedError, match="has changed while"):
        restore_into_server(entry, None, server.root, RestoreRequest(replace=True, threads=1), meanwhile)
    assert found
    with server.connect() as session:
        assert session.rows(f"SELECT * FROM {quote(database)}.books ORDER BY id") == before
        assert ("newer",) in session.rows(f"SHOW TABLES FROM {quote(database)}")


def test_a_trigger_that_belongs_to_another_table_now_is_in_the_way(server: PrivateServer, backups: Backups) -> None:
    database = library(server)
    entry = backups.take(server, database)
    with server.connect() as session:
        session.execute(f"DROP TABLE {quote(database)}.books")
        session.execute(
            f"CREATE TRIGGER {quote(database)}.on_book BEFORE INSERT ON {quote(database)}.notes FOR EACH ROW SET @a = 1"
        )
    request = RestoreRequest(tables=(f"{database}.books",), threads=1)
    with pytest.raises(RestoreRefusedError, match="on_book is there, and belongs to another table, notes"):
        restore_into_server(entry, None, server.root, request, unreported)


@pytest.mark.parametrize("name", ["mysql", "sys", "Information_Schema"])
def test_the_servers_own_databases_are_no_target(server: PrivateServer, backups: Backups, name: str) -> None:
    database = library(server)
    request = RestoreRequest(rename={database: name}, replace=True)
    with pytest.raises(RestoreRefusedError, match="is the server's own database"):
        plan_restore(backups.take(server, database), None, server.root, request)


def test_an_empty_database_gets_the_backups_defaults_and_the_list_says_so(
    server: PrivateServer, backups: Backups
) -> None:
    database, copy = server.fresh_database("COLLATE utf8mb4_bin"), server.fresh_database("COLLATE latin1_bin")
    entry = backups.take(server, database)
    request = RestoreRequest(rename={database: copy}, threads=1)
    listed, _ = plan_restore(entry, None, server.root, request)
    (only,) = listed.all
    assert (only.action, only.label) == (Action.ALTER, f"database {copy}")
    restore_into_server(entry, None, server.root, request, unreported)
    with server.connect() as session:
        session.execute(f"USE {quote(copy)}")
        assert session.value("SELECT @@collation_database") == "utf8mb4_bin"


def test_a_copy_holds_up_and_refuses_nothing_on_the_original(server: PrivateServer, backups: Backups) -> None:
    parents, children = server.fresh_database(), server.fresh_database()
    with server.connect() as session:
        session.execute(f"CREATE TABLE {quote(parents)}.p (id INT PRIMARY KEY)")
        session.execute(f"INSERT INTO {quote(parents)}.p VALUES (1), (2)")
        session.execute(
            f"CREATE TABLE {quote(children)}.c (id INT PRIMARY KEY, parent INT, "
            f"CONSTRAINT tie FOREIGN KEY (parent) REFERENCES {quote(parents)}.p (id))"
        )
        session.execute(f"INSERT INTO {quote(children)}.c VALUES (1, 1)")
    entry = backups.take(server, parents, children)
    alone, both = f"{children}_x", (f"{parents}_y", f"{children}_y")
    try:
        request = RestoreRequest(rename={children: alone}, tables=(f"{children}.c",), threads=1)
        result = restore_into_server(entry, None, server.root, request, unreported)
        assert any("foreign keys tie" in warning for warning in result.warnings)
        together = RestoreRequest(rename=dict(zip((parents, children), both, strict=True)), threads=1)
        restore_into_server(entry, None, server.root, together, unreported)
        with server.connect() as session:
            session.execute(f"DELETE FROM {quote(children)}.c")
            session.execute(f"DELETE FROM {quote(parents)}.p WHERE id = 1")
            session.execute(f"DROP TABLE {quote(children)}.c, {quote(parents)}.p")
            referred = session.rows(
                "SELECT REFERENCED_TABLE_SCHEMA FROM information_schema.KEY_COLUMN_USAGE "
                "WHERE TABLE_SCHEMA = %s AND REFERENCED_TABLE_NAME IS NOT NULL",
                (both[1],),
            )
            assert referred == [(both[0],)]
    finally:
        with server.connect() as session:
            for name in (alone, *reversed(both)):
                session.execute(f"DROP DATABASE IF EXISTS {quote(name)}")


def test_a_copy_counts_by_its_own_sequences(mariadb: PrivateServer, backups: Backups) -> None:
    database, copy = mariadb.fresh_database(), mariadb.fresh_database()
    with mariadb.connect() as session:
        session.execute(f"CREATE SEQUENCE {quote(database)}.numbers")
        session.execute(
            f"CREATE TABLE {quote(database)}.t (id INT DEFAULT NEXTVAL({quote(database)}.numbers) PRIMARY KEY, v INT)"
        )
        session.execute(f"INSERT INTO {quote(database)}.t (v) VALUES (1), (2)")
    entry = backups.take(mariadb, database)
    request = RestoreRequest(rename={database: copy}, threads=1)
    restore_into_server(entry, None, mariadb.root, request, unreported)
    with mariadb.connect() as session:
        before = session.row(f"SELECT * FROM {quote(database)}.numbers")
        session.execute(f"INSERT INTO {quote(copy)}.t (v) VALUES (3)")
        assert session.row(f"SELECT * FROM {quote(database)}.numbers") == before
        session.execute(f"DROP DATABASE {quote(database)}")
        session.execute(f"INSERT INTO {quote(copy)}.t (v) VALUES (4)")
        assert session.value(f"SELECT COUNT(*) FROM {quote(copy)}.t") == 4
        session.execute(f"CREATE DATABASE {quote(database)}")


def test_accounts_that_are_there_are_left_alone_even_where_databases_are_replaced(
    server: PrivateServer, backups: Backups
) -> None:
    database = library(server)
    with server.connect() as root:
        for name in ("kept", "lost"):
            root.execute(f"CREATE USER 'chom_test_{name}'@'%' IDENTIFIED BY 'of the backup'")
            root.execute(f"GRANT SELECT ON {quote(database)}.* TO 'chom_test_{name}'@'%'")
    try:
        entry = backups.take(server, database)
        with scratch_server(server.flavour) as target, Session(target.endpoint) as session:
            session.execute("CREATE USER 'chom_test_kept'@'%' IDENTIFIED BY 'of today'")
            asked = ("SHOW CREATE USER 'chom_test_kept'@'%'", "SHOW GRANTS FOR 'chom_test_kept'@'%'")
            before = [session.rows(question) for question in asked]
            result = restore_into_server(
                entry, None, target.endpoint, RestoreRequest(accounts=True, threads=1), unreported
            )
            assert [session.rows(question) for question in asked] == before
            assert any("chom_test_kept@%" in warning for warning in result.warnings)
            assert session.rows("SHOW GRANTS FOR 'chom_test_lost'@'%'")
            again = RestoreRequest(accounts=True, replace=True, threads=1)
            selected, _ = plan_restore(entry, None, target.endpoint, again)
            assert not [each for each in selected.all if each.kind == "account"]
            restore_into_server(entry, None, target.endpoint, again, unreported)
            assert [session.rows(question) for question in asked] == before
    finally:
        with server.connect() as root:
            root.execute("DROP USER 'chom_test_kept'@'%', 'chom_test_lost'@'%'")


def test_a_trigger_that_names_its_database_is_made_in_the_copy_and_not_in_the_original(
    server: PrivateServer, backups: Backups
) -> None:
    database, copy = library(server), server.fresh_database()
    with server.connect() as session:
        name = quote(database)
        session.execute(f"CREATE TRIGGER {name}.extra BEFORE INSERT ON {name}.notes FOR EACH ROW SET @a = 1")
    entry = backups.take(server, database)
    with server.connect() as session:
        session.execute(f"DROP TRIGGER {name}.extra")
    restore_into_server(entry, None, server.root, RestoreRequest(rename={database: copy}, threads=1), unreported)
    with server.connect() as session:
        assert {row[0] for row in session.rows(f"SHOW TRIGGERS FROM {name}")} == {"on_book"}
        assert {row[0] for row in session.rows(f"SHOW TRIGGERS FROM {quote(copy)}")} == {"on_book", "extra"}


def test_a_view_whose_names_are_those_of_databases_reads_the_same_columns_in_the_copy(
    server: PrivateServer, backups: Backups
) -> None:
    database, copy = server.fresh_database(), server.fresh_database()
    with server.connect() as session:
        session.execute(f"USE {quote(database)}")
        session.execute(f"CREATE TABLE {quote(database)} (id INT PRIMARY KEY, x INT)")
        session.execute("CREATE TABLE t1 (id INT PRIMARY KEY, x INT)")
        session.execute("CREATE TABLE t2 (id INT PRIMARY KEY, x INT)")
        for table, value in ((database, 50), ("t1", 100), ("t2", 200)):
            session.execute(f"INSERT INTO {quote(table)} VALUES (1, {value})")
        aliases = f"t1 {quote(database)} JOIN t2 {quote(copy)} ON {quote(database)}.id = {quote(copy)}.id"
        session.execute(f"CREATE VIEW v AS SELECT {quote(database)}.x AS ax, {quote(copy)}.x AS bx FROM {aliases}")
        session.execute(f"CREATE VIEW w AS SELECT {quote(database)}.id, {quote(database)}.x FROM {quote(database)}")
    entry = backups.take(server, database)
    restore_into_server(entry, None, server.root, RestoreRequest(rename={database: copy}, threads=1), unreported)
    with server.connect() as session:
        session.execute(f"UPDATE {qualified(database, database)} SET x = 51")
        assert session.rows(f"SELECT * FROM {quote(copy)}.v") == [(100, 200)]
        assert session.rows(f"SELECT * FROM {quote(copy)}.w") == [(1, 50)]


def test_a_trigger_with_quoted_names_is_made_in_the_copy(server: PrivateServer, backups: Backups) -> None:
    database, copy = library(server), server.fresh_database()
    with server.connect() as session:
        session.execute("SET sql_mode = 'ANSI_QUOTES'")
        session.execute(
            f'CREATE TRIGGER "{database}".extra BEFORE INSERT ON "{database}"/**/."notes" FOR EACH ROW SET @a = 1'
        )
    entry = backups.take(server, database)
    with server.connect() as session:
        session.execute(f"DROP TRIGGER {quote(database)}.extra")
    restore_into_server(entry, None, server.root, RestoreRequest(rename={database: copy}, threads=1), unreported)
    with server.connect() as session:
        assert {row[0] for row in session.rows(f"SHOW TRIGGERS FROM {quote(database)}")} == {"on_book"}
        assert {row[0] for row in session.rows(f"SHOW TRIGGERS FROM {quote(copy)}")} == {"on_book", "extra"}


def test_an_account_whose_grants_are_refused_is_not_left_without_them(server: PrivateServer, backups: Backups) -> None:
    database, other = library(server), server.fresh_database()
    with server.connect() as root:
        root.execute(f"CREATE TABLE {quote(other)}.s (id INT)")
        root.execute("CREATE USER chom_test_app@'%', chom_test_ro@'%'")
        root.execute(f"GRANT SELECT ON {quote(other)}.s TO chom_test_app@'%'")
        root.execute(f"GRANT SELECT ON {quote(database)}.* TO chom_test_ro@'%'")
    try:
        entry = backups.take(server, database)
        with scratch_server(server.flavour) as target, Session(target.endpoint) as session:
            for again in (False, True):
                request = RestoreRequest(accounts=True, replace=again, threads=1)
                with pytest.raises(RestoreFailedError, match="account chom_test_app@% is not there"):
                    restore_into_server(entry, None, target.endpoint, request, unreported)
                there = {user for (user,) in session.rows("SELECT User FROM mysql.user")}
                assert {"chom_test_app", "chom_test_ro"} & there == {"chom_test_ro"}
                assert any(database in str(grant) for grant in session.rows("SHOW GRANTS FOR chom_test_ro@'%'"))
                assert session.value(f"SELECT COUNT(*) FROM {quote(database)}.books") == 3
    finally:
        with server.connect() as root:
            root.execute("DROP USER chom_test_app@'%', chom_test_ro@'%'")


def test_a_backup_of_what_a_cut_off_restore_left_says_so_and_can_be_restored(
    server: PrivateServer, backups: Backups
) -> None:
    database, copy = library(server), server.fresh_database()
    with server.connect() as session:
        session.execute(
            f"CREATE TABLE {quote(database)}.{MARKER} (name VARCHAR(64), backup VARCHAR(64), since DATETIME)"
        )
        session.execute(f"INSERT INTO {quote(database)}.{MARKER} VALUES ('books', 'full_x', NOW())")
    entry = backups.take(server, database)
    assert f"a restore was cut off, or is at work, in {database}: books" in backups.manifest(entry).warnings
    restore_into_server(entry, None, server.root, RestoreRequest(rename={database: copy}, threads=1), unreported)
    with server.connect() as session:
        assert contents(session, copy) == contents(session, database)


def test_a_sequence_of_a_database_that_is_gone_is_asked_for_before_anything_goes(
    mariadb: PrivateServer, backups: Backups
) -> None:
    database, other = mariadb.fresh_database(), mariadb.fresh_database()
    with mariadb.connect() as session:
        session.execute(f"CREATE SEQUENCE {quote(other)}.q")
        session.execute(f"CREATE TABLE {quote(database)}.t (id INT DEFAULT NEXTVAL({quote(other)}.q))")
    entry = backups.take(mariadb, database, other)
    with mariadb.connect() as session:
        session.execute(f"DROP DATABASE {quote(other)}")
    request = RestoreRequest(tables=(f"{database}.t",), replace=True, threads=1)
    with pytest.raises(RestoreRefusedError, match=f"there is no database {other}"):
        restore_into_server(entry, None, mariadb.root, request, unreported)
    with mariadb.connect() as session:
        assert session.rows(f"SHOW TABLES FROM {quote(database)}") == [("t",)]


def test_a_package_is_replaced(mariadb: PrivateServer, backups: Backups) -> None:
    database = mariadb.fresh_database()
    with mariadb.connect() as session:
        session.execute("SET SESSION sql_mode = 'ORACLE'")
        session.execute(f"CREATE PACKAGE {database}.parcel AS FUNCTION f RETURN INT; END")
        session.execute(
            f"CREATE PACKAGE BODY {database}.parcel AS FUNCTION f RETURN INT AS BEGIN RETURN 1; END; END",
        )
        entry = backups.take(mariadb, database)
        session.execute(
            f"CREATE OR REPLACE PACKAGE BODY {database}.parcel AS FUNCTION f RETURN INT AS BEGIN RETURN 2; END; END",
        )
        restore_into_server(entry, None, mariadb.root, RestoreRequest(replace=True, threads=1), unreported)
        assert session.value(f"SELECT {database}.parcel.f()") == 1
