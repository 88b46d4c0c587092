"""Physical backups of MySQL, which its CLONE plugin copies."""

from __future__ import annotations

import fcntl
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from chom_pipelines.errors import BackupFailedError, UnsupportedServerError
from chom_pipelines.inventory.policies import BackupPolicy, Schedules
from chom_pipelines.outcome import Outcome
from chom_pipelines.physical.cloning import writable_by
from chom_pipelines.physical.fitness import check_fitness
from chom_pipelines.progress import unreported
from chom_pipelines.proofs.verification import verify
from chom_pipelines.repository.codecs import Codec
from chom_pipelines.repository.entry import BackupEntry
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.manifest import Manifest
from chom_pipelines.repository.master_keys import KeyKind
from chom_pipelines.repository.payloads import Method
from chom_pipelines.repository.proof import Level, Means, Subject
from chom_pipelines.restores.standing import refuse_unfit_target
from chom_pipelines.restores.starts import start_of
from chom_pipelines.server.claimed_directories import claimed_directory
from chom_pipelines.server.connection import Session
from chom_pipelines.server.facts import Flavour, read_facts
from chom_pipelines.server.identifiers import account
from chom_pipelines.server.privileges import grants_for_backup
from chom_pipelines_tests.logical.taking import Backups, filled
from chom_pipelines_tests.logical.test_restore_guide import followed
from chom_pipelines_tests.physical.files_data import (
    WARM,
    copying_options,
    list_memory,
    restored,
    running,
    take_files,
    wait_for,
)
from chom_pipelines_tests.servers import PrivateServer, private_server

KEYS = Keyring("", ()).generate("escrow", KeyKind.AES_256)
ROWS = 5000


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory outside of the server's own, in which it may have files."""
    return tmp_path_factory.mktemp("elsewhere")


@pytest.fixture(scope="module")
def cloning(elsewhere: Path) -> Iterator[PrivateServer]:
    """A MySQL with the plugin, which its package brings, and a database with some rows."""
    options = (*copying_options(Flavour.MYSQL), f"--innodb-directories={elsewhere}")
    with private_server(Flavour.MYSQL, options) as server:
        with server.connect() as session:
            session.execute("CREATE DATABASE shop")
            session.execute("CREATE DATABASE empty_one")
            session.execute("CREATE TABLE shop.orders (id INT PRIMARY KEY AUTO_INCREMENT, note TEXT, KEY (note(9)))")
            filled(session, "shop.orders (note)", ROWS, "REPEAT(SHA2(n, 256), 2)")
            session.execute("CREATE VIEW shop.seen AS SELECT id FROM shop.orders")
        yield server


@dataclass(frozen=True)
class Cloned:
    """A backup that was taken while a row after the other was committed, from the transaction `first` on."""

    backups: Backups
    entry: BackupEntry
    manifest: Manifest
    first: int
    listed: str
    """The pages that the source had in memory."""


@pytest.fixture(scope="module")
def cloned(cloning: PrivateServer, tmp_path_factory: pytest.TempPathFactory) -> Cloned:
    """For all tests that only read it."""
    ended = threading.Event()

    def write() -> None:
        with cloning.connect() as session:
            while not ended.is_set():
                session.execute("INSERT INTO shop.moving VALUES (DEFAULT)")

    backups = _kept(Backups(tmp_path_factory.mktemp("cloned")))
    with cloning.connect() as session:
        session.execute("CREATE TABLE shop.moving (id INT PRIMARY KEY AUTO_INCREMENT)")
        listed = list_memory(session)
        first = _last(str(session.value("SELECT @@gtid_executed"))) + 1
        writer = threading.Thread(target=write)
        writer.start()
        try:
            entry = take_files(backups, cloning)
        finally:
            ended.set()
            writer.join()
        session.execute("DROP TABLE shop.moving")
    return Cloned(backups, entry, backups.manifest(entry), first, listed)


def _last(gtids: str) -> int:
    """The number of the last transaction of the one server whose transactions these are."""
    return int(re.split("[:-]", gtids)[-1])


@pytest.fixture
def kept(backups: Backups) -> Backups:
    return _kept(backups)


def _kept(backups: Backups) -> Backups:
    return Backups(backups.directory, KEYS, backups.policy.model_copy(update={"compression": Codec.ZSTD, "level": 1}))


def test_what_was_cloned_comes_back_as_it_was_at_its_position(
    cloning: PrivateServer, cloned: Cloned, tmp_path: Path
) -> None:
    assert (cloned.manifest.physical.tables, cloned.manifest.source.flavour) == (2, "mysql")
    proof = verify(cloned.entry, Level.FULL, KEYS, unreported, threads=2)
    assert (proof.outcome, proof.reason) == (Outcome.PASSED, "")
    assert proof.count(Subject.TABLES, Means.RESTORED) == 2
    found = restored(cloned.backups, cloned.entry, tmp_path / "data")
    assert found.databases == ("empty_one", "shop")
    end = cloned.manifest.coordinates.end
    assert end is not None
    asked = "SELECT COUNT(*), SUM(CRC32(note)) FROM shop.orders"
    with running(tmp_path / "data", Flavour.MYSQL) as copy, cloning.connect() as source:
        assert (tmp_path / "data" / "ib_buffer_pool").read_text() == cloned.listed
        wait_for(copy, *WARM)
        assert copy.rows(asked) == source.rows(asked)
        assert copy.value("SELECT COUNT(*) FROM shop.seen") == ROWS
        assert copy.value("SELECT COUNT(*) FROM shop.moving") == _last(end.gtid or "") - cloned.first + 1 > 1
        copy.execute("CREATE TABLE empty_one.more (id INT PRIMARY KEY)")
        copy.execute("DROP DATABASE empty_one")


