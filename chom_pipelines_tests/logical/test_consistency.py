"""A dump beside a writer: one moment in all tables, and the binary log position of exactly that moment."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from chom_pipelines.errors import BackupFailedError, DefinitionChangedError, LockNotObtainedError
from chom_pipelines.logical import snapshot
from chom_pipelines.progress import unreported
from chom_pipelines.repository.manifest import Manifest
from chom_pipelines.restores.restoring import restore_into_server
from chom_pipelines.restores.selection import RestoreRequest
from chom_pipelines.server.connection import Session
from chom_pipelines.server.facts import Flavour
from chom_pipelines.server.identifiers import quote
from chom_pipelines.server.programs import client_program
from chom_pipelines_tests.logical.taking import Backups, filled, once
from chom_pipelines_tests.servers import PrivateServer

ACCOUNTS = 20_000
BALANCE = 100


def bank(server: PrivateServer) -> str:
    """Accounts in two tables, and a ledger with one row for each transaction."""
    database = server.fresh_database()
    with server.connect() as session:
        session.execute(f"USE {quote(database)}")
        for side in ("left_side", "right_side"):
            session.execute(f"CREATE TABLE {side} (id INT PRIMARY KEY, balance INT NOT NULL, note VARCHAR(200))")
            filled(session, side, ACCOUNTS, f"n, {BALANCE}, REPEAT('x', 150)")
        session.execute("CREATE TABLE ledger (id INT AUTO_INCREMENT PRIMARY KEY, amount INT NOT NULL)")
        session.execute("ANALYZE TABLE left_side, right_side, ledger")
    return database


@contextmanager
def moving_money(server: PrivateServer, database: str) -> Iterator[None]:
    """Move money from one table to the other and back for as long as the block lasts."""
    ended, moved = threading.Event(), threading.Event()

    def move(worker: int) -> None:
        with Session(server.root, autocommit=False) as session:
            session.execute(f"USE {quote(database)}")
            number = worker
            while not ended.is_set():
                number += 2
                one, other = number * 7919 % ACCOUNTS + 1, number * 104729 % ACCOUNTS + 1
                amount = number % 17 - 8
                session.execute(f"UPDATE left_side SET balance = balance - {amount} WHERE id = {one}")
                session.execute(f"INSERT INTO ledger (amount) VALUES ({amount})")
                session.execute(f"UPDATE right_side SET balance = balance + {amount} WHERE id = {other}")
                session.execute("COMMIT")
                moved.set()

    writers = [threading.Thread(target=move, args=(number,)) for number in range(2)]
    for writer in writers:
        writer.start()
    try:
        assert moved.wait(30)
        yield
    finally:
        ended.set()
        for writer in writers:
            writer.join()


def fresh_log(server: PrivateServer) -> str:
    """The file of the binary log that begins now: the client that reads it does not read all that other tests wrote."""
    with server.connect() as session:
        session.execute("FLUSH BINARY LOGS")
        return str(session.rows("SHOW BINARY LOGS")[-1][0])


def transactions_before(server: PrivateServer, manifest: Manifest, database: str, first: str, directory: Path) -> int:
    """Rows that the server's own binary log adds to the ledger, from its file `first` up to the recorded position."""
    program = client_program(server.flavour).path
    reader = program.with_name("mariadb-binlog" if server.flavour is Flavour.MARIADB else "mysqlbinlog")
    coordinates = manifest.coordinates.end
    assert coordinates
    with server.connect() as session:
        files = [str(row[0]) for row in session.rows("SHOW BINARY LOGS")]
    wanted = files[files.index(first) : files.index(coordinates.file) + 1]
    command = [
        *(str(reader), "--no-defaults", "--read-from-remote-server", f"--socket={server.root.socket}", "--user=root"),
        *("--verbose", "--base64-output=DECODE-ROWS", f"--stop-position={coordinates.position}", *wanted),
    ]
    with (directory / "events").open("wb") as out:
        subprocess.run(command, check=True, stdout=out)
    mark = f"### INSERT INTO `{database}`.`ledger`".encode()
    with (directory / "events").open("rb") as events:
        return sum(line.startswith(mark) for line in events)


def test_sums_hold_and_the_coordinates_are_the_snapshots(
    server: PrivateServer, backups: Backups, tmp_path: Path
) -> None:
    first, database, copy = fresh_log(server), bank(server), server.fresh_database()
    with moving_money(server, database):
        entry = backups.take(server, database)
    manifest = backups.manifest(entry)
    request = RestoreRequest(rename={database: copy}, threads=2)
    restore_into_server(entry, None, server.root, request, unreported)
    with server.connect() as session:
        session.execute(f"USE {quote(copy)}")
        total = session.value("SELECT (SELECT SUM(balance) FROM left_side) + (SELECT SUM(balance) FROM right_side)")
        moved = session.value("SELECT SUM(balance) - %s FROM right_side", (ACCOUNTS * BALANCE,))
        rows, amounts = session.row("SELECT COUNT(*), SUM(amount) FROM ledger") or (0, 0)
        assert total == 2 * ACCOUNTS * BALANCE
        assert moved == amounts
        live = session.value(f"SELECT COUNT(*) FROM {quote(database)}.ledger")
    assert 0 < rows < live
    assert transactions_before(server, manifest, database, first, tmp_path) == rows


