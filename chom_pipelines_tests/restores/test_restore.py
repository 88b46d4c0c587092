import subprocess
import sys
import textwrap
from functools import partial
from pathlib import Path

import pytest

from chom_pipelines.errors import DamagedError, RestoreRefusedError, UnsupportedServerError
from chom_pipelines.logical import dump
from chom_pipelines.logical.ranges import cut
from chom_pipelines.logical.tables import RESTORE_MARKER as MARKER
from chom_pipelines.outcome import Outcome
from chom_pipelines.progress import unreported
from chom_pipelines.proofs.verification import verify
from chom_pipelines.repository.entry import BackupEntry
from chom_pipelines.repository.proof import Level
from chom_pipelines.restores.restoring import plan_restore, restore_into_directory, restore_into_server
from chom_pipelines.restores.selection import RestoreRequest
from chom_pipelines.server.connection import Session
from chom_pipelines.server.facts import Flavour
from chom_pipelines.server.identifiers import quote
from chom_pipelines.server.scratch import scratch_server
from chom_pipelines_tests.logical.samples import contents, library
from chom_pipelines_tests.logical.taking import Backups, filled
from chom_pipelines_tests.places import path_of
from chom_pipelines_tests.servers import PrivateServer


def copied(server: PrivateServer, entry: BackupEntry, database: str, copy: str, **options: object) -> None:
    """Restore a database under the name of another."""
    request = RestoreRequest(rename={database: copy}, threads=2, **options)  # type: ignore[arg-type]
    restore_into_server(entry, None, server.root, request, unreported)


def test_a_copy_under_another_name_has_the_same_contents(server: PrivateServer, backups: Backups) -> None:
    database, copy = library(server), server.fresh_database()
    copied(server, backups.take(server, database), database, copy)
    with server.connect() as session:
        assert contents(session, copy) == contents(session, database)
        assert session.value(f"SELECT {quote(copy)}.shelf_size()") == 3
        assert MARKER not in [name for (name,) in session.rows(f"SHOW TABLES FROM {quote(copy)}")]


def ranged(server: PrivateServer) -> tuple[str, list[str]]:
    """A database of tables that are cut into many ranges, with every reason for and against filling one in parallel."""
    database = server.fresh_database()
    tables = {
        "counted": ("(id INT AUTO_INCREMENT PRIMARY KEY, v VARCHAR(99) NOT NULL, KEY (v))", "n, SHA2(n, 256)"),
        "plain": ("(id INT PRIMARY KEY, v VARCHAR(99) NOT NULL, UNIQUE KEY (v))", "n * 3, SHA2(n, 256)"),
        "texts": ("(id CHAR(64) PRIMARY KEY, v VARCHAR(99)) CHARSET = ascii", "SHA2(n, 256), n"),
    }
    if server.flavour is Flavour.MARIADB:
        tables["hashed"] = ("(id INT PRIMARY KEY, v TEXT, UNIQUE (v))", "n, SHA2(n, 256)")
        overlaps = "(id INT, a DATE, b DATE, PERIOD FOR p (a, b), PRIMARY KEY (id, p WITHOUT OVERLAPS))"
        tables["periods"] = (overlaps, "n, '2024-01-01', '2024-02-01'")
    with server.connect() as session:
        session.execute(f"USE {quote(database)}")
        for name, (columns, values) in tables.items():
            session.execute(f"CREATE TABLE {name} {columns}")
            filled(session, name, 20_000, values)
        session.rows(f"ANALYZE TABLE {', '.join(tables)}")
    return database, list(tables)


def test_tables_of_many_ranges_come_back_over_many_connections(
    server: PrivateServer, backups: Backups, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dump, "cut", partial(cut, range_bytes=100_000))
    (database, tables), copy = ranged(server), server.fresh_database()
    entry = backups.take(server, database)
    assert {table.name for table in backups.manifest(entry).logical.tables if len(table.parts) > 3} == set(tables)
    restore_into_server(entry, None, server.root, RestoreRequest(rename={database: copy}, threads=4), unreported)
    with server.connect() as session:
        for table in tables:
            both = session.rows(f"CHECKSUM TABLE {quote(database)}.{table}, {quote(copy)}.{table}")
            assert both[0][1] == both[1][1] != 0
    assert verify(entry, Level.FULL, None, unreported, threads=4).outcome is Outcome.PASSED