def test_a_clone_goes_into_no_server_of_another_family(mariadb: PrivateServer, cloned: Cloned) -> None:
    manifest = cloned.manifest
    with mariadb.connect() as session, pytest.raises(UnsupportedServerError, match="the backup is of mysql"):
        refuse_unfit_target(manifest, read_facts(session), session.endpoint)


def test_a_schedule_of_incremental_clones_which_there_are_not_fails_the_check(
    cloning: PrivateServer, kept: Backups
) -> None:
    server = kept.inventory(cloning).model_copy(
        update={"backup": BackupPolicy(method=Method.PHYSICAL), "schedules": Schedules(incremental="0 * * * *")}
    )
    (found,) = [each for each in check_fitness(server) if each.subject == "schedules.incremental"]
    assert (found.outcome, found.is_warning) == (Outcome.FAILED, False)


def test_a_private_server_on_a_clone_does_not_begin_to_replicate(cloned: Cloned) -> None:
    start = start_of(cloned.entry, KEYS, None, unreported, 1)
    with start.server(()) as server, Session(server.endpoint) as session:
        assert session.value("SELECT @@global.skip_replica_start") == 1


def test_rows_that_a_clone_lacks_are_refused_by_the_names_of_their_tables(
    cloning: PrivateServer, kept: Backups
) -> None:
    engines = ("MyISAM", "CSV", "ARCHIVE")
    named = "".join(rf"(?=.*shop\.{engine}_t \({engine}\))" for engine in engines)
    with cloning.connect() as session:
        for engine in engines:
            session.execute(f"CREATE TABLE shop.{engine}_t (id INT NOT NULL) ENGINE={engine}")
            session.execute(f"INSERT INTO shop.{engine}_t VALUES (1)")
        try:
            with pytest.raises(UnsupportedServerError, match=f"not those of{named}"):
                take_files(kept, cloning)
            user = account(cloning.backup.user, "%")
            session.execute(f"REVOKE SELECT, SHOW VIEW, TRIGGER, EVENT ON *.* FROM {user}")  # which shows it no tables
            with pytest.raises(BackupFailedError, match=f"lacks the rows{named}"):
                take_files(kept, cloning)
        finally:
            for engine in engines:
                session.execute(f"DROP TABLE shop.{engine}_t")
            for grant in grants_for_backup(cloning.facts, cloning.backup.user, "%"):
                session.execute(grant)
    assert kept.entries() == []


@pytest.mark.parametrize(
    ("made", "dropped"),
    [
        ("TABLE shop.away (id INT) DATA DIRECTORY = '{}'", "TABLE shop.away"),
        ("TABLESPACE away ADD DATAFILE '{}/a.ibd'", "TABLESPACE away"),
    ],
)
def test_a_file_that_lies_elsewhere_is_refused_by_its_name(
    cloning: PrivateServer, kept: Backups, elsewhere: Path, made: str, dropped: str
) -> None:
    with cloning.connect() as session:
        session.execute(f"CREATE {made.format(elsewhere)}")
        try:
            with pytest.raises(UnsupportedServerError, match=f"outside of the data directory: {elsewhere}"):
                take_files(kept, cloning)
        finally:
            session.execute(f"DROP {dropped}")


@pytest.mark.skipif(os.geteuid() != 0, reason="root alone gives files away")
def test_what_a_killed_run_left_of_a_clone_is_removed_by_the_next_one(tmp_path: Path) -> None:
    with claimed_directory(tmp_path) as claim:
        directory = writable_by(claim, (12345, 12345))
        assert (directory.stat().st_uid, directory.stat().st_mode & 0o777) == (12345, 0o700)
        assert claim.path.stat().st_mode & 0o777 == 0o711
        (directory / "clone").mkdir()
        fcntl.flock(claim.descriptor, fcntl.LOCK_UN)  # as its death does
        with claimed_directory(tmp_path):
            assert not claim.path.exists()
        claim.path.mkdir()


def test_an_interrupted_run_ends_the_clone_and_leaves_nothing_of_it(cloning: PrivateServer, tmp_path: Path) -> None:
    (tmp_path / "password").write_text(cloning.backup.password)
    server = {
        "name": "chom",
        "host": "127.0.0.1",
        "port": cloning.backup.port,
        "user": cloning.backup.user,
        "password": {"file": str(tmp_path / "password")},
        "backup": {"method": "physical"},
    }
    config = {"repository": {"path": str(tmp_path / "repository")}, "servers": [server]}
    (tmp_path / "chom.yaml").write_text(yaml.safe_dump(config))
    command = [sys.executable, "-c", "from chom_pipelines.cli.main import main; main()", "backup"]
    environment = {**os.environ, "CHOM_CONFIG": str(tmp_path / "chom.yaml"), "TMPDIR": str(tmp_path)}
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE) as process:
        while not list(tmp_path.glob("chom-scratch-*/theirs/clone")) and process.poll() is None:
            time.sleep(0.001)  # the clone takes moments, and is to be met within
        process.send_signal(signal.SIGINT)
    assert process.returncode == 130
    assert list(tmp_path.glob("chom-scratch-*")) == []
    with cloning.connect() as session:
        assert session.rows("SELECT ID FROM information_schema.PROCESSLIST WHERE INFO LIKE 'CLONE%'") == []


def test_the_guide_restores_with_stock_tools(cloned: Cloned, tmp_path: Path) -> None:
    done = followed(cloned.entry, "", tmp_path, KEYS)
    assert (done.returncode, done.stderr) == (0, "")
    with running(tmp_path / "decoded" / "data", Flavour.MYSQL) as copy:
        assert copy.value("SELECT COUNT(*) FROM shop.orders") == ROWS
