"""Ninety days of a server that nobody had, with a known truth."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

from chom_pipelines.monitoring.growth.record import IndexesOfDay, IndexRow, TableRow, TablesOfDay

BEGAN = date(2026, 1, 1)
UP_SINCE = datetime(2025, 12, 1, tzinfo=UTC)
MEGABYTE = 1_000_000
SOURCE, FILES = "information_schema.tables", "information_schema.INNODB_SYS_TABLESPACES"


def tables_of(day: date, *rows: TableRow, lacks: tuple[str, ...] = (), free: int | None = None) -> TablesOfDay:
    files = all(row[7] is not None for row in rows) and bool(rows)
    return TablesOfDay(
        **_common(day, UP_SINCE),
        source=SOURCE,
        lacks=lacks,
        file_source=FILES if files else "",
        free=free,
        free_source="a disk" if free is not None else "not known: it is elsewhere",
        tables=rows,
    )


def table(name: str, data: float, index: float = 0, file: float | None = None) -> TableRow:
    return (
        "shop",
        name,
        "InnoDB",
        round(data),
        round(index),
        0,
        round(data) // 100,
        None if file is None else round(file),
    )


def indexes_of(day: date, started: datetime, *rows: IndexRow, source: str = "performance_schema") -> IndexesOfDay:
    return IndexesOfDay(**_common(day, started), source=source, indexes=rows)


def index(name: str, reads: int | None, *columns: str, needed: bool = False, unique: bool = False) -> IndexRow:
    return ("shop", "orders", name, columns or ("a",), unique, needed, reads, 540_000)


def ninety_days(growth: float = 12 * MEGABYTE, noise: float = 3 * MEGABYTE) -> Iterator[TablesOfDay]:
    """`orders` grows by `growth` a day and varies by `noise`; on day 40 a table goes, on day 60 another is renamed."""
    chance = random.Random(5)  # noqa: S311  (the same on each run)
    for number in range(90):
        rows = [table("orders", 2000 * MEGABYTE + growth * number + chance.gauss(0, noise), 300 * MEGABYTE)]
        if number < 40:
            rows.append(table("old_log", 1500 * MEGABYTE))
        rows.append(table("users" if number < 60 else "people", 100 * MEGABYTE, 20 * MEGABYTE))
        yield tables_of(BEGAN + timedelta(days=number), *rows, free=1200 * MEGABYTE)


def _common(day: date, started: datetime) -> dict[str, Any]:
    taken = datetime(day.year, day.month, day.day, 6, 30, tzinfo=UTC)
    return {
        "tool": "tests",
        "server": "chom-1",
        "day": day,
        "taken": taken,
        "started": started,
        "version": "MariaDB 10.11.19",
    }
