"""Logs as the servers' programs copy them through the replication protocol, whole and from their middle."""

from __future__ import annotations

import os
import subprocess
import tracemalloc
import zlib
from pathlib import Path

import pytest

from chom_pipelines.binlogs.format.events import HEADER, HEADER_SIZE, Kind
from chom_pipelines.binlogs.format.scanning import Scanner
from chom_pipelines.errors import BinlogDamagedError, UnknownFormatError
from chom_pipelines.server.facts import Flavour
from chom_pipelines.server.programs import client_program
from chom_pipelines_tests.binlogs.logs import Log, logs_since, new_log, scanned
from chom_pipelines_tests.servers import PrivateServer


def _copied(server: PrivateServer, log: Log, folder: Path, *options: str) -> bytes:
    name = "mariadb-binlog" if server.flavour is Flavour.MARIADB else "mysqlbinlog"
    program = client_program(server.flavour).path.parent / name
    address = [f"--socket={server.root.socket}", f"--user={server.root.user}"]
    command = [
        str(program),
        *address,
        "--read-from-remote-server",
        "--raw",
        f"--result-file={folder}/",
        *options,
        log.name,
    ]
    subprocess.run(command, check=True, capture_output=True, env={**os.environ, "MYSQL_HOME": str(folder)})
    return (folder / log.name).read_bytes()


def test_a_copied_log_is_the_log(logs: list[Log], any_server: PrivateServer, tmp_path: Path) -> None:
    copy = _copied(any_server, logs[0], tmp_path)
    assert copy == logs[0].data


def test_a_copy_from_mid_file_is_scanned_from_there(logs: list[Log], any_server: PrivateServer, tmp_path: Path) -> None:
    transactions, whole = scanned(logs[0].data)
    start = transactions[4].end
    copy = _copied(any_server, logs[0], tmp_path, f"--start-position={start}")
    scanner = Scanner("log", start=start)
    assert [each for at in range(0, len(copy), 100) for each in scanner.feed(copy[at : at + 100])] == transactions[5:]
    summary = scanner.finish()
    assert (summary.start, summary.end, summary.ending) == (start, whole.end, whole.ending)
    assert copy[summary.prefix :] == logs[0].data[start:]  # so that it can be put behind what there was before
    assert (summary.gtids_before, summary.gtids_after) == (None, None)


def _event(kind: int, body: bytes, position: int, *, flags: int = 0, noted: bool = True) -> bytes:
    size = HEADER_SIZE + len(body) + 4
    event = HEADER.pack(1_700_000_000, kind, 11, size, (position + size) % (1 << 32) if noted else 0, flags) + body
    return event + zlib.crc32(event).to_bytes(4, "little")


_ENCRYPTION = b"\x01" + (1).to_bytes(4, "little") + b"x" * 12


@pytest.fixture(scope="module")
def description(mariadb_server: PrivateServer) -> bytes:
    """MariaDB's magic number and format description."""
    [log] = logs_since(mariadb_server, new_log(mariadb_server))
    return log.data[: log.shown[0].end]


def test_a_log_that_its_server_has_decrypted_is_read(description: bytes) -> None:
    start = len(description)
    decrypted = _event(Kind.MARIADB_START_ENCRYPTION, _ENCRYPTION, start, flags=0x80)
    stop = _event(Kind.STOP, b"", start + len(decrypted))
    _, summary = scanned(description + decrypted + stop)
    assert summary.end == len(description + decrypted + stop)
    again = _event(Kind.MARIADB_START_ENCRYPTION, _ENCRYPTION, start, flags=0x80, noted=False)
    scanner = Scanner("log", start=900, format_description=description[4:])
    scanner.feed(again + _event(Kind.STOP, b"", 900))
    assert (scanner.finish().prefix, scanner.finish().start, scanner.finish().end) == (len(again), 900, 900 + len(stop))


def test_a_log_that_is_encrypted_is_refused(description: bytes) -> None:
    encrypted = _event(Kind.MARIADB_START_ENCRYPTION, _ENCRYPTION, len(description))
    with pytest.raises(UnknownFormatError, match=r"what follows is encrypted by its server\n.*through the server"):
        scanned(description + encrypted + b"?" * 100)


def test_an_unknown_kind_of_event_is_refused_unless_it_may_be_ignored(description: bytes) -> None:
    with pytest.raises(UnknownFormatError, match="kind 200"):
        scanned(description + _event(200, b"?", len(description)))
    _, summary = scanned(description + _event(200, b"?", len(description), flags=0x80))
    assert summary.end > len(description)


def test_positions_beyond_4_gib_are_understood(description: bytes) -> None:
    start = (1 << 32) - 50
    events = b"".join(_event(Kind.ROWS_QUERY, b"x" * 20, start + number * 43) for number in range(4))
    scanner = Scanner("log", start=start, format_description=description[4:])
    scanner.feed(events)
    assert scanner.finish().end == start + len(events) > 1 << 32


@pytest.mark.parametrize(
    ("kind", "body", "what"),
    [
        (Kind.FORMAT_DESCRIPTION, b"x" * 80, "relay logs are not read"),
        (Kind.WRITE_ROWS_V1, b"\x07" + b"\0" * 20, "its table, number 7, has no table map"),
        (Kind.QUERY, b"\0" * 5, "makes no sense"),
        (Kind.MARIADB_QUERY_COMPRESSED, b"\0" * 14 + b"\x82\0\x05zlib?", "makes no sense"),
        (Kind.MARIADB_GTID_LIST, b"\x07\0\0\0", "fewer GTIDs than it says"),
        (Kind.TRANSACTION_PAYLOAD, b"\x02\x01\x07\0", "unknown algorithm, number 7"),
        (Kind.TRANSACTION_PAYLOAD, b"\x02\x01\0\0" + b"zstd?", "makes no sense"),
    ],
)
def test_events_that_make_no_sense_are_refused(description: bytes, kind: Kind, body: bytes, what: str) -> None:
    with pytest.raises(BinlogDamagedError, match=what):
        scanned(description + _event(kind, body, len(description)))


def test_large_rows_are_not_held_in_memory(server: PrivateServer) -> None:
    database = server.fresh_database()
    with server.connect() as session:
        session.execute(f"CREATE TABLE {database}.h (id INT PRIMARY KEY, v LONGBLOB)")
        first = new_log(server)
        session.execute(f"INSERT INTO {database}.h VALUES (1, REPEAT('x', 50000000)), (2, REPEAT('y', 50000000))")
    [log] = logs_since(server, first)
    scanner = Scanner("log")
    chunks = [log.data[at : at + (1 << 18)] for at in range(0, len(log.data), 1 << 18)]
    tracemalloc.start()
    try:
        [transaction] = [each for chunk in chunks for each in scanner.feed(chunk)]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert transaction.rows[0].inserted == 2
    assert scanner.finish().end == len(log.data)
    assert peak < 8 << 20
