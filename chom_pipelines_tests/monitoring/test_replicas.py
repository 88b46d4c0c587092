"""What a replica is behind, and which of its threads run, as it tells it itself, on both families."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from chom_pipelines.monitoring.readers.replication import Channel, read_replication
from chom_pipelines.server.connection import Session
from chom_pipelines.server.facts import Flavour
from chom_pipelines_tests.logical.test_replication import PATIENCE, Pair, pair
from chom_pipelines_tests.monitoring.limited import limited
from chom_pipelines_tests.servers import PrivateServer

THREADS = {
    Flavour.MARIADB: "STOP SLAVE 'north' {}_THREAD",
    Flavour.MYSQL: "STOP REPLICA {}_THREAD FOR CHANNEL 'north'",
}


def told(session: Session, both: Pair, wanted: Callable[[Channel], bool]) -> Channel:
    """The channel, when it is as wanted."""
    give_up = time.monotonic() + PATIENCE
    while time.monotonic() < give_up:
        (found,) = read_replication(session, both.replica.facts).value or ()
        if wanted(found):
            return found
        time.sleep(0.05)  # until the replica is as wanted
    pytest.fail("never")


@pytest.mark.parametrize("flavour", Flavour)
def test_a_replica_tells_how_far_it_is_behind_and_nothing_where_it_stands_still(flavour: Flavour) -> None:
    privilege = "SLAVE MONITOR" if flavour is Flavour.MARIADB else "REPLICATION CLIENT"
    with pair(flavour) as both, both.replica.connect() as root, Session(both.replica.root) as session:
        assert told(session, both, lambda it: it.lag == 0) == Channel("north", reads=True, applies=True, lag=0)
        root.execute("LOCK TABLES followed.t READ")  # what is applied waits
        both.leader.execute("INSERT INTO followed.t VALUES ()")
        assert told(session, both, lambda it: (it.lag or 0) >= 1).applies
        root.execute("UNLOCK TABLES")
        told(session, both, lambda it: it.lag == 0)
        root.execute(THREADS[flavour].format("SQL"))
        assert told(session, both, lambda it: not it.applies) == Channel("north", reads=True, applies=False, lag=None)
        root.execute(THREADS[flavour].format("IO"))
        assert told(session, both, lambda it: not it.reads).lag is None
        with limited(both.replica, f"{privilege} ON *.*") as endpoint, Session(endpoint) as account:
            assert read_replication(account, both.replica.facts).succeeded
        with limited(both.replica) as endpoint, Session(endpoint) as account:
            found = read_replication(account, both.replica.facts)
            assert found.value is None
            assert [lack.remedy.partition(" TO ")[0] for lack in found.lacks] == [f"GRANT {privilege} ON *.*"]


def test_a_server_that_replicates_nothing_has_no_channel(server: PrivateServer) -> None:
    with server.connect() as session:
        found = read_replication(session, server.facts)
    assert found.value == ()
    assert found.succeeded
