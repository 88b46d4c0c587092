"""Of a replica the manifest says up to where its source's binary log is in the backup."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from chom_pipelines.logical import snapshot
from chom_pipelines.logical.replication import Replication
from chom_pipelines.repository.manifest import Manifest
from chom_pipelines.server.connection import Session
from chom_pipelines.server.facts import Flavour, ServerFacts, read_facts
from chom_pipelines.server.identifiers import account, literal
from chom_pipelines.server.preflight import ask_server
from chom_pipelines.server.privileges import grants_for_backup
from chom_pipelines.server.scratch import free_port, listening_on, scratch_server, with_binary_log
from chom_pipelines_tests.logical.taking import Backups
from chom_pipelines_tests.servers import PrivateServer, private_server

PATIENCE = 60
FOLLOW = {
    Flavour.MARIADB: "CHANGE MASTER {name} TO MASTER_HOST = '127.0.0.1', MASTER_PORT = {port},"
    " MASTER_USER = 'follower', MASTER_PASSWORD = 'f', MASTER_USE_GTID = slave_pos",
    Flavour.MYSQL: "CHANGE REPLICATION SOURCE TO SOURCE_HOST = '127.0.0.1', SOURCE_PORT = {port},"
    " SOURCE_USER = 'follower', SOURCE_PASSWORD = 'f', SOURCE_AUTO_POSITION = 1, GET_SOURCE_PUBLIC_KEY = 1"
    " FOR CHANNEL {name}",
}
START = {Flavour.MARIADB: "START SLAVE {name}", Flavour.MYSQL: "START REPLICA FOR CHANNEL {name}"}
STOP = {Flavour.MARIADB: "STOP SLAVE {name}", Flavour.MYSQL: "STOP REPLICA FOR CHANNEL {name}"}
STATUS = {Flavour.MARIADB: "SHOW MASTER STATUS", Flavour.MYSQL: "SHOW BINARY LOG STATUS"}
GTIDS = {Flavour.MARIADB: "SELECT @@gtid_binlog_pos", Flavour.MYSQL: "SELECT @@gtid_executed"}
OPTIONS = {
    Flavour.MARIADB: ("--relay-log=relay", "--gtid-strict-mode=OFF"),
    # one thread, whose position is exact
    Flavour.MYSQL: ("--relay-log=relay", "--replica-parallel-workers=0"),
}


@dataclass(frozen=True)
class Pair:
    """A source, and a replica of it by a connection or channel with a name."""

    leader: Session
    port: int
    replica: PrivateServer

    def await_rows(self, expected: int) -> None:
        """Wait until the replica has so many."""
        give_up = time.monotonic() + PATIENCE
        with self.replica.connect() as session:
            while time.monotonic() < give_up:
                there = session.rows("SELECT 1 FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'followed'")
                if there and session.value("SELECT COUNT(*) FROM followed.t") == expected:
                    return
                time.sleep(0.02)
        pytest.fail("the replica does not follow")


@contextmanager
def pair(flavour: Flavour, options: Sequence[str] = ()) -> Iterator[Pair]:
    """A replica pair; the replica is set up as a production server is, and its backup account as one that is none."""
    port = free_port()
    with (
        scratch_server(flavour, options=(*listening_on(port), *with_binary_log(flavour, 1))) as server,
        private_server(flavour, (*OPTIONS[flavour], *options)) as replica,
        Session(server.endpoint) as leader,
        replica.connect() as session,
    ):
        leader.execute("CREATE USER follower@'%' IDENTIFIED BY 'f'")
        leader.execute("GRANT REPLICATION SLAVE ON *.* TO follower@'%'")
        leader.execute("CREATE DATABASE followed")
        leader.execute("CREATE TABLE followed.t (id INT AUTO_INCREMENT PRIMARY KEY)")
        leader.execute("INSERT INTO followed.t VALUES (), ()")
        session.execute(FOLLOW[flavour].format(name="'north'", port=port))
        session.execute(START[flavour].format(name="'north'"))
        both = Pair(leader, port, replica)
        both.await_rows(2)
        yield both


@pytest.fixture(scope="module", params=list(Flavour), ids=lambda flavour: flavour.value)
def followed(request: pytest.FixtureRequest) -> Iterator[Pair]:
    with pair(request.param) as both:
        yield both


def test_a_replicas_backup_says_up_to_where_its_source_is_in_it(followed: Pair, backups: Backups) -> None:
    replica, leader = followed.replica, followed.leader
    with replica.connect() as root:
        for grant in grants_for_backup(read_facts(root), replica.backup.user, "%"):
            root.execute(grant)
    file, position, *_ = leader.row(STATUS[replica.flavour]) or ("", 0)
    gtid = str(leader.value(GTIDS[replica.flavour])).replace("\n", "")
    manifest = settled(followed, backups, position)
    (source,) = manifest.sources
    assert (source.name, source.host, source.port) == ("north", "127.0.0.1", followed.port)
    assert (source.file, source.position) == (file, position)
    assert source.gtid
    assert gtid in source.gtid
    assert manifest.logical.held_seconds < 2
    assert "replica" not in " ".join(manifest.warnings)


def settled(followed: Pair, backups: Backups, position: int) -> Manifest:
    """A backup from after the replica has noted down what it has executed."""
    give_up = time.monotonic() + PATIENCE
    while time.monotonic() < give_up:
        with followed.replica.connect() as root:
            found = Replication()
            found.read(root, followed.replica.facts, time.monotonic() + PATIENCE)
        if [each.position for each in found.sources] == [position]:
            break
        time.sleep(0.02)
    return backups.manifest(backups.take(followed.replica, "followed"))


def test_a_replica_that_is_stopped_under_the_lock_holds_up_nobody(followed: Pair) -> None:
    """Its applier waits for the lock with a transaction that is not in the snapshot, and STOP waits for the applier."""
    replica = followed.replica
    with replica.connect() as session, replica.connect() as other, ThreadPoolExecutor(1) as aside:
        stopped: list[Future[int]] = []

        def begin(_seconds: float) -> list[list[list[str]]]:
            followed.leader.execute("INSERT INTO followed.t VALUES ()")
            time.sleep(0.3)
            stopped.append(aside.submit(other.execute, STOP[replica.flavour].format(name="'north'")))
            time.sleep(0.3)
            return []  # no worker, no snapshot

        before = int(followed.leader.value("SELECT COUNT(*) FROM followed.t"))
        executed = Replication()
        executed.read(session, replica.facts, time.monotonic() + PATIENCE)
        moment = snapshot.frozen(session, replica.facts, begin)
        stopped[0].result(PATIENCE)
        session.execute(START[replica.flavour].format(name="'north'"))
    assert moment.held_seconds < snapshot.HELD_SECONDS
    assert moment.replication.warning is None
    (source,) = moment.replication.sources
    assert source.gtid == executed.sources[0].gtid
    followed.await_rows(before + 1)


def test_a_status_that_may_not_be_read_is_a_warning_and_check_names_the_privilege(backups: Backups) -> None:
    with pair(Flavour.MARIADB) as followed:
        replica = followed.replica
        manifest = backups.manifest(backups.take(replica, "followed"))
        assert manifest.sources == ()
        assert any("SLAVE MONITOR" in warning for warning in manifest.warnings)
        (finding,) = [each for each in ask_server(replica.backup, None).findings if "SLAVE MONITOR" in each.message]
        assert finding.remedy == f"GRANT SLAVE MONITOR ON *.* TO {account(replica.backup.user, '%')};"
        with replica.connect() as root:
            root.execute(finding.remedy)
        assert not [each for each in ask_server(replica.backup, None).findings if "SLAVE MONITOR" in each.message]
        manifest = backups.manifest(backups.take(replica, "followed"))
        assert len(manifest.sources) == 1
        assert not any("SLAVE MONITOR" in warning for warning in manifest.warnings)


def test_a_server_that_follows_nobody_has_no_sources_and_no_warning(server: PrivateServer, backups: Backups) -> None:
    database = server.fresh_database()
    manifest = backups.manifest(backups.take(server, database))
    assert manifest.sources == ()
    assert "replica" not in " ".join(manifest.warnings)
    assert "SLAVE MONITOR" not in " ".join(grants_for_backup(server.facts, "u", "%"))


def test_an_answer_that_does_not_come_is_given_up(server: PrivateServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ServerFacts, "replica_status_statement", f"SELECT SLEEP(30), {literal('x')}")
    found, began = Replication(), time.monotonic()
    with server.connect() as session:
        found.read(session, server.facts, began + 0.5)
    assert time.monotonic() - began < 2
    assert found.warning
    assert found.sources == ()
