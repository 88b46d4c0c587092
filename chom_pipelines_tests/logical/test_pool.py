"""A pool's workers are processes that do what they are given, fail by name, and end with whoever made them."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from chom_pipelines.errors import (
    AccessDeniedError,
    BackupFailedError,
    DefinitionChangedError,
    LockNotObtainedError,
    ServerError,
    SnapshotTooSlowError,
)
from chom_pipelines.logical.catalog import Catalog
from chom_pipelines.logical.pool import Setup, pool
from chom_pipelines.logical.ranges import Range
from chom_pipelines.logical.snapshot import BEGIN, STATEMENTS
from chom_pipelines.logical.work import Work
from chom_pipelines.server.connection import Endpoint, Session
from chom_pipelines.server.identifiers import quote
from chom_pipelines_tests.logical.taking import workers_of
from chom_pipelines_tests.logical.tasks import a_task, table
from chom_pipelines_tests.servers import PrivateServer


def pooled(server: PrivateServer, endpoint: Endpoint | None = None) -> Setup:
    return Setup(endpoint or server.backup, STATEMENTS)


def test_a_pool_does_the_work_of_all_tables(server: PrivateServer, database: str) -> None:
    with server.connect() as session:
        tables = Catalog(session, server.facts, (database,)).tables()
    work = Work(tables, [[Range()] for _ in tables], 1 << 24)
    seen: list[int] = []
    with pool(2, pooled(server)) as workers:
        answers = workers.ask(BEGIN, "SELECT CONNECTION_ID()", 60)
        for task, result in workers.run(work.tasks(), lambda size, _rows: seen.append(size)):
            work.add(task, result)
    assert len({answer[0][0] for answer in answers}) == 2
    assert {each.name: each.rows for each in work.result()} == {"little": 3, "nothing": 0, "plain": 20_000}
    assert sum(seen) == sum(each.bytes for each in work.result())


def test_an_error_of_a_worker_is_raised_as_what_it_is(server: PrivateServer, database: str) -> None:
    info = table(server, database, "little")
    task = {**a_task(info), "key": [0, 0]}
    with server.connect() as session:
        session.execute(f"DROP TABLE {database}.little")
    with pool(2, pooled(server)) as workers, pytest.raises(ServerError, match="little"):
        list(workers.run([task], lambda *_: None))


@pytest.mark.parametrize("ddl", ["DROP TABLE {0}.little", "RENAME TABLE {0}.little TO {0}.large", "DROP DATABASE {0}"])
def test_a_table_that_is_gone_was_dropped_or_renamed(server: PrivateServer, database: str, ddl: str) -> None:
    task = {**a_task(table(server, database, "little")), "key": [0, 0]}
    with pool(1, pooled(server)) as workers, server.connect() as session:
        workers.ask(BEGIN, "SELECT 1", 60)
        session.execute(ddl.format(quote(database)))
        with pytest.raises(DefinitionChangedError, match=rf"table {database}\.little was dropped or renamed while"):
            list(workers.run([task], lambda *_: None))


def test_a_table_that_is_another_since_the_snapshot_is_named(server: PrivateServer, database: str) -> None:
    task = {**a_task(table(server, database, "little")), "key": [0, 0]}
    with pool(1, pooled(server)) as workers, server.connect() as session:
        workers.ask(BEGIN, "SELECT 1", 60)
        session.execute(f"ALTER TABLE {quote(database)}.little FORCE")
        with pytest.raises(DefinitionChangedError, match=rf"table {database}\.little was altered"):
            list(workers.run([task], lambda *_: None))


def test_a_table_that_stays_locked_is_named_and_may_be_tried_again(server: PrivateServer, database: str) -> None:
    task = {**a_task(table(server, database, "little")), "key": [0, 0]}
    setup = replace(pooled(server), statements=(*STATEMENTS, "SET SESSION lock_wait_timeout = 1"))
    with pool(1, setup) as workers, server.connect() as session:
        session.execute(f"LOCK TABLES {quote(database)}.little WRITE")
        with pytest.raises(LockNotObtainedError, match=rf"table {database}\.little .* lock of .* 1205") as caught:
            list(workers.run([task], lambda *_: None))
    assert caught.value.retryable


def test_a_deadlock_is_named_and_may_be_tried_again(server: PrivateServer, database: str) -> None:
    """A DDL has the lock on one table and waits for another, which the reader holds."""
    task = {**a_task(table(server, database, "little")), "key": [0, 0]}
    reads = f"SELECT 1 FROM {quote(database)}.plain LIMIT 1"
    with pool(1, pooled(server)) as workers, server.connect() as session, ThreadPoolExecutor(1) as aside:
        workers.ask(BEGIN, reads, 60)
        drops = f"DROP TABLE {quote(database)}.little, {quote(database)}.plain"
        dropped = aside.submit(session.execute, drops)
        with server.connect() as other:
            waits = "SELECT 1 FROM information_schema.PROCESSLIST WHERE STATE LIKE '%%metadata lock' AND ID = %s"
            assert until(lambda: bool(other.rows(waits, (session.id,))))
        with pytest.raises(LockNotObtainedError, match=rf"table {database}\.little .* deadlock .* 1213") as caught:
            list(workers.run([task], lambda *_: None))
        workers._workers[0].dismiss()
        dropped.result(30)
    assert caught.value.retryable


def test_a_wrong_password_is_an_access_error(server: PrivateServer) -> None:
    wrong = Endpoint("test", server.backup.user, "wrong", host=server.backup.host, port=server.backup.port)
    with pool(1, pooled(server, wrong)) as workers, pytest.raises(AccessDeniedError):
        workers.connected()


def test_a_worker_that_is_killed_fails_the_dump(server: PrivateServer, database: str) -> None:
    with pool(1, pooled(server)) as workers:
        workers.connected()
        (worker,) = workers_of(psutil.Process())
        worker.kill()
        with pytest.raises(BackupFailedError, match="worker ended with code -9"):
            list(workers.run([{**a_task(table(server, database, "plain")), "key": [0, 0]}], lambda *_: None))


def test_a_worker_whose_connection_is_killed_fails_the_dump(server: PrivateServer, database: str) -> None:
    with pool(1, pooled(server)) as workers, server.connect() as session:
        ((identity,),) = workers.ask(BEGIN, "SELECT CONNECTION_ID()", 60)[0]
        session.execute(f"KILL {identity}")
        with pytest.raises(ServerError):
            list(workers.run([{**a_task(table(server, database, "plain")), "key": [0, 0]}], lambda *_: None))


@pytest.mark.parametrize("how", ["idle", "busy", "unread", "within a message"])
def test_a_worker_ends_when_its_owner_does(mariadb: PrivateServer, how: str) -> None:
    setup = pooled(mariadb).to_json()
    ours, side = socket.socketpair()
    command = [sys.executable, "-m", "chom_pipelines.logical.worker", str(os.getpid()), str(side.fileno())]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, pass_fds=[side.fileno()]) as process:
        side.close()
        ours.sendall(json.dumps(setup).encode() + b"\n")
        identity = json.loads(ours.recv(1000, socket.MSG_PEEK if how == "unread" else 0))["ready"]
        if how == "busy":
            ours.sendall(json.dumps({"execute": "DO SLEEP(60)", "query": "SELECT 1"}).encode() + b"\n")
        if how == "within a message":
            ours.sendall(b'{"execute": ')
        with mariadb.connect() as session:
            assert until(lambda: (how == "busy") == running(session, identity))
        ours.close()
        assert process.wait(20) == 0
    with mariadb.connect() as session, suppress(ServerError):  # the statement that it left behind, or has ended
        session.execute(f"KILL {identity}")


def until(holds: Callable[[], bool]) -> bool:
    """Wait, for ten seconds at most."""
    for _ in range(500):
        if holds():
            return True
        time.sleep(0.02)  # what is asked for is a state of the server, which tells nobody of it
    return False


def running(session: Session, identity: int) -> bool:
    rows = session.rows("SELECT COMMAND FROM information_schema.PROCESSLIST WHERE ID = %s", (identity,))
    return rows == [("Query",)]


def test_no_secret_is_in_a_workers_arguments_or_environment(mariadb: PrivateServer) -> None:
    with pool(1, pooled(mariadb)) as workers:
        workers.connected()
        (worker,) = workers_of(psutil.Process())
        seen = Path(f"/proc/{worker.pid}")
        told = (seen / "cmdline").read_bytes() + (seen / "environ").read_bytes()
        assert mariadb.backup.password.encode() not in told
    assert not seen.exists()


@pytest.mark.parametrize("busy", [False, True], ids=["idle", "busy"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_no_worker_outlives_its_pool_whatever_became_of_the_process_that_made_it(
    mariadb: PrivateServer,
    number: signal.Signals,
    busy: bool,  # noqa: FBT001
) -> None:
    with pool(2, pooled(mariadb)) as workers:
        workers.connected()
        made = workers_of(psutil.Process())
        assert len(made) == 2
        parent = made[0].parent()
        assert parent
        parent.send_signal(number)
        parent.wait(20)
        if busy:
            with pytest.raises((BackupFailedError, SnapshotTooSlowError)):
                workers.ask("DO 0", "SELECT SLEEP(1000)", 1)
    assert psutil.wait_procs(made, timeout=20)[1] == []
