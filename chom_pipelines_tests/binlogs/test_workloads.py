"""Logs of what applications and operators do, compared with what the servers' own programs read in them."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from chom_pipelines.binlogs.format.events import Checksum
from chom_pipelines.binlogs.format.scanning import Scanner
from chom_pipelines.binlogs.format.statements import Does
from chom_pipelines.binlogs.format.transactions import Ending, FileEnding, Summary, Transaction
from chom_pipelines.errors import ServerError
from chom_pipelines.server.connection import Session
from chom_pipelines.server.empty_datadirs import create_datadir
from chom_pipelines.server.facts import Flavour
from chom_pipelines.server.programs import client_program, server_program
from chom_pipelines.server.scratch import scratch_server, with_binary_log
from chom_pipelines_tests.binlogs.logs import Log, logs_since, new_log, scanned
from chom_pipelines_tests.servers import PrivateServer, private_server


def _log_of(server: PrivateServer, statements: list[str], settings: str = "") -> tuple[list[Transaction], Summary]:
    with server.connect() as session:
        session.execute(f"USE {server.fresh_database()}")
        session.execute("SET SESSION sql_mode = ''")
        if settings:
            session.execute(f"SET SESSION {settings}")
        first = new_log(server)
        for statement in statements:
            session.execute(statement)
    [log] = logs_since(server, first)
    return scanned(log.data)


def _rows(transactions: list[Transaction]) -> list[dict[str, tuple[int, int, int]]]:
    return [{each.table: each[2:5] for each in transaction.rows} for transaction in transactions if transaction.rows]


@dataclass
class _Read:
    """A transaction as the client program prints it."""

    start: int
    gtid: str
    inserted: int = 0
    updated: int = 0
    deleted: int = 0


def _read_by_program(flavour: Flavour, path: Path) -> list[_Read]:
    program = client_program(flavour).path.parent / ("mariadb-binlog" if flavour is Flavour.MARIADB else "mysqlbinlog")
    command = [str(program), "-v", "--base64-output=DECODE-ROWS", str(path)]
    text = subprocess.run(command, check=True, capture_output=True).stdout.decode(errors="replace")
    found: list[_Read] = []
    at = 0
    for line in text.splitlines():
        if (position := re.fullmatch(r"# at (\d+)", line)) is not None:
            at = int(position[1])
        elif (gtid := re.search(r"\tGTID (\d+-\d+-\d+)|GTID_NEXT= ?'(\S+:\d+)'", line)) is not None:
            found.append(_Read(at, gtid[1] or gtid[2]))
        elif (change := re.match(r"### (INSERT INTO|UPDATE|DELETE FROM) ", line)) is not None:
            name = {"INSERT INTO": "inserted", "UPDATE": "updated", "DELETE FROM": "deleted"}[change[1]]
            setattr(found[-1], name, getattr(found[-1], name) + 1)
    return found


def test_the_servers_own_program_reads_the_same(logs: list[Log], any_server: PrivateServer, tmp_path: Path) -> None:
    for log in logs:
        path = tmp_path / log.name
        path.write_bytes(log.data)
        transactions, _ = scanned(log.data)
        read = _read_by_program(any_server.flavour, path)
        assert [(each.start, each.gtid) for each in read] == [(each.start, each.gtid) for each in transactions]
        for theirs, ours in zip(read, transactions, strict=True):
            counts = [sum(number) for number in zip(*(rows[2:5] for rows in ours.rows), strict=True)]
            assert [theirs.inserted, theirs.updated, theirs.deleted] == (counts or [0, 0, 0])


def test_loaded_files_are_counted(server: PrivateServer, tmp_path: Path) -> None:
    path = tmp_path / "rows.tsv"
    path.write_text("".join(f"{number}\t{'x' * (number % 50)}\n" for number in range(3000)))
    transactions, _ = _log_of(
        server, ["CREATE TABLE l (id INT, v VARCHAR(60))", f"LOAD DATA LOCAL INFILE '{path}' INTO TABLE l"]
    )
    assert _rows(transactions) == [{"l": (3000, 0, 0)}]


def test_loaded_files_are_statements_where_statements_are_logged(server: PrivateServer, tmp_path: Path) -> None:
    path = tmp_path / "rows.tsv"
    path.write_text("1\tx\n2\ty\n")
    create = "CREATE TABLE l (id INT PRIMARY KEY, v VARCHAR(60))"
    transactions, _ = _log_of(
        server, [create, f"LOAD DATA LOCAL INFILE '{path}' INTO TABLE l"], "binlog_format = 'STATEMENT'"
    )
    [statement] = transactions[-1].statements
    assert statement.does is Does.ROWS
    assert statement.text.startswith("LOAD DATA")
    assert transactions[-1].ending is Ending.COMMIT


def test_several_tables_in_one_statement_are_counted_by_table(server: PrivateServer) -> None:
    transactions, _ = _log_of(
        server,
        [
            "CREATE TABLE a (id INT PRIMARY KEY)",
            "CREATE TABLE b (id INT PRIMARY KEY, a INT)",
            "CREATE TABLE c (n INT)",
            "CREATE TRIGGER g AFTER DELETE ON a FOR EACH ROW INSERT INTO c VALUES (OLD.id)",
            "INSERT INTO a VALUES (1), (2), (3)",
            "INSERT INTO b VALUES (1, 1), (2, 1), (3, 2), (4, 9)",
            "DELETE a, b FROM a INNER JOIN b ON b.a = a.id",
            "UPDATE a, b SET a.id = a.id + 10, b.a = 0",
        ],
    )
    assert _rows(transactions)[2:] == [
        {"a": (0, 0, 2), "b": (0, 0, 3), "c": (2, 0, 0)},
        {"a": (0, 1, 0), "b": (0, 1, 0)},
    ]


def test_statements_are_kept_where_statements_are_logged(server: PrivateServer) -> None:
    transactions, _ = _log_of(
        server,
        [
            "CREATE TABLE s (id INT PRIMARY KEY)",
            "CREATE TEMPORARY TABLE tmp (id INT)",
            "BEGIN",
            *(f"INSERT INTO s VALUES ({number})" for number in range(120)),
            "SAVEPOINT a",
            "DELETE FROM s WHERE id > 50",
            "ROLLBACK TO a",
            "COMMIT",
            "SET @number = 7",
            "UPDATE s SET id = id + 1000 + @number",
            "DROP TEMPORARY TABLE tmp",
        ],
        "binlog_format = 'STATEMENT'",
    )
    many = next(each for each in transactions if each.statement_count > 100)
    assert len(many.statements) == 100
    assert many.statement_count >= 120
    assert {each.does for each in many.statements} == {Does.ROWS}
    assert not any(each.rows for each in transactions)
    kept = [each for transaction in transactions for each in transaction.statements]
    assert any(each.text.startswith("UPDATE s SET") for each in kept)
    assert [each.does for each in kept if each.temporary] == [Does.CREATE, Does.DROP]


def test_transactions_of_many_events_and_large_rows_are_counted(server: PrivateServer) -> None:
    doubled = ["INSERT INTO big (v) SELECT v FROM big"] * 8
    transactions, summary = _log_of(
        server,
        [
            "CREATE TABLE big (id INT PRIMARY KEY AUTO_INCREMENT, v LONGTEXT)",
            "INSERT INTO big (v) VALUES (REPEAT('x', 5000))",
            "BEGIN",
            *doubled,
            "COMMIT",
            "INSERT INTO big (v) VALUES (REPEAT('x', 3000000))",
            "UPDATE big SET v = CONCAT(v, 'y') WHERE LENGTH(v) > 1000000",
        ],
    )
    assert _rows(transactions) == [{"big": each} for each in ((1, 0, 0), (255, 0, 0), (1, 0, 0), (0, 1, 0))]
    assert summary.end > 10_000_000


@pytest.mark.parametrize("large", [1_000, 3_000_000])
def test_compressed_logs_are_counted(server: PrivateServer, large: int) -> None:
    is_mariadb = server.flavour is Flavour.MARIADB
    with server.connect() as session:
        setting = "GLOBAL log_bin_compress" if is_mariadb else "SESSION binlog_transaction_compression"
        session.execute(f"SET {setting} = ON")
        session.execute(f"USE {server.fresh_database()}")
        session.execute("CREATE TABLE z (id INT PRIMARY KEY AUTO_INCREMENT, v LONGTEXT)")
        first = new_log(server)
        session.execute("INSERT INTO z (v) VALUES " + ", ".join([f"(REPEAT('x', {large}))"] * 7))
        session.execute("BEGIN")
        session.execute("UPDATE z SET v = CONCAT(v, 'y') WHERE id < 3")
        session.execute("DELETE FROM z")
        session.execute("COMMIT")
        session.execute(f"SET {setting} = OFF")
    [log] = logs_since(server, first)
    assert len(log.data) < 7 * large
    for held in (1 << 20, 1000):
        scanner = Scanner("log", held=held)
        found = [each for at in range(0, len(log.data), 700) for each in scanner.feed(log.data[at : at + 700])]
        assert _rows(found) == [{"z": (7, 0, 0)}, {"z": (0, 2, 7)}]


def test_the_phases_of_an_alter_are_told_apart(mariadb: PrivateServer) -> None:
    with mariadb.connect() as session:
        session.execute(f"USE {mariadb.fresh_database()}")
        session.execute("CREATE TABLE p (a INT PRIMARY KEY, b INT)")
        session.execute("INSERT INTO p VALUES (1, 1), (2, 1)")
        session.execute("SET SESSION binlog_alter_two_phase = ON")
        first = new_log(mariadb)
        session.execute("ALTER TABLE p ADD c INT")
        with pytest.raises(ServerError, match="Duplicate entry"):
            session.execute("ALTER TABLE p ADD UNIQUE (b), ALGORITHM = COPY")
    transactions, _ = scanned(logs_since(mariadb, first)[0].data)
    assert [each.ending for each in transactions] == [
        *(Ending.ALTER_START, Ending.STATEMENT, Ending.ALTER_START, Ending.ALTER_ROLLBACK),
    ]
    assert {each.statements[0].does for each in transactions} == {Does.ALTER}


def test_the_time_on_the_source_is_told_from_that_of_the_server(mysql: PrivateServer) -> None:
    source = datetime(2009, 2, 13, 23, 31, 30, 123456, tzinfo=UTC)
    transactions, _ = _log_of(
        mysql,
        [
            "CREATE TABLE a (id INT)",
            "SET SESSION original_commit_timestamp = 1234567890123456",
            "INSERT INTO a VALUES (1)",
            "SET gtid_next = 'AUTOMATIC:a_tag'",
            "SET SESSION original_commit_timestamp = 1234567890123456",
            "INSERT INTO a VALUES (2)",
        ],
    )
    assert [each.time_on_source for each in transactions] == [transactions[0].time, source, source]
    assert all(datetime.now(UTC) - each.time < timedelta(minutes=10) for each in transactions)


def test_transactions_without_gtids_are_told_by_their_positions() -> None:
    with private_server(Flavour.MYSQL, ["--gtid-mode=OFF", "--enforce-gtid-consistency=OFF"]) as server:
        transactions, summary = _log_of(
            server, ["CREATE TABLE a (id INT)", "INSERT INTO a VALUES (1)", "BEGIN", "DELETE FROM a", "COMMIT"]
        )
    assert [each.gtid for each in transactions] == [None, None, None]
    assert [each.ending for each in transactions] == [Ending.STATEMENT, Ending.COMMIT, Ending.COMMIT]
    assert _rows(transactions) == [{"a": (1, 0, 0)}, {"a": (0, 0, 1)}]
    assert str(summary.gtids_after) == ""


@pytest.mark.parametrize("flavour", list(Flavour))
def test_events_that_a_server_lost_are_noted(flavour: Flavour) -> None:
    options = ["--max-binlog-stmt-cache-size=4096", "--binlog-stmt-cache-size=4096"]
    with private_server(flavour, options) as server, server.connect() as session:
        session.execute(f"USE {server.fresh_database()}")
        session.execute("CREATE TABLE m (a INT, b VARCHAR(2000)) ENGINE = MyISAM")
        first = new_log(server)
        with pytest.raises(ServerError, match="max_binlog_stmt_cache_size"):
            session.execute("INSERT INTO m VALUES " + ", ".join(["(1, REPEAT('x', 1000))"] * 100))
        log = logs_since(server, first)[0]
    transactions, summary = scanned(log.data)
    shown = next(event for event in log.shown if event.kind == "Incident")
    assert [(each.position, each.number) for each in summary.incidents] == [(shown.start, 1)]
    assert all(each.ending is Ending.INCIDENT for each in transactions)


@pytest.mark.parametrize("flavour", list(Flavour))
def test_a_server_that_is_shut_down_says_so(flavour: Flavour, tmp_path: Path) -> None:
    data = tmp_path / "data"
    create_datadir(server_program(flavour), [], data)
    options = with_binary_log(flavour, 7, "mysql-bin")
    for _ in range(2):
        with (
            scratch_server(flavour, data_directory=data, options=options) as server,
            Session(server.endpoint) as session,
        ):
            session.execute("CREATE DATABASE IF NOT EXISTS d")
            session.execute("CREATE OR REPLACE VIEW d.v AS SELECT 1 AS a")
    first, second = (scanned((data / f"mysql-bin.00000{number}").read_bytes()) for number in (1, 2))
    assert [first[1].ending, second[1].ending] == [FileEnding.STOP, FileEnding.STOP]
    assert first[1].next_file is None
    assert first[1].gtids_after == second[1].gtids_before
    assert second[1].checksum is Checksum.CRC32
