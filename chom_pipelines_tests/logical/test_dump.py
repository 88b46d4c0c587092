"""What a dump meets on a real server: huge rows, bytes that are no text, swapped tables, users without rights."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from chom_pipelines.errors import (
    ConfigurationError,
    DefinitionChangedError,
    LockNotObtainedError,
    MissingPrivilegeError,
    RestoreFailedError,
    UnknownDatabaseError,
)
from chom_pipelines.logical import dump, snapshot
from chom_pipelines.logical.ranges import Range, cut
from chom_pipelines.logical.tables import TableInfo
from chom_pipelines.outcome import Outcome
from chom_pipelines.progress import unreported
from chom_pipelines.proofs.verification import verify
from chom_pipelines.repository.entry import BackupEntry
from chom_pipelines.repository.proof import Level
from chom_pipelines.restores.execution import RestoreResult
from chom_pipelines.restores.restoring import restore_into_server
from chom_pipelines.restores.selection import RestoreRequest
from chom_pipelines.server.connection import Session
from chom_pipelines.server.facts import Flavour, ServerFacts
from chom_pipelines.server.identifiers import quote
from chom_pipelines.server.scratch import scratch_server
from chom_pipelines_tests.logical.comparing import checksums, exact_rows
from chom_pipelines_tests.logical.following import run_guide
from chom_pipelines_tests.logical.taking import Backups, filled, table_of
from chom_pipelines_tests.logical.textfile import rows_of
from chom_pipelines_tests.places import path_of
from chom_pipelines_tests.servers import PrivateServer, private_server

DEFAULT_PACKETS = {Flavour.MARIADB: 16 << 20, Flavour.MYSQL: 64 << 20}


def made(server: PrivateServer, *statements: str) -> str:
    """A database that these statements fill."""
    database = server.fresh_database()
    with server.connect() as session:
        session.execute(f"USE {quote(database)}")
        session.execute("SET SESSION sql_mode = 'NO_AUTO_VALUE_ON_ZERO'")
        for statement in statements:
            session.execute(statement)
    return database


def copied(server: PrivateServer, entry: BackupEntry, database: str) -> tuple[str, RestoreResult]:
    """Restore it beside the source; return the copy's name."""
    copy = server.fresh_database()
    request = RestoreRequest(rename={database: copy}, threads=2)
    return copy, restore_into_server(entry, None, server.root, request, unreported)


def text_of(backups: Backups, entry: BackupEntry, label: str) -> bytes:
    """A table's stored text; the tests' backups are not compressed."""
    paths = [path for part in table_of(backups.manifest(entry), label).parts for path in part.objects]
    assert not any("#" in path for path in paths)
    return b"".join((path_of(entry) / path).read_bytes() for path in paths)


@pytest.mark.parametrize("flavour", Flavour, ids=lambda flavour: flavour.value)
@pytest.mark.long_on_mysql
def test_rows_of_20_or_40_megabytes_come_back_with_the_servers_default_packet(
    flavour: Flavour, backups: Backups
) -> None:
    packet = DEFAULT_PACKETS[flavour]
    mb = 1 << (20 if packet > 40 << 20 else 19)  # 20 megabytes are more than the smaller packet as well
    with private_server(flavour, [f"--max-allowed-packet={packet}"]) as server:
        with server.connect() as session:  # such values were written when the limit was higher
            session.execute("SET GLOBAL max_allowed_packet = 1073741824")
        database = made(
            server,
            "CREATE TABLE big (id INT PRIMARY KEY, a LONGBLOB, b LONGTEXT, c MEDIUMTEXT)",
            f"INSERT INTO big VALUES (1, REPEAT(X'00095c0aff', {8 * mb}), NULL, 'x'), (2, 'small', '', NULL)",
            f"INSERT INTO big VALUES (3, REPEAT('z', {13 * mb}), REPEAT('y\\t', {7 * mb}), REPEAT('x', {13 * mb}))",
        )
        with server.connect() as session:
            session.execute(f"SET GLOBAL max_allowed_packet = {packet}")
        entry = backups.take(server, database)
        copy, _ = copied(server, entry, database)
        with server.connect() as session:
            assert checksums(session, copy) == checksums(session, database)


