from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from chom_pipelines.demo.comparison import _definitions, compare
from chom_pipelines.demo.rows import create_shop
from chom_pipelines.demo.shop import DATABASE
from chom_pipelines.demo.workload import workload
from chom_pipelines.errors import ServerError
from chom_pipelines.inventory.models import Server
from chom_pipelines.inventory.policies import BackupPolicy
from chom_pipelines.logical.dump import take_backup
from chom_pipelines.progress import unreported
from chom_pipelines.repository.local_store import LocalStore
from chom_pipelines.repository.repository import Repository
from chom_pipelines.restores.restoring import restore_into_server
from chom_pipelines.restores.selection import RestoreRequest
from chom_pipelines.server.connection import Endpoint, Session
from chom_pipelines_tests.servers import PrivateServer

COPY = "shop_copy"


@pytest.fixture(scope="module")
def shop(mariadb_server: PrivateServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    """The live shop and a copy of it, of a backup that was taken while customers ordered."""
    root = mariadb_server.root
    folder = tmp_path_factory.mktemp("shop")
    with Session(root) as session:
        try:
            create_shop(session, one_in=10)
            with workload(root) as customers:
                _restore_a_copy(root, folder)
            assert customers.orders
            yield root
        finally:
            for name in (DATABASE, COPY):
                session.execute(f"DROP DATABASE IF EXISTS {name}")


def _restore_a_copy(root: Endpoint, folder: Path) -> None:
    server = Server(name="shop", socket=Path(root.socket or ""), user=root.user, databases=(DATABASE,))
    repository = Repository(LocalStore(folder))
    entry, _ = take_backup(server, BackupPolicy(), repository, None, unreported)
    restore_into_server(entry, None, root, RestoreRequest(rename={DATABASE: COPY}), unreported)


def against(session: Session) -> list[str]:
    return [answer.question for answer in compare(session, COPY) if not answer.holds]


def test_nothing_speaks_against_a_copy_that_was_taken_under_load(shop: Endpoint) -> None:
    with Session(shop) as session:
        assert len(compare(session, COPY)) > 15
        assert against(session) == []


@pytest.mark.parametrize(
    ("damage", "answers"),
    [
        ("UPDATE users SET name = CONCAT(name, ' ') WHERE id = 7", ["users: "]),
        ("DELETE FROM reviews WHERE id = 3000", ["reviews: "]),
        ("UPDATE cache SET value = REVERSE(value) WHERE expiration = 2000000001", ["cache: "]),
        ("UPDATE orders SET user_id = user_id % 100 + 1 WHERE id = 8000", ["orders: "]),
        ("UPDATE order_items SET unit_price = unit_price + 1 WHERE id = 5", ["order_items: ", "every order's total"]),
        (
            "DELETE FROM order_items WHERE id = 5",
            ["order_items: ", "every order's total", "every product's stock"],
        ),
        ("UPDATE products SET stock = stock - 1 WHERE id = 300", ["every product's stock"]),
        ("DELETE FROM order_events LIMIT 1", ["every order has the one event"]),
    ],
)
def test_whatever_is_lost_added_or_changed_speaks_against_it(shop: Endpoint, damage: str, answers: list[str]) -> None:
    with Session(shop, autocommit=False) as session:
        session.execute(f"USE {COPY}")
        assert session.execute(damage) == 1
        found = against(session)
        session.execute("ROLLBACK")
    assert len(found) == len(answers)
    assert [question for question, start in zip(found, answers, strict=True) if not question.startswith(start)] == []


@pytest.mark.parametrize(
    ("damage", "kind"),
    [
        ("ALTER TABLE users MODIFY name VARCHAR(254) NOT NULL", "columns"),
        ("ALTER TABLE sessions DROP INDEX sessions_user_id_index", "indexes"),
        ("ALTER TABLE reviews DROP FOREIGN KEY reviews_user_id_foreign", "foreign keys"),
        ("DROP VIEW revenue_by_day", "tables, views and sequences"),
        ("DROP FUNCTION with_tax", "routines"),
        ("DROP TRIGGER orders_status", "triggers"),
        ("DROP EVENT expire_sessions", "events"),
    ],
)
def test_every_kind_of_definition_is_asked_for(shop: Endpoint, damage: str, kind: str) -> None:
    with Session(shop) as session:
        session.execute(f"USE {COPY}")
        before = {answer.question for answer in _definitions(session, COPY) if answer.holds}
        session.execute(damage)
        after = {answer.question for answer in _definitions(session, COPY) if answer.holds}
    assert f"the {kind} are the same" in before - after


def test_customers_who_cannot_order_are_noticed(mariadb: PrivateServer) -> None:
    nobody = Endpoint("nobody", "chom_test_nobody", "wrong", socket=mariadb.root.socket)
    with pytest.raises(ServerError), workload(nobody):
        pass
