"""The demonstration's server: set up as a production server is, filled, and with an account that takes backups."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from chom_pipelines.demo.place import Place
from chom_pipelines.demo.rows import create_shop
from chom_pipelines.server.connection import Session
from chom_pipelines.server.facts import Flavour
from chom_pipelines.server.scratch import ScratchServer, free_port, listening_on, scratch_server

_LIKE_PRODUCTION = (
    *("--server-id=1", "--log-bin=mysql-bin", "--binlog-format=ROW", "--gtid-strict-mode=ON"),
    *("--binlog-expire-logs-seconds=604800", "--sync-binlog=1", "--innodb-flush-log-at-trx-commit=1"),
)
_EXPECTED_BYTES = 250 << 20  # the shop, its copy and its binary log


@contextmanager
def shop_server(place: Place) -> Iterator[ScratchServer]:
    """A private MariaDB with the shop in it, which `place` then describes; gone with the block, however it ends."""
    port = free_port()
    options = (*listening_on(port), *_LIKE_PRODUCTION)
    with scratch_server(Flavour.MARIADB, expected_bytes=_EXPECTED_BYTES, options=options) as server:
        with Session(server.endpoint) as session:
            create_shop(session)
        place.configure(server.endpoint, port)
        yield server
