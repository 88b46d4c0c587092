"""A physical backup holds one moment of a server that goes on writing, or is not there."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from chom_pipelines.errors import (
    BackupFailedError,
    DefinitionChangedError,
    LockNotObtainedError,
    ServerError,
    SnapshotTooSlowError,
    UnsupportedServerError,
)
from chom_pipelines.outcome import Outcome
from chom_pipelines.physical import lock_watch
from chom_pipelines.physical.chunks import chunks, end_chunk, payload_chunk
from chom_pipelines.physical.serving import started
from chom_pipelines.physical.storing import Streamed
from chom_pipelines.progress import unreported
from chom_pipelines.proofs.verification import verify
from chom_pipelines.repository.codecs import Codec
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.master_keys import KeyKind
from chom_pipelines.repository.proof import Level
from chom_pipelines.server.connection import Endpoint, Session
from chom_pipelines.server.facts import Flavour
from chom_pipelines.server.identifiers import account
from chom_pipelines.server.own_data_directory import readable_data_directory
from chom_pipelines.server.scratch import scratch_server
from chom_pipelines_tests.binlogs.test_server_options import mariadb_encrypting
from chom_pipelines_tests.logical.taking import Backups, filled, once
from chom_pipelines_tests.physical.files_data import WARM, list_memory, restored, running, take_files, wait_for
from chom_pipelines_tests.servers import PrivateServer, private_server

PROGRAM = "CHOM_MARIADB_BACKUP"
KEYS = Keyring("", ()).generate("escrow", KeyKind.AES_256)


@pytest.fixture
def instead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Have these lines of shell run instead of mariadb-backup; the program itself is `$REAL`."""

    def use(lines: str) -> None:
        script = tmp_path / "mariadb-backup"
        asked = 'REAL=/usr/bin/mariadb-backup\n[ "$2" != --version ] || exec $REAL "$@"'
        script.write_text(f"#!/bin/sh\n{asked}\n{lines}\n")
        script.chmod(0o700)
        monkeypatch.setenv(PROGRAM, str(script))

    return use


def orders(server: PrivateServer, rows: int = 1000) -> str:
    """A database with a table of orders."""
    database = server.fresh_database()
    with server.connect() as session:
        session.execute(f"CREATE TABLE {database}.orders (id INT PRIMARY KEY AUTO_INCREMENT, note TEXT, KEY (note(9)))")
        filled(session, f"{database}.orders (note)", rows, "REPEAT(SHA2(n, 256), 2)")
    return database


def test_a_redo_log_of_any_size_takes_no_room_in_a_copy(backups: Backups, tmp_path: Path) -> None:
    size = "--innodb-log-file-size=300M"
    with private_server(Flavour.MARIADB, (size,)) as server:
        database = orders(server)
        entry = take_files(backups, server)
    found, directory = restored(backups, entry, tmp_path / "data"), tmp_path / "data"
    assert found.options.count(f"--innodb-log-file-size={300 << 20}") == 1
    assert sum(path.stat().st_size for path in directory.rglob("ib_logfile*")) < 200 << 20
    with (
        scratch_server(
            Flavour.MARIADB, data_directory=directory, options=(*found.options, "--skip-grant-tables")
        ) as copy,
        Session(copy.endpoint) as session,
    ):
        assert session.value(f"SELECT COUNT(*) FROM {database}.orders") == 1000
        assert session.value("SELECT @@innodb_log_file_size") == 300 << 20


def test_what_was_backed_up_comes_back(mariadb: PrivateServer, backups: Backups, tmp_path: Path) -> None:
    database = orders(mariadb)
    with mariadb.connect() as session:
        session.execute(f"CREATE VIEW {database}.seen AS SELECT id FROM {database}.orders")
        session.execute(f"CREATE SEQUENCE {database}.numbers")
        session.execute(f"CREATE TABLE {database}.parted (id INT) PARTITION BY HASH (id) PARTITIONS 2")
        session.execute(f"CREATE TABLE {database}.`späte` (id INT) ENGINE=MyISAM")
        asked = f"SELECT COUNT(*), SUM(CRC32(note)) FROM {database}.orders"
        wanted = session.rows(asked)
    policy = backups.policy.model_copy(update={"compression": Codec.ZSTD, "level": 1})
    kept = replace(backups, keyring=KEYS, policy=policy)
    entry = take_files(kept, mariadb)
    payload = kept.manifest(entry).physical
    assert (payload.tables, payload.page_size, payload.from_lsn) == (4, 16384, 0)
    found = restored(kept, entry, tmp_path / "data")
    assert (found.databases, found.tables, found.files) == ((database,), 4, payload.files)
    with running(tmp_path / "data") as copy:
        assert copy.rows(asked) == wanted
        assert copy.rows(f"SELECT COUNT(*) FROM {database}.seen") == [(1000,)]