def test_a_table_whose_columns_are_all_computed_keeps_its_rows(server: PrivateServer, backups: Backups) -> None:
    database = made(
        server,
        "CREATE TABLE t (a INT AS (1) VIRTUAL, b INT AS (a + 1) STORED)",
        "INSERT INTO t VALUES (), (), ()",
    )
    copy, _ = copied(server, backups.take(server, database), database)
    with server.connect() as session:
        assert session.rows(f"SELECT * FROM {copy}.t") == [(1, 2)] * 3


def test_a_restore_of_bytes_that_are_no_text_fails_and_names_the_table(server: PrivateServer, backups: Backups) -> None:
    # a column that was declared as text over the bytes of another: an InnoDB file without its .cfg is taken as it is
    database = made(
        server,
        "CREATE TABLE bytes (id INT PRIMARY KEY, v VARBINARY(20))",
        "INSERT INTO bytes VALUES (1, 'plain'), (2, X'ff00fe')",
        "CREATE TABLE texts (id INT PRIMARY KEY, v VARCHAR(20) CHARACTER SET utf8mb4)",
    )
    with server.connect() as session:
        files = Path(str(session.value("SELECT @@datadir"))) / database
        session.execute(f"USE {database}")
        session.execute("FLUSH TABLES bytes FOR EXPORT")
        shutil.copy(files / "bytes.ibd", backups.directory / "kept.ibd")
        session.execute("UNLOCK TABLES")
        session.execute("ALTER TABLE texts DISCARD TABLESPACE")
        shutil.copy(backups.directory / "kept.ibd", files / "texts.ibd")
        session.execute("ALTER TABLE texts IMPORT TABLESPACE")
        assert session.value("SELECT HEX(v) FROM texts WHERE id = 2") == "FF00FE"
    entry = backups.take(server, database)
    with pytest.raises(RestoreFailedError, match=r"`texts`.*Incorrect string value"):
        copied(server, entry, database)
    proof = verify(entry, Level.FULL, None, unreported, threads=1)
    assert proof.outcome is Outcome.FAILED
    assert "texts" in proof.failures[0]


def test_separators_in_the_middle_of_plain_text_are_escaped_after_all(server: PrivateServer, backups: Backups) -> None:
    database = made(server, "CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(40) NOT NULL, c CHAR(40) NOT NULL)")
    odd = {9_000: "a\tb", 9_500: "a\nb", 12_000: "a\\", 14_999: "\\N"}
    with server.connect() as session:
        session.execute(f"USE {database}")
        filled(session, "t", 15_000, "n, CONCAT('v', n), REPEAT('c', 30)")
        session.execute("ANALYZE TABLE t")
        for number, text in odd.items():
            session.execute("UPDATE t SET v = %s WHERE id = %s", (text, number))
    entry = backups.take(server, database)
    rows = rows_of(text_of(backups, entry, f"{database}.t"))
    assert [row[1] for row in rows] == [odd.get(number, f"v{number}").encode() for number in range(1, 15_001)]
    copy, _ = copied(server, entry, database)
    with server.connect() as session:
        assert exact_rows(session, copy) == exact_rows(session, database)


def test_a_long_text_among_short_ones_comes_back(server: PrivateServer, backups: Backups) -> None:
    database = made(
        server,
        "CREATE TABLE t (id INT PRIMARY KEY, v LONGTEXT, w MEDIUMBLOB NOT NULL, e ENUM('a', 'b'), n TEXT)",
        "INSERT INTO t VALUES (0, REPEAT('tab\\t', 400000), REPEAT(X'5c0a', 30), 'b', NULL)",
    )
    with server.connect() as session:
        session.execute(f"USE {database}")
        filled(session, "t", 3_000, "n, CONCAT('short\\n', n), '', 1 + n % 2, NULLIF('', '')")
    copy, _ = copied(server, backups.take(server, database), database)
    with server.connect() as session:
        assert exact_rows(session, copy) == exact_rows(session, database)


