"""The records of tables as a table for pandas, which is imported when one is made."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from chom_pipelines.monitoring.growth.record import TablesOfDay

if TYPE_CHECKING:
    from pandas import DataFrame

COLUMNS = ("time", "day", "database", "table", "engine", "data", "index", "reclaimable", "rows", "file", "total")


def frame(records: Iterable[TablesOfDay]) -> DataFrame:
    """A row for each table of each day, in that order; bytes, and the server's estimate of rows."""
    import pandas as pd

    made = pd.DataFrame.from_records(_rows(records), columns=list(COLUMNS))
    made["time"] = pd.to_datetime(made["time"], utc=True)
    made["day"] = pd.to_datetime(made["day"])
    made["file"] = made["file"].astype("Int64")  # which can be missing
    return made


def _rows(records: Iterable[TablesOfDay]) -> Iterator[tuple[Any, ...]]:
    for record in records:
        for row in record.tables:
            yield (record.taken, record.day, *row, row[3] + row[4])
