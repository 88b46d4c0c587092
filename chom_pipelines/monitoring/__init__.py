"""Monitoring: what servers, backups and migrations are like now, for Prometheus, a terminal and the UI."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["history"]


def history(server: str | None = None, config: str | Path | None = None) -> DataFrame:
    """The size of every table of a server, day by day; `server` may be left out where there is one.

    Columns: time (UTC), day, database, table, engine, data, index, reclaimable, rows, file, total: bytes, but for rows,
    which are the server's estimate; file is missing where the server did not tell it. `config` is the chom.yaml, else
    $CHOM_CONFIG, else ./chom.yaml.

    Raises ConfigurationError, and RepositoryError where there is no repository, or a record in it cannot be read.
    """
    from chom_pipelines.inventory.loading import load_inventory
    from chom_pipelines.inventory.opening import existing_repository
    from chom_pipelines.monitoring.growth.frames import frame
    from chom_pipelines.monitoring.growth.kept import TABLE_SIZES, days_kept, record_of

    inventory = load_inventory(Path(config) if config else None)
    name, repository = inventory.server(server).name, existing_repository(inventory.repository)
    days = days_kept(repository, TABLE_SIZES, name)
    return frame(record_of(repository, TABLE_SIZES, name, day) for day in days)
