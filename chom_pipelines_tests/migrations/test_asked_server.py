"""Rows are asked on the replica that is named, where it is one that follows; production is not asked instead."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from chom_pipelines.inventory.models import Inventory
from chom_pipelines.migrations.checking import Mode, check_migrations
from chom_pipelines.migrations.findings import Severity
from chom_pipelines.server.facts import Flavour
from chom_pipelines_tests.logical.test_replication import STOP, Pair, pair
from chom_pipelines_tests.migrations.checked import ACCEPT, written
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


def inventory(both: Pair, place: Path, replica: str | None, at: PrivateServer | None = None) -> Inventory:
    written(place, {"001_unique": "ALTER TABLE t ADD UNIQUE t_email (email)"})
    migrations: dict[str, object] = {"sql": str(place), "accept": ACCEPT}
    other = (at or both.replica).root
    return Inventory.model_validate(
        {
            "repository": {"path": "/nonexistent/repository"},
            "servers": [
                {
                    "name": "shop",
                    "socket": both.leader.endpoint.socket,
                    "user": both.leader.endpoint.user,
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


def test_a_replica_that_stands_still_leaves_the_rows_unasked(both: Pair, tmp_path: Path) -> None:
    with both.replica.connect() as session:
        session.execute(STOP[both.replica.flavour].format(name="'north'"))
    assert asked(inventory(both, tmp_path / "m", "reader")) == [("DP03", Severity.UNKNOWN)]


def test_a_replica_of_no_known_name_is_an_error_at_its_key() -> None:
    shop = {"name": "shop", "socket": "/s", "user": "u", "migrations": {"sql": "/m", "replica": "shop"}}
    with pytest.raises(ValueError, match="no other server is called shop"):
        Inventory.model_validate({"repository": {"path": "/r"}, "servers": [shop]})
