"""Rows are asked on the replica that is named, where it is one that follows; production is not asked instead."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from chom_pipelines.inventory.models import Inventory
from chom_pipelines.migrations.asked_server import is_part
from chom_pipelines.migrations.checking import Mode, check_migrations
from chom_pipelines.migrations.findings import Severity
from chom_pipelines.server.connection import Session
from chom_pipelines.server.facts import Flavour
from chom_pipelines_tests.logical.test_replication import STOP, Pair, pair
from chom_pipelines_tests.migrations.checked import ACCEPT, make_database, written
from chom_pipelines_tests.servers import PrivateServer


@pytest.fixture(scope="module", params=list(Flavour), ids=lambda flavour: flavour.value)
def both(request: pytest.FixtureRequest) -> Iterator[Pair]:
    with pair(request.param) as found:
        found.leader.execute("CREATE TABLE followed.schema_migrations (version VARCHAR(255) PRIMARY KEY)")
        found.leader.execute("ALTER TABLE followed.t ADD COLUMN email VARCHAR(20)")
        found.leader.execute("INSERT INTO followed.t (email) VALUES ('a')")
        found.await_rows(3)
        with found.replica.connect() as session:  # what production does not have shows whom was asked
            session.execute("SET SESSION sql_log_bin = 0")
            session.execute("INSERT INTO followed.t (id, email) VALUES (1000, 'a')")
        yield found


def inventory(
    both: Pair, place: Path, replica: str | None, at: PrivateServer | None = None, of: PrivateServer | None = None
) -> Inventory:
    written(place, {"001_unique": "ALTER TABLE t ADD UNIQUE t_email (email)"})
    migrations: dict[str, object] = {"sql": str(place), "accept": ACCEPT}
    other, shop = (at or both.replica).root, of.root if of else both.leader.endpoint
    return Inventory.model_validate(
        {
            "repository": {"path": "/nonexistent/repository"},
            "servers": [
                {
                    "name": "shop",
                    "socket": shop.socket,
                    "user": shop.user,
                    "databases": ["followed"],
                    "migrations": migrations | ({"replica": replica} if replica else {}),
                },
                {"name": "reader", "socket": other.socket, "user": other.user},
            ],
        }
    )


def asked(inventory: Inventory) -> list[tuple[str, Severity]]:
    found = check_migrations(inventory, inventory.servers[0], Mode.VALIDATE, lambda _: None)
    return [(each.code, each.severity) for each in found.findings if each.code.startswith("D")]


def test_the_replica_is_asked_and_without_one_the_server_itself(both: Pair, tmp_path: Path) -> None:
    assert asked(inventory(both, tmp_path / "m", None)) == []
    assert asked(inventory(both, tmp_path / "m", "reader")) == [("DD01", Severity.ERROR)]


def test_a_server_that_follows_nobody_is_no_replica(both: Pair, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    alone: PrivateServer = request.getfixturevalue(f"{both.replica.flavour.value}_server")
    assert asked(inventory(both, tmp_path / "m", "reader", alone)) == [("DP03", Severity.UNKNOWN)]


def test_a_replica_of_another_server_is_not_asked(both: Pair, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    alone: PrivateServer = request.getfixturevalue(f"{both.replica.flavour.value}_server")
    make_database(
        alone.root,
        "followed",
        (
            "CREATE TABLE schema_migrations (version VARCHAR(255) PRIMARY KEY)",
            "CREATE TABLE t (id INT, email VARCHAR(9))",
        ),
    )
    assert asked(inventory(both, tmp_path / "m", "reader", of=alone)) == [("DP03", Severity.UNKNOWN)]
    with Session(alone.root) as session:
        session.execute("DROP DATABASE followed")


def test_transactions_of_another_server_of_the_same_number_are_none_of_production() -> None:
    assert is_part({"0": 7, "1": 3}, {"0": 7})
    assert not is_part({"0": 9}, {"0": 7})
    assert not is_part({"1": 3}, {"0": 7})


FILTERS = {
    Flavour.MARIADB: ("STOP ALL SLAVES", "SET GLOBAL `north`.replicate_ignore_table = '{}'", "START ALL SLAVES"),
    Flavour.MYSQL: (
        "STOP REPLICA SQL_THREAD",
        "CHANGE REPLICATION FILTER REPLICATE_IGNORE_TABLE = ({})",
        "START REPLICA SQL_THREAD",
    ),
}


def test_a_replica_that_leaves_something_out_is_not_asked(both: Pair, tmp_path: Path) -> None:
    for table, expected in (("followed.t", "DP03"), ("", "DD01")):
        with both.replica.connect() as session:
            for each in FILTERS[both.replica.flavour]:
                session.execute(each.format(table))
            await_running(session, both.replica.flavour)
        assert [code for code, _ in asked(inventory(both, tmp_path / "m", "reader"))] == [expected]


def await_running(session: Session, flavour: Flavour) -> None:
    """A replica connects first, and tells nothing meanwhile."""
    give_up = time.monotonic() + 60
    while time.monotonic() < give_up:
        [row] = session.dicts("SHOW ALL SLAVES STATUS" if flavour is Flavour.MARIADB else "SHOW REPLICA STATUS")
        told = {name.replace("Slave", "Replica"): value for name, value in row.items()}
        if told["Replica_IO_Running"] == told["Replica_SQL_Running"] == "Yes":
            return
        time.sleep(0.02)  # until it has connected
    pytest.fail("the replica does not run")


def test_a_replica_that_stands_still_leaves_the_rows_unasked(both: Pair, tmp_path: Path) -> None:
    with both.replica.connect() as session:
        session.execute(STOP[both.replica.flavour].format(name="'north'"))
    assert asked(inventory(both, tmp_path / "m", "reader")) == [("DP03", Severity.UNKNOWN)]


def test_a_replica_of_no_known_name_is_an_error_at_its_key() -> None:
    shop = {"name": "shop", "socket": "/s", "user": "u", "migrations": {"sql": "/m", "replica": "shop"}}
    with pytest.raises(ValueError, match="no other server is called shop"):
        Inventory.model_validate({"repository": {"path": "/r"}, "servers": [shop]})
