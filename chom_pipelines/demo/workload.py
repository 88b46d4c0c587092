"""Customers: a thread that places orders for as long as the block lasts, so that a backup has something to be torn by.

Every transaction writes several tables and keeps what `comparison` asks of any consistent copy: an order's total is
the sum of its items, and what was sold of a product is missing from its stock.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal

from chom_pipelines.demo.shop import DATABASE
from chom_pipelines.errors import ChomError
from chom_pipelines.server.connection import Endpoint, Session
from chom_pipelines.server.identifiers import quote

_PAUSE_SECONDS = 0.02  # about 40 orders a second: visible in every table, and no burden to a small machine
_MOST_ITEMS = 5

_ORDER = "INSERT INTO orders (user_id, status, total, placed_at) VALUES (%s, 'pending', %s, NOW(3))"
_ITEM = "INSERT INTO order_items (order_id, product_id, quantity, unit_price) VALUES (%s, %s, %s, %s)"
_SALE = "UPDATE products SET stock = stock - %s WHERE id = %s"
_VISIT = (
    "INSERT INTO sessions VALUES (%s, %s, '10.0.0.1', 'demo', '', UNIX_TIMESTAMP())"
    " ON DUPLICATE KEY UPDATE last_activity = UNIX_TIMESTAMP()"
)
_LEAVE = "DELETE FROM sessions ORDER BY last_activity LIMIT 1"


class Workload:
    """What the customers have done so far."""

    def __init__(self) -> None:
        self.orders = 0
        self.stopped = threading.Event()
        self._turn = threading.Lock()
        self._failure: ChomError | None = None

    def refuse_if_it_failed(self) -> None:
        """Raise what ended it early: work that is said to be done under load must have been."""
        if self._failure:
            raise self._failure

    @contextmanager
    def paused(self) -> Iterator[None]:
        """No order is under way or begun for the length of the block."""
        with self._turn:
            yield

    def run(self, endpoint: Endpoint) -> None:
        """Place orders until stopped."""
        chance = random.Random(1)  # noqa: S311  (the same customers each time)
        try:
            with Session(endpoint, autocommit=False) as session:
                session.execute(f"USE {quote(DATABASE)}")
                prices: dict[int, Decimal] = dict(session.rows("SELECT id, price FROM products"))
                users = int(session.value("SELECT MAX(id) FROM users"))
                session.execute("COMMIT")
                while not self.stopped.wait(_PAUSE_SECONDS):
                    with self._turn:
                        _place_order(session, chance, users, prices)
                    self.orders += 1
        except ChomError as error:
            self._failure = error


def _place_order(session: Session, chance: random.Random, users: int, prices: dict[int, Decimal]) -> None:
    customer = chance.randint(1, users)
    items = [(chance.randint(1, len(prices)), chance.randint(1, 3)) for _ in range(chance.randint(1, _MOST_ITEMS))]
    total = sum(quantity * prices[product] for product, quantity in items)
    session.execute(_ORDER, (customer, total))
    order = session.value("SELECT LAST_INSERT_ID()")
    for product, quantity in sorted(items):
        session.execute(_ITEM, (order, product, quantity, prices[product]))
        session.execute(_SALE, (quantity, product))
    session.execute(_VISIT, (f"live-{customer}", customer))
    session.execute(_LEAVE)
    session.execute("COMMIT")


@contextmanager
def workload(endpoint: Endpoint) -> Iterator[Workload]:
    """Customers at work for the length of the block. Raises what ended them early, where nothing else went wrong."""
    customers = Workload()
    thread = threading.Thread(target=customers.run, args=(endpoint,), name="customers", daemon=True)
    thread.start()
    try:
        yield customers
    finally:
        customers.stopped.set()
        thread.join()
    customers.refuse_if_it_failed()