@pytest.mark.long_on_mysql
def test_what_is_reported_ends_with_all_rows_loaded_and_all_keys_built(server: PrivateServer, backups: Backups) -> None:
    database, copy = library(server), server.fresh_database()
    entry = backups.take(server, database)
    last: dict[str, tuple[int, int | None]] = {}
    request = RestoreRequest(rename={database: copy}, threads=2)
    restore_into_server(
        entry, None, server.root, request, lambda done, total, label: last.update({label: (done, total)})
    )
    whole = sum(table.bytes for table in backups.manifest(entry).logical.tables)
    assert last == {f"{what} {entry.id}": (whole, whole) for what in ("restore", "build the keys of")}


def test_events_of_a_copy_do_not_run_twice_and_keep_their_definer(server: PrivateServer, backups: Backups) -> None:
    database, copy = library(server), server.fresh_database()
    with server.connect() as session:
        definer = f"DEFINER={quote(server.backup.user)}@'%'"
        event = "ON SCHEDULE EVERY 1 DAY DISABLE DO SELECT 1"
        session.execute(f"CREATE {definer} EVENT {quote(database)}.off {event}")
    entry = backups.take(server, database)
    request = RestoreRequest(rename={database: copy}, threads=2)
    result = restore_into_server(entry, None, server.root, request, unreported)
    assert f"disabled, so that they do not run twice: event {database}.nightly" in result.warnings
    original = RestoreRequest(rename={database: database}, replace=True)
    assert not [each for each in plan_restore(entry, None, server.root, original)[0].warnings if "disabled" in each]
    with server.connect() as session:
        events = {str(row[1]): (str(row[2]), row[10]) for row in session.rows(f"SHOW EVENTS FROM {quote(copy)}")}
    assert events == {"nightly": ("root@localhost", "DISABLED"), "off": (f"{server.backup.user}@%", "DISABLED")}


@pytest.mark.long_on_mysql
def test_nothing_that_exists_is_overwritten_unless_it_is_to_be_replaced(
    server: PrivateServer, backups: Backups
) -> None:
    database, copy = library(server), server.fresh_database()
    entry = backups.take(server, database)
    with server.connect() as session:
        session.execute(f"CREATE TABLE {quote(copy)}.precious (id INT)")
    with pytest.raises(RestoreRefusedError, match=r"holds 1 object: precious.*was not restored"):
        copied(server, entry, database, copy)
    with server.connect() as session:
        assert session.rows(f"SHOW TABLES FROM {quote(copy)}") == [("precious",)]
    copied(server, entry, database, copy, replace=True)
    with server.connect() as session:
        assert contents(session, copy) == contents(session, database)


@pytest.mark.long_on_mysql
def test_a_database_that_holds_only_a_routine_is_not_empty(server: PrivateServer, backups: Backups) -> None:
    database, copy = library(server), server.fresh_database()
    entry = backups.take(server, database)
    with server.connect() as session:
        session.execute(f"CREATE FUNCTION {quote(copy)}.precious() RETURNS INT DETERMINISTIC RETURN 1")
    with pytest.raises(RestoreRefusedError, match="holds 1 object: precious"):
        copied(server, entry, database, copy)


@pytest.mark.long_on_mysql
def test_the_dry_run_changes_nothing_and_says_what_would_be_done(server: PrivateServer, backups: Backups) -> None:
    database = library(server)
    copy = f"{database}_copy"
    found, _ = plan_restore(backups.take(server, database), None, server.root, RestoreRequest(rename={database: copy}))
    lines = [each.line for each in found.all]
    assert lines[0] == f"create database {copy}"
    assert any(line.startswith(f"create table {copy}.authors: 3 rows") for line in lines)
    assert found.destructive == ()
    with server.connect() as session:
        assert (copy,) not in session.rows("SHOW DATABASES")


