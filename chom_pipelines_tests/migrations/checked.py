"""A database with rows, migrations as SQL files, and the check of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from chom_pipelines.inventory.models import Inventory
from chom_pipelines.migrations.checking import MigrationCheck, Mode, check_migrations
from chom_pipelines.server.connection import Session
from chom_pipelines.server.endpoint import Endpoint

ACCEPT = [
    {"code": "TL01", "object": "locks", "reason": "this MariaDB cannot tell, and nobody else is here"},
    {"code": "RB02", "object": "backup", "reason": "a test needs none"},
]
HISTORY = "CREATE TABLE schema_migrations (version VARCHAR(255) PRIMARY KEY)"


def make_database(endpoint: Endpoint, name: str, statements: Sequence[str]) -> None:
    """A new database of that name, and these statements in it."""
    with Session(endpoint) as session:
        session.execute(f"DROP DATABASE IF EXISTS `{name}`")
        session.execute(f"CREATE DATABASE `{name}` CHARACTER SET utf8mb4")
        session.execute(f"USE `{name}`")
        for statement in statements:
            session.execute(statement)


def written(place: Path, migrations: Mapping[str, str]) -> Path:
    """The migrations as files, by their names without suffix."""
    place.mkdir(parents=True, exist_ok=True)
    for name, text in migrations.items():
        (place / f"{name}.sql").write_text(text)
    return place


def configured(endpoint: Endpoint, database: str, migrations: Mapping[str, object]) -> Inventory:
    """As chom.yaml would have it; of backups, and of what this server cannot tell, the lack is accepted."""
    return Inventory.model_validate(
        {
            "repository": {"path": "/nonexistent/repository"},
            "servers": [
                {
                    "name": "shop",
                    "socket": endpoint.socket,
                    "user": endpoint.user,
                    "databases": [database],
                    "migrations": {"accept": ACCEPT, **migrations},
                }
            ],
        }
    )


def check_of(
    inventory: Inventory, mode: Mode = Mode.DRY_RUN, timeout: float = 60, *, drift: bool = False
) -> MigrationCheck:
    """The check of its server."""
    return check_migrations(inventory, inventory.server(), mode, lambda _: None, timeout=timeout, drift=drift)


def checked(
    endpoint: Endpoint, database: str, place: Path, mode: Mode = Mode.DRY_RUN, *, drift: bool = False, **more: object
) -> MigrationCheck:
    """The check of the files there."""
    return check_of(configured(endpoint, database, {"sql": str(place), **more}), mode, drift=drift)