def test_a_private_server_leaves_the_list_of_what_the_source_had_in_memory(
    mariadb: PrivateServer, backups: Backups, tmp_path: Path
) -> None:
    entry = take_files(backups, mariadb)
    restored(backups, entry, tmp_path / "data")
    listed = tmp_path / "data" / "ib_buffer_pool"
    listed.write_text("0,1\n0,2\n")
    options = ("--innodb-page-size=16384",)
    with started(Flavour.MARIADB, mariadb.facts.version, tmp_path / "data", options):
        pass  # it shuts down in order, and would write its own list then
    assert listed.read_text() == "0,1\n0,2\n"


def test_a_restored_server_reads_at_its_start_what_the_source_had_listed_of_its_memory(
    mariadb: PrivateServer, backups: Backups, tmp_path: Path
) -> None:
    orders(mariadb)
    with mariadb.connect() as session:
        listed = list_memory(session)
    entry = take_files(backups, mariadb)
    restored(backups, entry, tmp_path / "data")
    assert (tmp_path / "data" / "ib_buffer_pool").read_text() == listed
    with running(tmp_path / "data") as copy:
        wait_for(copy, *WARM)


def sequence(gtids: object) -> int:
    """Of the domain in which tests write; others of the server may have used another one."""
    (found,) = (each for each in str(gtids).split(",") if each.startswith("0-"))
    return int(found.rpartition("-")[2])


def test_the_position_is_that_of_the_rows(mariadb: PrivateServer, backups: Backups, tmp_path: Path) -> None:
    database = orders(mariadb, 1)
    ended = threading.Event()

    def write() -> None:
        with mariadb.connect() as session:
            while not ended.is_set():
                session.execute(f"INSERT INTO {database}.orders (note) VALUES ('one transaction each')")

    with mariadb.connect() as session:
        first = sequence(session.value("SELECT @@gtid_binlog_pos"))
        writer = threading.Thread(target=write)
        writer.start()
        try:
            entry = take_files(backups, mariadb)
        finally:
            ended.set()
            writer.join()
        end = backups.manifest(entry).coordinates.end
        assert end is not None
        assert session.value(f"SELECT BINLOG_GTID_POS('{end.file}', {end.position})") == end.gtid
    restored(backups, entry, tmp_path / "data")
    with running(tmp_path / "data") as copy:
        rows = copy.value(f"SELECT COUNT(*) FROM {database}.orders")
    assert rows > 1
    assert rows - 1 == sequence(end.gtid) - first


def test_parts_are_of_one_size_and_each_is_a_stream_by_itself(mariadb: PrivateServer, backups: Backups) -> None:
    database = orders(mariadb, 1)
    with mariadb.connect() as session:
        session.execute(f"CREATE TABLE {database}.large (id INT PRIMARY KEY, data LONGBLOB)")
        filled(session, f"{database}.large", 60, "n, REPEAT(SHA2(n, 512), 8192)")
    entry = take_files(backups, mariadb)
    manifest = backups.manifest(entry)
    sizes = [stored.raw_bytes for stored in manifest.objects]
    assert len(sizes) > 1
    assert all(32 << 20 <= size < 43 << 20 for size in sizes[:-1])
    for stored in manifest.objects:
        with Path(entry.folder.where(stored.path)).open("rb") as file:
            assert all(chunk.size for chunk in chunks(file.read))