def test_chosen_tables_come_with_their_triggers_and_leave_the_others_alone(
    server: PrivateServer, backups: Backups
) -> None:
    database = library(server)
    entry = backups.take(server, database)
    with server.connect() as session:
        before = contents(session, database)
        session.execute(f"DELETE FROM {quote(database)}.books WHERE id > 1")
        session.execute(f"UPDATE {quote(database)}.notes SET text = 'changed'")
    request = RestoreRequest(tables=(f"{database}.books",), replace=True, threads=2)
    restore_into_server(entry, None, server.root, request, unreported)
    with server.connect() as session:
        assert contents(session, database) == before
        assert {text for (text,) in session.rows(f"SELECT text FROM {quote(database)}.notes")} == {"changed"}


def test_what_chosen_tables_lead_to_and_is_not_restored_is_named(server: PrivateServer, backups: Backups) -> None:
    database, copy = server.fresh_database(), server.fresh_database()
    with server.connect() as session:
        session.execute(f"USE {quote(database)}")
        session.execute("CREATE TABLE users (id INT PRIMARY KEY)")
        session.execute("CREATE TABLE log_lines (note TEXT, orders INT)")
        session.execute("CREATE TABLE note (id INT)")
        session.execute(
            "CREATE TABLE orders (id INT PRIMARY KEY, u INT, before_it INT, note TEXT, "
            "CONSTRAINT of_user FOREIGN KEY (u) REFERENCES users (id), "
            "CONSTRAINT of_order FOREIGN KEY (before_it) REFERENCES orders (id))"
        )
        session.execute(
            f"CREATE TRIGGER {database}.t_o AFTER INSERT ON {database}.orders FOR EACH ROW "
            "INSERT INTO log_lines VALUES (CONCAT(NEW.note, 'users'), NEW.id)"
        )
    entry = backups.take(server, database)
    alone = RestoreRequest(tables=(f"{database}.orders",), rename={database: copy})
    found, _ = plan_restore(entry, None, server.root, alone)
    key, trigger, *_ = found.warnings
    assert key.startswith(f"{copy}.orders has the foreign key of_user to {copy}.users, which is not restored with it")
    assert trigger == f"trigger {copy}.t_o names {copy}.log_lines, not restored with it"
    together = tuple(f"{database}.{name}" for name in ("orders", "users", "log_lines"))
    found, _ = plan_restore(entry, None, server.root, RestoreRequest(tables=together, rename={database: copy}))
    assert not [each for each in found.warnings if "restored with it" in each]
    for name in (database, copy):  # the head of the trigger alone names the database
        found, _ = plan_restore(entry, None, server.root, RestoreRequest(rename={database: name}))
        assert not [each for each in found.warnings if "under its new name" in each]


def test_a_table_that_the_backup_does_not_have_is_refused(mariadb: PrivateServer, backups: Backups) -> None:
    database = library(mariadb)
    with pytest.raises(RestoreRefusedError, match="has no table"):
        plan_restore(backups.take(mariadb, database), None, None, RestoreRequest(tables=(f"{database}.boks",)))


def test_a_server_of_the_other_family_is_refused(
    mariadb: PrivateServer, mysql: PrivateServer, backups: Backups
) -> None:
    entry = backups.take(mariadb, library(mariadb))
    with pytest.raises(UnsupportedServerError, match="the backup is of mariadb"):
        restore_into_server(entry, None, mysql.root, RestoreRequest(), unreported)


