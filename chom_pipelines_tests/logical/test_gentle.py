"""However a dump hangs, a production's writers are held up for a moment only."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from chom_pipelines.errors import LockNotObtainedError, RepositoryError, SnapshotTooSlowError
from chom_pipelines.logical import dump, snapshot
from chom_pipelines.server.connection import Session
from chom_pipelines.server.facts import ServerFacts
from chom_pipelines.server.identifiers import quote
from chom_pipelines_tests.logical.samples import library
from chom_pipelines_tests.logical.taking import TOGETHER, Backups, filled, workers_of
from chom_pipelines_tests.servers import PrivateServer

_LOG = logging.getLogger(__name__)
BOUND = 3.0  # seconds: what the lock may be held for, and what a busy machine adds

STALLED = """
import json, os, signal, sys
from pathlib import Path
from chom_pipelines.inventory.models import Server
from chom_pipelines.inventory.policies import BackupPolicy
from chom_pipelines.logical import dump, snapshot
from chom_pipelines.progress import unreported
from chom_pipelines.repository.local_store import LocalStore
from chom_pipelines.repository.repository import Repository

def stalling(session, facts, begin):
    def stall(seconds):
        print("stalled", flush=True)
        os.kill(os.getpid(), signal.SIGSTOP)
        return begin(seconds)
    return snapshot_frozen(session, facts, stall)

snapshot_frozen, dump.frozen = snapshot.frozen, stalling
server = Server.model_validate_json(sys.argv[1])
repository = Repository(LocalStore(Path(sys.argv[2])))
dump.take_backup(server, BackupPolicy(threads=2), repository, None, unreported)
"""


@dataclass
class Writer:
    """Commits a row again and again, and remembers how long one took."""

    longest: float = 0.0
    commits: int = 0
    failures: list[BaseException] = field(default_factory=list)


@contextmanager
def writing(server: PrivateServer, database: str) -> Iterator[Writer]:
    """A writer at work for the length of the block."""
    writer, done = Writer(), threading.Event()

    def write() -> None:
        try:
            with server.connect() as session:
                while not done.is_set():
                    began = time.monotonic()
                    session.execute(f"INSERT INTO {quote(database)}.written VALUES ()")
                    writer.longest = max(writer.longest, time.monotonic() - began)
                    writer.commits += 1
                    time.sleep(0.005)  # one that leaves the server to others as well
        except BaseException as error:  # noqa: BLE001  (told to the test)
            writer.failures.append(error)

    with server.connect() as session:
        session.execute(f"CREATE TABLE {quote(database)}.written (id INT AUTO_INCREMENT PRIMARY KEY)")
    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield writer
    finally:
        done.set()
        thread.join()
    assert not writer.failures
    assert writer.commits
    _LOG.info("%s: a writer waited for %.3f s at most", server.flavour, writer.longest)  # pytest --log-cli-level=INFO


def test_a_dump_says_for_how_long_it_held_up_commits(server: PrivateServer, backups: Backups) -> None:
    database = library(server)
    with writing(server, database) as writer:
        manifest = backups.manifest(backups.take(server, database))
    assert 0 < manifest.logical.held_seconds < snapshot.HELD_SECONDS
    assert writer.longest < BOUND


def test_a_stopped_worker_holds_up_writers_for_a_moment_and_fails_the_dump_by_name(
    server: PrivateServer, backups: Backups, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = library(server)
    frozen = snapshot.frozen

    def with_one_stopped(session: Session, facts: ServerFacts, begin: snapshot.Begin) -> snapshot.Frozen:
        workers_of(psutil.Process())[0].send_signal(signal.SIGSTOP)
        return frozen(session, facts, begin)

    monkeypatch.setattr(dump, "frozen", with_one_stopped)
    with writing(server, database) as writer:
        with pytest.raises(SnapshotTooSlowError, match="1 of 2 dump workers did not begin their snapshot in 2 s"):
            backups.take(server, database)
        before = writer.commits
        time.sleep(0.5)  # in which writers go on
        assert writer.commits > before
    assert writer.longest < BOUND
    assert backups.entries() == []


def test_workers_that_are_stopped_with_their_maker_do_not_outlast_the_dump(
    mariadb: PrivateServer, backups: Backups, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = library(mariadb)
    frozen, workers = snapshot.frozen, list[psutil.Process]()

    def with_all_stopped(session: Session, facts: ServerFacts, begin: snapshot.Begin) -> snapshot.Frozen:
        workers.extend(workers_of(psutil.Process()))
        for each in (*workers, workers[0].parent()):
            assert each
            each.send_signal(signal.SIGSTOP)
        return frozen(session, facts, begin)

    monkeypatch.setattr(dump, "frozen", with_all_stopped)
    with pytest.raises(SnapshotTooSlowError):
        backups.take(mariadb, database)
    assert len(workers) == 2
    assert left_of(workers) == []


def test_workers_that_are_stopped_do_not_outlast_an_owner_that_is_killed(
    mariadb: PrivateServer, backups: Backups
) -> None:
    backups.repository.create()
    described = backups.inventory(mariadb, library(mariadb)).model_dump_json()
    arguments = [sys.executable, "-c", STALLED, described, backups.repository.where]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, start_new_session=True) as owner:
        assert owner.stdout
        assert owner.stdout.readline() == b"stalled\n"
        workers = workers_of(psutil.Process(owner.pid))
        maker = workers[0].parent()
        assert maker
        for each in (maker, *workers):
            each.send_signal(signal.SIGSTOP)
        owner.kill()
        assert left_of([maker, *workers]) == []


def left_of(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Those that are there after ten seconds, which are killed then."""
    _, left = psutil.wait_procs(processes, timeout=10)
    for each in left:
        each.kill()
    return [each for each in left if each.status() != psutil.STATUS_ZOMBIE]