def test_a_table_that_is_larger_than_the_server_believes_gets_objects_of_its_own(
    server: PrivateServer, backups: Backups
) -> None:
    database = made(
        server,
        "CREATE TABLE small (id INT PRIMARY KEY)",
        "INSERT INTO small VALUES (1), (2)",
        "CREATE TABLE stale (id INT PRIMARY KEY, v VARCHAR(300)) STATS_PERSISTENT=1 STATS_AUTO_RECALC=0",
    )
    with server.connect() as session:
        session.execute(f"USE {database}")
        filled(session, "stale", 20_000, "n, REPEAT('x', 290)")
    entry = backups.take(server, database)
    manifest = backups.manifest(entry)
    small, stale = (table_of(manifest, f"{database}.{name}") for name in ("small", "stale"))
    assert "#" in small.parts[0].objects[0]
    assert (stale.rows, [path for path in stale.parts[0].objects if "#" in path]) == (20_000, [])
    copy, _ = copied(server, entry, database)
    with server.connect() as session:
        assert checksums(session, copy) == checksums(session, database)


@pytest.mark.parametrize("ddl", ["RENAME TABLE a TO x, b TO a, x TO b", "TRUNCATE a", "ALTER TABLE a FORCE"])
def test_tables_that_are_swapped_or_emptied_after_the_snapshot_fail_the_dump(
    mariadb: PrivateServer, backups: Backups, monkeypatch: pytest.MonkeyPatch, ddl: str
) -> None:
    database = made(
        mariadb,
        "CREATE TABLE a (id INT PRIMARY KEY, v CHAR(1))",
        "CREATE TABLE b (id INT PRIMARY KEY, v CHAR(1))",
        "INSERT INTO a VALUES (1, 'a')",
        "INSERT INTO b VALUES (1, 'b')",
    )

    def then(session: Session, facts: ServerFacts, begin: snapshot.Begin) -> snapshot.Frozen:
        position = snapshot.frozen(session, facts, begin)
        with mariadb.connect() as other:
            other.execute(f"USE {database}")
            other.execute(ddl)
        return position

    monkeypatch.setattr(dump, "frozen", then)
    with pytest.raises(DefinitionChangedError):
        backups.take(mariadb, database)
    assert backups.entries() == []


@pytest.mark.parametrize("ddl", ["DROP TABLE a", "RENAME TABLE a TO z", "DROP SEQUENCE s"])
@pytest.mark.parametrize("early", [True, False], ids=["before the snapshot", "after it"])
def test_what_is_dropped_or_renamed_during_a_dump_is_named(
    mariadb: PrivateServer,
    backups: Backups,
    monkeypatch: pytest.MonkeyPatch,
    ddl: str,
    early: bool,  # noqa: FBT001
) -> None:
    database = made(mariadb, "CREATE TABLE a (id INT PRIMARY KEY)", "INSERT INTO a VALUES (1)", "CREATE SEQUENCE s")

    def around(session: Session, facts: ServerFacts, begin: snapshot.Begin) -> snapshot.Frozen:
        moment = None if early else snapshot.frozen(session, facts, begin)
        with mariadb.connect() as other:
            other.execute(f"USE {database}")
            other.execute(ddl)
        return moment or snapshot.frozen(session, facts, begin)

    monkeypatch.setattr(dump, "frozen", around)
    name = rf"{database}[.`']*s\b" if "SEQUENCE" in ddl else rf"table {database}\.a "
    with pytest.raises(DefinitionChangedError, match=rf"{name}.*was dropped or renamed while it was") as caught:
        backups.take(mariadb, database)
    assert caught.value.retryable
    assert "check the name" not in str(caught.value)
    assert backups.entries() == []