def test_a_row_whose_counter_is_zero_keeps_it_beside_columns_that_are_loaded_by_a_function(
    server: PrivateServer, backups: Backups
) -> None:
    database, copy = server.fresh_database(), server.fresh_database()
    with server.connect() as session:
        session.execute(f"USE {quote(database)}")
        session.execute("SET SESSION sql_mode = 'NO_AUTO_VALUE_ON_ZERO'")
        for kind in ("ENUM", "SET"):
            session.execute(f"CREATE TABLE {kind}_t (id INT AUTO_INCREMENT PRIMARY KEY, s {kind}('a', 'b'))")
            session.execute(f"INSERT INTO {kind}_t VALUES (0, 'a'), (5, 'b')")
    copied(server, backups.take(server, database), database, copy)
    with server.connect() as session:
        for kind in ("ENUM", "SET"):
            assert session.rows(f"SELECT * FROM {quote(copy)}.{kind}_t ORDER BY id") == [(0, "a"), (5, "b")]


@pytest.mark.long_on_mysql
def test_a_restore_that_was_cut_off_says_so_and_can_be_run_again(server: PrivateServer, backups: Backups) -> None:
    database, copy = library(server), server.fresh_database()
    entry = backups.take(server, database)
    damaged = next((path_of(entry) / "data").glob("*"))
    whole = damaged.read_bytes()
    damaged.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(DamagedError, match=r"(?s)unfinished restore in: .*run again with --replace, replaces it"):
        copied(server, entry, database, copy)
    damaged.write_bytes(whole)
    with pytest.raises(RestoreRefusedError, match=rf"(?s)a restore of {entry.id} left that was cut off"):
        copied(server, entry, database, copy)
    copied(server, entry, database, copy, replace=True)
    with server.connect() as session:
        assert contents(session, copy) == contents(session, database)


def test_a_directory_that_was_not_filled_leaves_nothing_to_replace(
    mariadb: PrivateServer, backups: Backups, tmp_path: Path
) -> None:
    entry = backups.take(mariadb, library(mariadb))
    damaged = next((path_of(entry) / "data").glob("*"))
    damaged.write_bytes(damaged.read_bytes()[:-1])
    with pytest.raises(DamagedError) as failed:
        restore_into_directory(entry, None, tmp_path / "restored", RestoreRequest(), unreported)
    assert "unfinished" not in failed.value.what
    assert "--replace" not in failed.value.remedy
    assert list(tmp_path.glob("restored*")) == []


@pytest.mark.long_on_mysql
def test_a_restore_that_was_killed_can_be_run_again(server: PrivateServer, backups: Backups, tmp_path: Path) -> None:
    database, copy = library(server), server.fresh_database()
    entry = backups.take(server, database)
    script = tmp_path / "restoring.py"
    script.write_text(
        textwrap.dedent(f"""
        import os, signal
        from pathlib import Path
        from chom_pipelines.repository.local_store import LocalStore
        from chom_pipelines.repository.repository import Repository
        from chom_pipelines.restores.selection import RestoreRequest
        from chom_pipelines.restores.restoring import restore_into_server
        from chom_pipelines.server.connection import Endpoint
        def killed(done, total, label): os.kill(os.getpid(), signal.SIGKILL)
        target = Endpoint("target", "root", "", socket={str(server.root.socket)!r})
        request = RestoreRequest(rename={{{database!r}: {copy!r}}}, threads=2)
        entry = Repository(LocalStore(Path({backups.repository.where!r}))).find({entry.server!r}, "latest")
        restore_into_server(entry, None, target, request, killed)
        """),
    )
    done = subprocess.run([sys.executable, str(script)], check=False)
    assert done.returncode == -9
    with server.connect() as session:
        assert (MARKER,) in session.rows(f"SHOW TABLES FROM {quote(copy)}")
    copied(server, entry, database, copy, replace=True)
    with server.connect() as session:
        assert contents(session, copy) == contents(session, database)