def test_the_password_is_no_programs_argument(
    mariadb: PrivateServer, backups: Backups, tmp_path: Path, instead: Callable[[str], None]
) -> None:
    seen = tmp_path / "seen"
    instead(f'echo "$@" > {seen}; stat -c %a "${{1#*=}}" >> {seen}; exec $REAL "$@"')
    take_files(backups, mariadb)
    arguments, mode = seen.read_text().splitlines()
    assert mariadb.backup.password not in arguments
    assert mode == "600"


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ("echo 'the disk is full' >&2; exit 3", "exit 3.*\n.*the disk is full"),
        ('$REAL "$@" 2>/dev/null', "exit 0"),
        ('$REAL "$@"; exit 1', "exit 1"),
        ('$REAL "$@" | head -c 1000000; echo "completed OK!" >&2', "cut off within a chunk"),
        ('$REAL "$@" | tail -c +100; echo "completed OK!" >&2', "no stream of chunks"),
        ('$REAL "$@" | sed "s/InnoDB/InnoDC/"; echo "completed OK!" >&2', "CRC"),
        ('echo "completed OK!" >&2', "there is no file in it"),
        ("kill -9 $$", "exit 137"),
    ],
    ids=["fails", "says nothing", "fails at last", "cut off", "no beginning", "changed", "nothing", "killed"],
)
def test_where_the_program_does_not_end_well_nothing_is_listed(
    mariadb: PrivateServer, backups: Backups, instead: Callable[[str], None], lines: str, why: str
) -> None:
    orders(mariadb, 10)
    instead(lines)
    with pytest.raises(BackupFailedError, match=why):
        take_files(backups, mariadb)
    assert backups.entries() == []


def test_files_of_another_server_are_refused(
    mariadb: PrivateServer, backups: Backups, tmp_path: Path, instead: Callable[[str], None]
) -> None:
    with private_server(Flavour.MARIADB) as other:
        other.fresh_database()
        options = tmp_path / "other.cnf"
        where = other.backup
        options.write_text(
            f'[client]\nhost={where.host}\nport={where.port}\nuser={where.user}\npassword="{where.password}"\n'
        )
        instead(f'shift; exec $REAL --defaults-file={options} "$@"')
        with mariadb.connect() as session, other.connect() as beside:
            assert _sequence_number(session) > _sequence_number(beside)
        with pytest.raises(BackupFailedError, match="are not this server's"):
            take_files(backups, mariadb)
    assert backups.entries() == []


def _sequence_number(session: Session) -> int:
    return int(session.rows("SHOW GLOBAL STATUS LIKE 'Innodb_lsn_current'")[0][1])


def test_a_table_whose_file_lies_elsewhere_is_named(mariadb: PrivateServer, backups: Backups, tmp_path: Path) -> None:
    database = orders(mariadb, 10)
    with mariadb.connect() as session:
        session.execute(f"CREATE TABLE {database}.away (id INT) DATA DIRECTORY = '{tmp_path}'")
    with pytest.raises(BackupFailedError, match=f"the table {database}/away has its DATA DIRECTORY elsewhere"):
        take_files(backups, mariadb)
    assert backups.entries() == []


@pytest.mark.parametrize("privilege", ["RELOAD", "PROCESS", "BINLOG MONITOR"])
def test_a_privilege_that_lacks_is_named(mariadb: PrivateServer, backups: Backups, privilege: str) -> None:
    user = account(mariadb.backup.user, "%")
    with mariadb.connect() as root:
        root.execute(f"REVOKE {privilege} ON *.* FROM {user}")
        try:
            with pytest.raises(UnsupportedServerError, match=f"the user lacks {privilege}") as caught:
                take_files(backups, mariadb)
        finally:
            root.execute(f"GRANT {privilege} ON *.* TO {user}")
    assert caught.value.remedy.startswith(f"GRANT {privilege} ON *.* TO")


def test_a_server_with_keys_for_its_files_is_refused(backups: Backups, tmp_path: Path) -> None:
    with (
        private_server(Flavour.MARIADB, mariadb_encrypting(tmp_path)) as server,
        pytest.raises(UnsupportedServerError, match="may be encrypted \\(file_key_management\\)"),
    ):
        take_files(backups, server)


def test_mysql_without_its_plugin_is_refused_before_anything_is_begun(mysql: PrivateServer, backups: Backups) -> None:
    with pytest.raises(UnsupportedServerError, match="its CLONE plugin is not there") as caught:
        take_files(backups, mysql)
    assert "INSTALL PLUGIN clone" in caught.value.remedy
    assert backups.entries() == []


