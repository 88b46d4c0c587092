"""Who is connected and who waits, by the lists of both families."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from chom_pipelines.monitoring.readers.processes import Processes, counted, read_processes
from chom_pipelines.server.connection import Session
from chom_pipelines_tests.servers import PrivateServer


def test_sessions_are_told_apart_by_what_they_wait_for() -> None:
    found = counted(
        [
            ("Sleep", "", 5),
            ("Query", "executing", 0),
            ("Query", "", 0),
            ("Query", "Waiting for table metadata lock", 7),
            ("Query", "Waiting for schema metadata lock", 3),
            ("Query", "Waiting for global read lock", 2),
            ("Query", "Waiting for backup lock", 9),
            ("Query", "Waiting for table level lock", 1),
            ("Daemon", "Waiting on empty queue", 900),
            ("Binlog Dump", "", 900),
        ],
        [4.0, 6.0],
    )
    assert (found.idle, found.active, found.total) == (1, 7, 8)
    assert {kind: (each.sessions, each.longest) for kind, each in found.waiting.items()} == {
        "row": (2, 6.0),
        "metadata": (2, 7.0),
        "global": (2, 9.0),
        "table": (1, 1.0),
    }


def settled(session: Session, server: PrivateServer, wanted: Callable[[Processes], bool]) -> Processes:
    give_up = time.monotonic() + 10
    while time.monotonic() < give_up:
        found = read_processes(session, server.facts).value
        if found and wanted(found):
            return found
        time.sleep(0.2)  # until the other waits; what InnoDB tells of that it keeps for a tenth of a second
    pytest.fail("never")


@pytest.mark.parametrize(
    ("kind", "hold", "wait"),
    [
        ("row", "UPDATE t SET a = 2 WHERE id = 1", "UPDATE t SET a = 3 WHERE id = 1"),
        ("metadata", "SELECT * FROM t", "ALTER TABLE t ADD COLUMN b INT"),
        ("global", "FLUSH TABLES WITH READ LOCK", "INSERT INTO t VALUES (2, 2)"),
    ],
)
def test_a_session_that_waits_is_counted_by_its_kind(server: PrivateServer, kind: str, hold: str, wait: str) -> None:
    database = server.fresh_database()
    with Session(server.root) as asking, Session(server.root, autocommit=False) as holder:
        holder.execute(f"USE {database}")
        holder.execute("CREATE TABLE t (id INT PRIMARY KEY, a INT)")
        holder.execute("INSERT INTO t VALUES (1, 1)")
        holder.execute("COMMIT")
        holder.execute(hold)

        def work() -> None:
            with Session(server.root) as waiting:
                waiting.execute(f"USE {database}")
                waiting.execute(wait)

        thread = threading.Thread(target=work)
        thread.start()
        try:
            found = settled(asking, server, lambda each: each.waiting[kind].sessions == 1)
            assert {name for name, each in found.waiting.items() if each.sessions} == {kind}
        finally:
            holder.execute("UNLOCK TABLES")
            holder.execute("COMMIT")
            thread.join()
        assert settled(asking, server, lambda each: not each.waiting[kind].sessions).waiting[kind].longest == 0