def test_a_directory_becomes_a_server_that_has_the_backup(
    server: PrivateServer, backups: Backups, tmp_path: Path
) -> None:
    database = library(server)
    entry, directory = backups.take(server, database), tmp_path / "restored"
    result = restore_into_directory(entry, None, directory, RestoreRequest(threads=2), unreported)
    assert any("no accounts but root@localhost without a password" in warning for warning in result.warnings)
    with (
        scratch_server(server.flavour, data_directory=directory) as restored,
        Session(restored.endpoint) as session,
        server.connect() as source,
    ):
        assert contents(session, database) == contents(source, database)
        roots = session.rows("SELECT User, Host FROM mysql.user WHERE User NOT LIKE 'm%.%' AND User <> 'PUBLIC'")
        assert roots == [("root", "localhost")]
    with pytest.raises(RestoreRefusedError, match="not empty"):
        restore_into_directory(entry, None, directory, RestoreRequest(), unreported)


def test_a_directory_restore_that_fails_leaves_nothing(
    mariadb: PrivateServer, backups: Backups, tmp_path: Path
) -> None:
    entry = backups.take(mariadb, library(mariadb))
    next((path_of(entry) / "data").glob("*")).unlink()
    with pytest.raises(DamagedError):
        restore_into_directory(entry, None, tmp_path / "restored", RestoreRequest(), unreported)
    assert [path.name for path in tmp_path.iterdir() if "restored" in path.name] == []


def test_a_backup_that_failed_its_last_proof_is_refused_unless_that_is_wanted(
    mariadb: PrivateServer, backups: Backups, tmp_path: Path
) -> None:
    database, copy = library(mariadb), mariadb.fresh_database()
    entry = backups.take(mariadb, database)
    guide = path_of(entry) / "RESTORE.md"
    whole = guide.read_bytes()
    guide.write_bytes(whole + b"\n")
    assert verify(entry, Level.BASIC, None, unreported).outcome is Outcome.FAILED
    with pytest.raises(RestoreRefusedError, match=rf"{entry.id} failed its basic verification of .*RESTORE\.md"):
        copied(mariadb, entry, database, copy)
    with pytest.raises(RestoreRefusedError, match="failed its basic verification"):
        restore_into_directory(entry, None, tmp_path / "restored", RestoreRequest(), unreported)
    request = RestoreRequest(rename={database: copy}, threads=2, despite_failed_proof=True)
    restore_into_server(entry, None, mariadb.root, request, unreported)
    guide.write_bytes(whole)
    assert verify(entry, Level.BASIC, None, unreported).outcome is Outcome.PASSED
    copied(mariadb, entry, database, mariadb.fresh_database())


@pytest.mark.long_on_mysql
def test_a_damaged_backup_replaces_nothing(server: PrivateServer, backups: Backups) -> None:
    database, copy = library(server), server.fresh_database()
    entry = backups.take(server, database)
    copied(server, entry, database, copy)
    with server.connect() as session:
        session.execute(f"CREATE TABLE {quote(copy)}.newer (id INT PRIMARY KEY)")
        before = contents(session, copy)
    damaged = next((path_of(entry) / "data").glob("*"))
    whole = damaged.read_bytes()
    damaged.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    request = RestoreRequest(rename={database: copy}, threads=2, replace=True)
    with pytest.raises(DamagedError, match=damaged.name):
        restore_into_server(entry, None, server.root, request, unreported)
    with server.connect() as session:
        assert contents(session, copy) == before
        assert session.rows(f"SHOW TABLES FROM {quote(copy)} LIKE 'newer'") == [("newer",)]


@pytest.mark.long_on_mysql
def test_tables_whose_labels_are_alike_are_told_apart(server: PrivateServer, backups: Backups) -> None:
    first = server.fresh_database()
    second = server.fresh_database(name=f"{first}.b")
    with server.connect() as session:
        session.execute(f"CREATE TABLE {quote(first)}.`b.c` (id INT PRIMARY KEY, v CHAR(5))")
        session.execute(f"CREATE TABLE {quote(second)}.c (id INT PRIMARY KEY, v CHAR(5), w INT)")
        session.execute(f"INSERT INTO {quote(first)}.`b.c` VALUES (1, 'one')")
        session.execute(f"INSERT INTO {quote(second)}.c VALUES (2, 'two', 2), (3, 'three', 3)")
    entry = backups.take(server, first, second)
    proof = verify(entry, Level.FULL, None, unreported)
    assert (proof.outcome, proof.failures) == (Outcome.PASSED, ())
    with pytest.raises(RestoreRefusedError, match=r"is `b\.c` of .* and `c` of "):
        plan_restore(entry, None, None, RestoreRequest(tables=(f"{second}.c",)))