def test_a_server_on_another_machine_is_refused(mariadb: PrivateServer) -> None:
    there = Endpoint("far", "chom", "", host="192.0.2.1")
    with pytest.raises(UnsupportedServerError, match="on another machine"):
        readable_data_directory(there, mariadb.facts)


def test_a_data_directory_that_is_not_here_is_refused(mariadb: PrivateServer) -> None:
    facts = replace(mariadb.facts, variables={**mariadb.facts.variables, "datadir": "/nowhere/mysql"})
    with pytest.raises(UnsupportedServerError, match=r"/nowhere/mysql/ibdata1: No such file"):
        readable_data_directory(mariadb.backup, facts)


def test_that_all_databases_are_in_it_is_said(mariadb: PrivateServer, backups: Backups) -> None:
    database = orders(mariadb, 10)
    entry = take_files(backups, mariadb, database)
    assert backups.manifest(entry).warnings == (f"a physical backup holds the whole server, not only {database}",)


def test_definitions_that_change_meanwhile_are_in_the_backup_as_they_were_at_its_moment(
    mariadb: PrivateServer, backups: Backups, tmp_path: Path
) -> None:
    database = mariadb.fresh_database()
    with mariadb.connect() as session:
        session.execute(f"CREATE TABLE {database}.large (id INT PRIMARY KEY, data LONGBLOB)")
        filled(session, f"{database}.large", 60, "n, REPEAT(SHA2(n, 512), 8192)")
        for name in ("dropped", "emptied", "altered", "renamed", "again"):
            session.execute(f"CREATE TABLE {database}.{name} (id INT PRIMARY KEY, note TEXT)")
            filled(session, f"{database}.{name}", 100, "n, SHA2(n, 512)")

    def change() -> None:
        with mariadb.connect() as session:
            session.execute(f"DROP TABLE {database}.dropped")
            session.execute(f"TRUNCATE {database}.emptied")
            session.execute(f"ALTER TABLE {database}.altered ADD COLUMN more INT DEFAULT 7, ADD KEY (more)")
            session.execute(f"RENAME TABLE {database}.renamed TO {database}.named")
            session.execute(f"DROP TABLE {database}.again")
            session.execute(f"CREATE TABLE {database}.again (other INT PRIMARY KEY)")
            session.execute(f"INSERT INTO {database}.again VALUES (9)")
            session.execute(f"CREATE DATABASE {database}_new")  # whose db.opt the program streams twice
            session.execute(f"CREATE TABLE {database}_new.t (id INT PRIMARY KEY)")

    try:
        entry = take_files(backups, mariadb, report=once(change))
    finally:
        with mariadb.connect() as session:
            session.execute(f"DROP DATABASE IF EXISTS {database}_new")
    proof = verify(entry, Level.FULL, None, unreported, threads=2)
    assert (proof.outcome, proof.reason) == (Outcome.PASSED, "")
    restored(backups, entry, tmp_path / "data")
    with running(tmp_path / "data") as copy, mariadb.connect() as source:
        asked = f"SHOW TABLES FROM {database}"
        tables = source.rows(asked)
        assert copy.rows(asked) == tables
        for (name,) in tables:
            assert copy.rows(f"CHECKSUM TABLE {database}.{name}") == source.rows(f"CHECKSUM TABLE {database}.{name}")
        assert copy.value(f"SELECT COUNT(*) FROM {database}_new.t") == 0


def test_a_file_that_comes_again_as_another_is_refused() -> None:
    once_more = [payload_chunk("shop/db.opt", 0, b"latin1"), end_chunk("shop/db.opt", 6)]
    seen = Streamed()
    assert list(seen.seen(iter(once_more * 2))) == once_more
    changed = [*once_more, payload_chunk("shop/db.opt", 0, b"utf8mb"), end_chunk("shop/db.opt", 6)]
    with pytest.raises(DefinitionChangedError, match=r"shop/db\.opt was changed"):
        list(Streamed().seen(iter(changed)))