def test_a_stalled_client_holds_up_writers_for_a_moment(server: PrivateServer, backups: Backups) -> None:
    database = library(server)
    backups.repository.create()
    described = backups.inventory(server, database).model_dump_json()
    with writing(server, database) as writer:
        stalled = subprocess.Popen(
            [sys.executable, "-c", STALLED, described, backups.repository.where],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        assert stalled.stdout
        assert stalled.stdout.readline() == b"stalled\n"
        time.sleep(BOUND)  # the longest that they may be held up
        before = writer.commits
        time.sleep(0.5)  # in which writers go on
        assert writer.commits > before
        os.kill(stalled.pid, signal.SIGCONT)
        assert stalled.wait(60) != 0
        stalled.stdout.close()
    assert writer.longest < BOUND
    assert backups.entries() == []


@contextmanager
def small_disk(at: Path, size: str) -> Iterator[Path]:
    """A file system of this size."""
    at.mkdir()
    subprocess.run(["/bin/mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(at)], check=True)
    try:
        yield at
    finally:
        subprocess.run(["/bin/umount", str(at)], check=True)


@pytest.mark.parametrize("when", ["during the dump", "before it"])
def test_a_full_disk_holds_up_writers_for_a_moment_and_is_named(
    server: PrivateServer, tmp_path: Path, when: str
) -> None:
    database = library(server)
    with server.connect() as session:
        session.execute(f"CREATE TABLE {quote(database)}.large (id INT PRIMARY KEY, t TEXT NOT NULL)")
        filled(session, f"{quote(database)}.large", 20_000, "n, REPEAT(SHA2(n, 512), 10)")
    with small_disk(tmp_path / "disk", "8m") as disk, writing(server, database) as writer:
        backups = Backups(disk, policy=TOGETHER)
        if when == "before it":
            backups.repository.create()
            backups.inventory(server, database)  # which notes the password there
            (disk / "others").write_bytes(b"x" * shutil.disk_usage(disk).free)
            assert not shutil.disk_usage(disk).free
        with pytest.raises(RepositoryError) as refused:
            backups.take(server, database)
        assert "No space left on device" in refused.value.what
        before = writer.commits
        time.sleep(0.5)  # in which writers go on
        assert writer.commits > before
        assert backups.entries() == []
    assert writer.longest < BOUND


@pytest.mark.parametrize("table", ["mysql.servers", "mysql.time_zone_name"])
def test_a_locked_table_of_the_server_itself_ends_a_dump_in_time(
    server: PrivateServer, backups: Backups, monkeypatch: pytest.MonkeyPatch, table: str
) -> None:
    monkeypatch.setattr(snapshot, "LOCK_SECONDS", 1)
    database = library(server)
    with server.connect() as other:
        other.execute(f"LOCK TABLES {table} WRITE")
        began = time.monotonic()
        with pytest.raises(LockNotObtainedError):
            backups.take(server, database)
        assert time.monotonic() - began < 60  # the server's own limit is a day
    assert backups.entries() == []
