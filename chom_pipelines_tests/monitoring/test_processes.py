"""Who is connected and who waits, by the lists of both families."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from chom_pipelines.monitoring.readers.processes import Processes, counted, read_processes
from chom_pipelines.server.connection import Session
from chom_pipelines.server.facts import Flavour, read_facts
from chom_pipelines.server.scratch import scratch_server
from chom_pipelines_tests.monitoring.limited import limited
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
            ("Connect", "login", 0),
            ("Daemon", "Waiting on empty queue", 900),
            ("Binlog Dump", "", 900),
        ],
        [4.0, 6.0],
    )
    assert (found.idle, found.active, found.total) == (1, 8, 9)
    assert {kind: (each.sessions, each.longest) for kind, each in found.waiting.items()} == {
        "row": (2, 6.0),
        "metadata": (2, 7.0),
        "global": (2, 9.0),
        "table": (1, 1.0),
    }


def test_how_long_a_session_waits_is_left_out_where_that_is_not_known() -> None:
    state = "Waiting for table metadata lock"
    found = counted([("Query", state, None), ("Query", state, 3), ("Query", "Waiting for commit lock", None)], [-7.0])
    assert (found.waiting["metadata"].sessions, found.waiting["metadata"].longest) == (2, 3)
    assert (found.waiting["global"].sessions, found.waiting["global"].longest) == (1, None)
    assert found.waiting["row"].longest == 0  # of a clock that was set back


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        ("Waiting for stored package body metadata lock", "metadata"),
        ("Waiting for tablespace metadata lock", "metadata"),
        ("Waiting for global metadata lock", "global"),
        ("Waiting for table flush", "global"),
        ("Waiting for commit lock", "global"),
    ],
)
def test_every_state_of_waiting_has_its_kind(state: str, kind: str) -> None:
    found = counted([("Query", state, 1)], [])
    assert {name for name, each in found.waiting.items() if each.sessions} == {kind}


@pytest.mark.parametrize("may_see_timers", [True, False])
def test_a_session_that_has_set_its_clock_does_not_wait_for_decades(
    server: PrivateServer, *, may_see_timers: bool
) -> None:
    """As one does that replays a log; MySQL's list of sessions tells the difference to that clock."""
    database = server.fresh_database()
    grants = ("PROCESS ON *.*", *(("SELECT ON performance_schema.*",) if may_see_timers else ()))
    with limited(server, *grants) as endpoint, Session(endpoint) as asking, server.connect() as holder:
        holder.execute(f"CREATE TABLE {database}.t (id INT PRIMARY KEY)")
        holder.execute("BEGIN")
        holder.rows(f"SELECT * FROM {database}.t")

        def work() -> None:
            with server.connect() as waiting:
                waiting.execute("SET TIMESTAMP = 100000")
                waiting.execute(f"ALTER TABLE {database}.t ADD COLUMN b INT")

        thread = threading.Thread(target=work)
        thread.start()
        try:
            longest = settled(asking, server, lambda each: each.waiting["metadata"].sessions == 1).waiting["metadata"]
        finally:
            holder.execute("COMMIT")
            thread.join()
    assert (longest.longest is None) is (not may_see_timers and not server.facts.is_mariadb)
    assert longest.longest is None or longest.longest < 60


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


def test_without_performance_schema_mysqls_sessions_are_counted_all_the_same() -> None:
    """Its own list is there then, and empty."""
    with (
        scratch_server(Flavour.MYSQL, options=["--performance-schema=OFF"]) as server,
        Session(server.endpoint) as asking,
        Session(server.endpoint),
        Session(server.endpoint),
    ):
        found = read_processes(asking, read_facts(asking)).value
    assert found is not None
    assert (found.active, found.idle) == (0, 2)