def test_a_table_that_is_dropped_before_its_ranges_are_cut_is_named(
    server: PrivateServer, backups: Backups, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = made(server, "CREATE TABLE a (id INT PRIMARY KEY)")

    def late(session: Session, table: TableInfo) -> list[Range]:
        return cut(session, replace(table, name="gone"), 1)

    monkeypatch.setattr(dump, "cut", late)
    with server.connect() as session:
        session.execute(f"INSERT INTO {database}.a VALUES (1), (2), (1000)")
        session.execute(f"ANALYZE TABLE {database}.a")
    with pytest.raises(DefinitionChangedError, match=rf"table {database}\.a was dropped or renamed"):
        backups.take(server, database)


def test_ddl_of_other_databases_fails_no_dump(
    mariadb: PrivateServer, backups: Backups, monkeypatch: pytest.MonkeyPatch
) -> None:
    database, other = made(mariadb, "CREATE TABLE a (id INT PRIMARY KEY)"), mariadb.fresh_database()

    def then(session: Session, facts: ServerFacts, begin: snapshot.Begin) -> snapshot.Frozen:
        position = snapshot.frozen(session, facts, begin)
        with mariadb.connect() as another:
            another.execute(f"CREATE TABLE {other}.a (id INT PRIMARY KEY)")
        return position

    monkeypatch.setattr(dump, "frozen", then)
    assert backups.manifest(backups.take(mariadb, database)).logical.rows == 0


def test_an_idle_session_that_holds_a_lock_is_named(
    server: PrivateServer, backups: Backups, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot, "LOCK_SECONDS", 1)
    database = made(server, "CREATE TABLE t (id INT PRIMARY KEY)")
    with server.connect() as holder:
        holder.execute(f"LOCK TABLES {database}.t WRITE")
        with pytest.raises(LockNotObtainedError, match=rf"idle.*connection {holder.id} of root@"):
            backups.take(server, database)
        holder.execute("UNLOCK TABLES")
        holder.execute(f"INSERT INTO {database}.t VALUES (1)")
    assert backups.entries() == []
    assert backups.manifest(backups.take(server, database)).logical.rows == 1


def test_history_that_no_other_server_can_take_is_left_out_and_named(mariadb: PrivateServer, backups: Backups) -> None:
    database = made(
        mariadb,
        "CREATE TABLE t (id INT PRIMARY KEY, v INT, s BIGINT UNSIGNED GENERATED ALWAYS AS ROW START, "
        "e BIGINT UNSIGNED GENERATED ALWAYS AS ROW END, PERIOD FOR SYSTEM_TIME (s, e)) WITH SYSTEM VERSIONING",
        "INSERT INTO t (id, v) VALUES (1, 1), (2, 2)",
        "UPDATE t SET v = v + 10",
    )
    entry = backups.take(mariadb, database)
    (warning,) = backups.manifest(entry).warnings
    assert "history" in warning
    assert f"{database}.t" in warning
    copy, result = copied(mariadb, entry, database)
    assert warning in result.warnings
    with mariadb.connect() as session:
        assert session.rows(f"SELECT id, v FROM {copy}.t ORDER BY id") == [(1, 11), (2, 12)]


def test_views_that_do_not_work_hold_up_nothing_and_are_named(server: PrivateServer, backups: Backups) -> None:
    database = made(
        server,
        "CREATE TABLE t (a INT, b INT)",
        "INSERT INTO t VALUES (1, 2)",
        "CREATE VIEW broken AS SELECT b FROM t",
        "CREATE VIEW above AS SELECT * FROM broken",
        "CREATE VIEW works AS SELECT a FROM t",
        "CREATE TRIGGER tr BEFORE INSERT ON t FOR EACH ROW SET NEW.a = 7",
        "ALTER TABLE t DROP COLUMN b",
    )
    entry = backups.take(server, database)
    (warning,) = backups.manifest(entry).warnings
    assert f"{database}.broken" in warning
    assert f"{database}.above" in warning
    copy, result = copied(server, entry, database)
    assert sum("was not created" in warning for warning in result.warnings) == 2
    with server.connect() as session:
        assert session.rows(f"SELECT * FROM {copy}.works") == [(1,)]
        assert [row[0] for row in session.rows(f"SHOW TRIGGERS FROM {copy}")] == ["tr"]
    proof = verify(entry, Level.FULL, None, unreported, threads=1)
    assert (proof.outcome, proof.failures) == (Outcome.PASSED, ())
    with scratch_server(server.flavour) as target:
        done = run_guide(entry, server.flavour, target.endpoint, backups.directory / "decoded")
        assert (done.returncode, done.stderr.count("ERROR")) == (0, 2)
        with Session(target.endpoint) as session:
            assert session.rows(f"SELECT * FROM {database}.works") == [(1,)]
            assert [row[0] for row in session.rows(f"SHOW TRIGGERS FROM {database}")] == ["tr"]


def test_accounts_roles_and_grants_come_back(server: PrivateServer, backups: Backups) -> None:
    database = made(server, "CREATE TABLE t (id INT PRIMARY KEY, v INT)", "CREATE PROCEDURE p () SELECT 1")
    accounts = ("'zoë \"x\" `y`'@'10.0.0.%'", "'a_first'@'%'")
    created = (
        "CREATE ROLE 'zz_role'",
        f"GRANT SELECT ON {database}.* TO 'zz_role'",
        f"CREATE USER {accounts[0]} IDENTIFIED BY 'Secret-1 ''quoted'''",
        f"CREATE USER {accounts[1]} IDENTIFIED BY 'Secret-2' REQUIRE SSL WITH MAX_USER_CONNECTIONS 7 PASSWORD EXPIRE",
        f"GRANT SELECT (id), UPDATE (v) ON {database}.t TO {accounts[0]} WITH GRANT OPTION",
        f"GRANT EXECUTE ON PROCEDURE {database}.p TO {accounts[0]}",
        f"GRANT ALL ON `odd\\_name`.* TO {accounts[1]}",
        f"GRANT 'zz_role' TO {accounts[1]}",
        f"SET DEFAULT ROLE 'zz_role' {'FOR' if server.flavour is Flavour.MARIADB else 'TO'} {accounts[1]}",
    )
    try:
        with server.connect() as source:
            for statement in created:
                source.execute(statement)
        entry = backups.take(server, database)
        assert {"role", "account"} & {each.kind for each in backups.manifest(entry).logical.schema_objects}
        with scratch_server(server.flavour) as target:
            restore_into_server(entry, None, target.endpoint, RestoreRequest(accounts=True), unreported)
            with Session(target.endpoint) as copy, server.connect() as source:
                for session in (copy, source):
                    if server.flavour is Flavour.MYSQL:
                        session.execute("SET SESSION print_identified_with_as_hex = ON")
                for account in accounts:
                    for question in (f"SHOW CREATE USER {account}", f"SHOW GRANTS FOR {account}"):
                        assert sorted(copy.rows(question)) == sorted(source.rows(question))
    finally:
        with server.connect() as source:
            source.execute(f"DROP USER IF EXISTS {', '.join(accounts)}")
            source.execute("DROP ROLE IF EXISTS 'zz_role'")


def test_a_user_who_would_not_see_everything_is_refused(server: PrivateServer, backups: Backups) -> None:
    database = made(server, "CREATE TABLE t (id INT PRIMARY KEY)")
    with server.connect() as root:
        root.execute(f"REVOKE TRIGGER ON *.* FROM '{server.backup.user}'@'%'")
        try:
            with pytest.raises(MissingPrivilegeError, match="TRIGGER"):
                backups.take(server, database)
        finally:
            root.execute(f"GRANT TRIGGER ON *.* TO '{server.backup.user}'@'%'")
    assert backups.entries() == []


def test_a_database_that_is_not_there_is_named_with_those_that_are(server: PrivateServer, backups: Backups) -> None:
    database = server.fresh_database()
    with pytest.raises(UnknownDatabaseError, match="no database no_such") as caught:
        backups.take(server, "no_such")
    assert database in caught.value.remedy


def test_nothing_is_begun_where_there_is_no_key_to_encrypt_with(mariadb: PrivateServer, backups: Backups) -> None:
    server, policy = backups.inventory(mariadb), backups.policy.model_copy(update={"encrypt": True})
    backups.repository.create()
    with pytest.raises(ConfigurationError, match="no keys are configured"):
        dump.take_backup(server, policy, backups.repository, None, unreported)
    assert backups.entries() == []