def test_a_sequence_of_a_live_database_never_goes_backwards(mariadb: PrivateServer, backups: Backups) -> None:
    database = mariadb.fresh_database()
    with mariadb.connect() as session:
        session.execute(f"USE {quote(database)}")
        session.execute("CREATE SEQUENCE used NOCACHE")
        session.execute("CREATE SEQUENCE unused NOCACHE")
        session.execute(f"CREATE TABLE t (id INT PRIMARY KEY DEFAULT nextval({quote(database)}.used), v INT)")
        session.execute("INSERT INTO t (v) VALUES (1), (2)")
        entry = backups.take(mariadb, database)
        session.execute("INSERT INTO t (v) VALUES (3), (4), (5)")
        session.execute("DO nextval(unused), nextval(unused), nextval(unused)")
    request = RestoreRequest(tables=(f"{database}.t",), replace=True, threads=2)
    restore_into_server(entry, None, mariadb.root, request, unreported)
    with mariadb.connect() as session:
        session.execute(f"USE {quote(database)}")
        assert session.rows("SELECT id FROM t ORDER BY id") == [(1,), (2,)]
        session.execute("INSERT INTO t (v) VALUES (6)")
        assert session.value("SELECT MAX(id) FROM t") == 6
        assert session.value("SELECT nextval(unused)") == 4
        session.execute("DROP TABLE t")
        session.execute("DROP SEQUENCE used")
    restore_into_server(entry, None, mariadb.root, request, unreported)
    with mariadb.connect() as session:
        session.execute(f"USE {quote(database)}")
        session.execute("INSERT INTO t (v) VALUES (7)")
        assert session.value("SELECT MAX(id) FROM t") == 3


def test_a_restore_of_tables_leaves_the_databases_default_collation(server: PrivateServer, backups: Backups) -> None:
    database = library(server)
    with server.connect() as session:
        session.execute(f"ALTER DATABASE {quote(database)} COLLATE latin1_swedish_ci")
        session.execute(f"USE {quote(database)}")
        session.execute("CREATE TRIGGER older BEFORE INSERT ON notes FOR EACH ROW SET NEW.text = NEW.text")
        session.execute(f"ALTER DATABASE {quote(database)} COLLATE utf8mb4_bin")
    entry = backups.take(server, database)
    with server.connect() as session:
        session.execute(f"ALTER DATABASE {quote(database)} COLLATE utf8mb4_general_ci")
    request = RestoreRequest(tables=(f"{database}.notes",), replace=True, threads=2)
    restore_into_server(entry, None, server.root, request, unreported)
    with server.connect() as session:
        session.execute(f"USE {quote(database)}")
        assert session.value("SELECT @@collation_database") == "utf8mb4_general_ci"
        (row,) = [row for row in session.rows("SHOW TRIGGERS") if row[0] == "older"]
        assert row[-1] == "latin1_swedish_ci"


def test_an_object_that_is_lost_is_named_before_anything_is_begun(mariadb: PrivateServer, backups: Backups) -> None:
    database, copy = library(mariadb), "chom_test_never_made"
    entry = backups.take(mariadb, database)
    next((path_of(entry) / "data").glob("*")).unlink()
    request = RestoreRequest(rename={database: copy}, threads=2)
    with pytest.raises(DamagedError, match="is not there; "):
        plan_restore(entry, None, mariadb.root, request)
    with pytest.raises(DamagedError, match="is not there; "):
        restore_into_server(entry, None, mariadb.root, request, unreported)
    with mariadb.connect() as session:
        assert (copy,) not in session.rows("SHOW DATABASES")