@pytest.mark.parametrize(
    ("chunk", "said"),
    [
        ("D\\012\\000\\000\\000shop/t.MYD", "dropped"),
        ("R\\012\\000\\000\\000shop/t.MYD\\012\\000\\000\\000shop/u.MYD", "renamed"),
    ],
)
def test_a_table_without_transactions_that_goes_meanwhile_is_named(
    mariadb: PrivateServer, backups: Backups, instead: Callable[[str], None], chunk: str, said: str
) -> None:
    orders(mariadb, 10)
    instead(f"""$REAL "$@" 2>/dev/null; printf 'XBSTCK01\\000{chunk}'; echo "completed OK!" >&2""")
    with pytest.raises(DefinitionChangedError, match=rf"shop/t\.MYD was {said} while it was read"):
        take_files(backups, mariadb)
    assert backups.entries() == []


def test_the_position_is_also_that_of_tables_without_transactions(
    mariadb: PrivateServer, backups: Backups, tmp_path: Path
) -> None:
    database, ended = orders(mariadb, 1), threading.Event()
    engines = {"isam": "MyISAM", "aria": "Aria TRANSACTIONAL=0", "crash_safe": "Aria TRANSACTIONAL=1"}

    def write() -> None:
        with mariadb.connect() as session:
            while not ended.is_set():
                for name in engines:
                    session.execute(f"INSERT INTO {database}.{name} VALUES (DEFAULT)")

    with mariadb.connect() as session:
        for name, engine in engines.items():
            session.execute(f"CREATE TABLE {database}.{name} (id INT PRIMARY KEY AUTO_INCREMENT) ENGINE={engine}")
        first = sequence(session.value("SELECT @@gtid_binlog_pos"))
    writer = threading.Thread(target=write)
    writer.start()
    try:
        entry = take_files(backups, mariadb)
    finally:
        ended.set()
        writer.join()
    end = backups.manifest(entry).coordinates.end
    restored(backups, entry, tmp_path / "data")
    with running(tmp_path / "data") as copy:
        rows = [int(copy.value(f"SELECT COUNT(*) FROM {database}.{name}")) for name in engines]
    # each in its turn: of all the transactions up to the position every table has its share, and no other
    written = sequence(end and end.gtid) - first
    assert rows == [(written + after) // 3 for after in (2, 1, 0)]
    assert min(rows) > 0


def test_a_long_query_is_not_waited_for(mariadb: PrivateServer, backups: Backups) -> None:
    database = orders(mariadb, 10)
    with mariadb.connect() as session, mariadb.connect() as root:
        session.execute("BEGIN")
        session.execute(f"INSERT INTO {database}.orders (note) VALUES ('not committed')")
        reading = threading.Thread(target=_sleep, args=(root, database))
        reading.start()
        try:
            take_files(backups, mariadb)
            assert reading.is_alive()
        finally:
            with mariadb.connect() as other:
                other.execute(f"KILL QUERY {root.id}")
            reading.join()


def _sleep(session: Session, database: str) -> None:
    with suppress(ServerError):
        session.rows(f"SELECT SLEEP(600) FROM {database}.orders LIMIT 1")


def test_a_lock_that_is_not_granted_ends_the_backup_and_names_who_is_in_its_way(
    mariadb: PrivateServer, backups: Backups, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock_watch, "_FIRST_SECONDS", 1)
    database = orders(mariadb, 10)
    with mariadb.connect() as session:
        session.execute(f"CREATE TABLE {database}.plain (id INT) ENGINE=MyISAM")
        session.execute(f"LOCK TABLES {database}.plain WRITE")
        with pytest.raises(LockNotObtainedError, match="idle, perhaps in LOCK TABLES: connection"):
            take_files(backups, mariadb)
    assert backups.entries() == []


def test_commits_are_let_go_where_what_is_read_cannot_be_stored_in_time(
    mariadb: PrivateServer, backups: Backups, monkeypatch: pytest.MonkeyPatch, instead: Callable[[str], None]
) -> None:
    monkeypatch.setattr(lock_watch, "PROGRAM_HELD_SECONDS", 1)
    orders(mariadb, 10)
    instead('echo "Acquired locks for BACKUP STAGE BLOCK_COMMIT" >&2; sleep 60')
    with pytest.raises(SnapshotTooSlowError, match="commits were held up for 1 s, and were let go"):
        take_files(backups, mariadb)
    assert backups.entries() == []