def test_the_gtid_is_that_of_the_position(server: PrivateServer, backups: Backups) -> None:
    database = bank(server)
    with moving_money(server, database):
        manifest = backups.manifest(backups.take(server, database))
    coordinates = manifest.coordinates.end
    assert coordinates
    with server.connect() as session:
        if server.flavour is Flavour.MARIADB:
            asked = "SELECT BINLOG_GTID_POS(%s, %s)"
            of_position = str(session.value(asked, (coordinates.file, coordinates.position)))
            assert sorted(of_position.split(",")) == sorted(str(coordinates.gtid).split(","))  # domains in any order
        else:
            executed = "SELECT GTID_SUBSET(%s, @@global.gtid_executed)"
            assert session.value(executed, (coordinates.gtid,)) == 1
            assert manifest.coordinates.purged == (session.value("SELECT @@global.gtid_purged") or None)


def test_ddl_during_a_dump_fails_it_and_nothing_is_listed(mariadb: PrivateServer, backups: Backups) -> None:
    database = bank(mariadb)

    def migrate() -> None:
        with mariadb.connect() as session:
            session.execute(f"CREATE VIEW {quote(database)}.late AS SELECT 1 AS one")

    with pytest.raises(DefinitionChangedError, match="late"):
        backups.take(mariadb, database, report=once(migrate))
    assert backups.entries() == []


def test_mysql_keeps_ddl_out_and_the_dump_succeeds(mysql: PrivateServer, backups: Backups) -> None:
    database = bank(mysql)
    migrations: list[threading.Thread] = []

    def alter() -> None:
        with mysql.connect() as session:
            session.execute(f"ALTER TABLE {quote(database)}.ledger ADD COLUMN late INT")

    def migrate() -> None:
        migrations.append(threading.Thread(target=alter))
        migrations[0].start()

    manifest = backups.manifest(backups.take(mysql, database, report=once(migrate)))
    migrations[0].join(60)
    assert not migrations[0].is_alive()
    (ledger,) = [table for table in manifest.logical.tables if table.name == "ledger"]
    assert ledger.columns == ("id", "amount")


def test_a_lock_that_is_not_granted_names_who_holds_it_up_and_is_given_up(
    server: PrivateServer, backups: Backups, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot, "LOCK_SECONDS", 1)
    database = bank(server)
    with server.connect() as blocker, server.connect() as writer:
        if server.flavour is Flavour.MARIADB:  # its stages wait for statements that change tables without transactions
            blocker.execute(f"CREATE TABLE {quote(database)}.old (id INT) ENGINE=MyISAM")
            busy = f"INSERT INTO {quote(database)}.old SELECT SLEEP(30)"
        else:
            busy = f"SELECT SLEEP(30) FROM {quote(database)}.ledger UNION SELECT SLEEP(30)"
        blocking = threading.Thread(target=_ignoring_the_end, args=(blocker, busy))
        blocking.start()
        try:
            _wait_until_it_runs(writer, blocker.id)
            with pytest.raises(LockNotObtainedError, match=rf"connection {blocker.id} of root@"):
                backups.take(server, database)
            # nothing waits behind a lock of ours any more
            writer.execute("SET SESSION lock_wait_timeout = 5, innodb_lock_wait_timeout = 5")
            writer.execute(f"INSERT INTO {quote(database)}.left_side VALUES (0, 0, NULL)")
        finally:
            writer.execute(f"KILL {blocker.id}")
            blocking.join()
    assert backups.entries() == []


def _ignoring_the_end(session: Session, sql: str) -> None:
    try:
        session.execute(sql)
    except Exception as error:  # noqa: BLE001  (it is killed on purpose)
        del error


def _wait_until_it_runs(session: Session, connection: int) -> None:
    for _ in range(200):
        states = session.rows("SELECT INFO FROM information_schema.PROCESSLIST WHERE ID = %s", (connection,))
        if states and states[0][0]:
            return
        threading.Event().wait(0.05)
    raise AssertionError("the blocking statement does not run")


def test_a_note_that_the_server_makes_in_its_log_by_itself_is_no_transaction_that_a_snapshot_lacks(
    mariadb: PrivateServer,
) -> None:
    database = mariadb.fresh_database()
    with mariadb.connect() as session:
        session.execute("FLUSH BINARY LOGS")
        file, end, *_ = session.rows("SHOW MASTER STATUS")[0]
        notes = [row for row in session.dicts(f"SHOW BINLOG EVENTS IN '{file}'") if row["End_log_pos"] == int(end)]
        assert [row["Event_type"] for row in notes] == ["Binlog_checkpoint"]
        before = str(notes[0]["Pos"])

        def frozen(position: str) -> snapshot.Frozen:
            stands = [["Binlog_snapshot_file", file], ["Binlog_snapshot_position", position]]
            return snapshot.frozen(session, mariadb.facts, lambda _: [stands])

        standing = frozen(before).coordinates.end
        assert standing
        assert (standing.file, standing.position) == (file, int(end))
        session.execute(f"CREATE TABLE {quote(database)}.later (id INT)")
        for position in (before, end):
            with pytest.raises(BackupFailedError, match=f"a snapshot stands at {file}:{position}, not at"):
                frozen(str(position))
