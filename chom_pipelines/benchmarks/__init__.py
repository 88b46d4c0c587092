"""Benchmarks: what compression, restores and this machine can do, measured on a server's own data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["history"]


def history(server: str | None = None, config: str | Path | None = None) -> DataFrame:
    """Every figure of every report of a server, one a row, oldest first; `server` may be left out where there is one.

    Columns: time (UTC), report, kind (limit, compression, restore, peer), name, quantity, value, unit, lowest, highest,
    runs, data, machine. `config` is the chom.yaml, else $CHOM_CONFIG, else ./chom.yaml.

    Raises ConfigurationError, and RepositoryError where there is no repository, or a report in it cannot be read.
    """
    from chom_pipelines.benchmarks.frames import figures
    from chom_pipelines.benchmarks.kept_reports import kept_reports
    from chom_pipelines.inventory.loading import load_inventory
    from chom_pipelines.inventory.opening import existing_repository

    inventory = load_inventory(Path(config) if config else None)
    kept = kept_reports(existing_repository(inventory.repository), inventory.server(server).name)
    if kept.problems:
        raise kept.problems[0]
    return figures(kept.reports)
