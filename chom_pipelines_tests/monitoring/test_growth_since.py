"""What the records of earlier days add to a look at tables and indexes."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from io import StringIO
from pathlib import Path

import yaml
from rich.console import Console, Group

from chom_pipelines.inventory.loading import parse_inventory
from chom_pipelines.inventory.models import Inventory
from chom_pipelines.inventory.opening import repository_of
from chom_pipelines.monitoring.console.screen_indexes import unused_of
from chom_pipelines.monitoring.console.screen_tables import Grown, tables
from chom_pipelines.monitoring.console.since import NONE_YET, Earlier, index_evidence, read_earlier
from chom_pipelines.monitoring.growth.index_verdicts import Use
from chom_pipelines.monitoring.growth.kept import INDEX_READS, TABLE_SIZES, keep
from chom_pipelines.monitoring.readers.auto_increment import Counter
from chom_pipelines.monitoring.readers.indexes import Index
from chom_pipelines.monitoring.readers.reading import Reading
from chom_pipelines.monitoring.readers.tables import TableSize
from chom_pipelines_tests.monitoring.growth_made import BEGAN, MEGABYTE, UP_SINCE, index, indexes_of, ninety_days

NOW = datetime(2026, 4, 1, 7, 0, tzinfo=UTC)
"""The day after the last of the ninety."""


def inventory(folder: Path) -> Inventory:
    one = {"name": "chom-1", "socket": "/nowhere", "user": "chom"}
    return parse_inventory(
        yaml.safe_dump({"repository": {"path": str(folder)}, "servers": [one]}), folder / "chom.yaml"
    )


def test_growth_is_told_by_the_records_of_a_day_and_a_week_before(tmp_path: Path) -> None:
    made = inventory(tmp_path)
    for record in ninety_days(noise=0):
        keep(repository_of(made.repository), TABLE_SIZES, record)
    earlier = read_earlier(made, made.servers[0], NOW)
    assert isinstance(earlier, Earlier)
    orders = TableSize("shop", "orders", "InnoDB", (2000 + 12 * 90) * MEGABYTE, 300 * MEGABYTE, 0, 1)
    new = TableSize("shop", "new", "InnoDB", 5 * MEGABYTE, 0, 0, 1)
    growth = earlier.growth([orders, new])
    assert growth.by_table == {
        ("shop", "orders"): Grown(12 * MEGABYTE, 84 * MEGABYTE),
        ("shop", "new"): Grown(5 * MEGABYTE, 5 * MEGABYTE),
    }
    console = Console(record=True, width=80, file=StringIO(), highlight=False)
    numbers = Reading("auto_increment", (Counter("app", "orders", "id", 0.95),), 0.0)
    console.print(Group(*tables(Reading("tables", (orders, new), 0.0), growth, numbers)))
    lines = [" ".join(line.split()) for line in console.export_text().splitlines()]
    assert "3.38 GB 300 MB +12 MB +84 MB 0 B 1 InnoDB shop.orders" in lines
    assert "app.orders.id 95.0% are used" in lines
    assert any(line.startswith("full in 100 days: 1.2 GB are left") for line in lines)


def test_without_records_growth_is_not_known_and_why_is_said(tmp_path: Path) -> None:
    made = inventory(tmp_path / "nothing")
    assert read_earlier(made, made.servers[0], NOW) == NONE_YET
    assert index_evidence(made, made.servers[0]) == {}


def test_a_damaged_record_leaves_growth_unknown(tmp_path: Path) -> None:
    made = inventory(tmp_path)
    [*_, last] = ninety_days()
    path = Path(keep(repository_of(made.repository), TABLE_SIZES, last))
    path.write_bytes(path.read_bytes()[:-20])
    earlier = read_earlier(made, made.servers[0], NOW)
    assert isinstance(earlier, str)
    assert path.name in earlier


def test_an_index_that_was_read_before_a_restart_is_not_called_unread(tmp_path: Path) -> None:
    made = inventory(tmp_path)
    restarted = datetime(2026, 1, 20, 5, 0, tzinfo=UTC)
    for number, (started, reads) in enumerate(((UP_SINCE, 10), (UP_SINCE, 500), (restarted, 0))):
        day = BEGAN + timedelta(days=9 * number) if number < 2 else date(2026, 1, 20)
        rows = index("used", reads), index("never", 0, "b")
        keep(repository_of(made.repository), INDEX_READS, indexes_of(day, started, *rows))
    evidence = index_evidence(made, made.servers[0])
    assert evidence["shop", "orders", "used"].use is Use.USED
    used, never = (Index("shop", "orders", name, (name,), False, False, 0, None) for name in ("used", "never"))  # noqa: FBT003
    assert unused_of([used, never], [], evidence) == [never]
    assert unused_of([used, never], [], {}) == [never, used]
