"""Readings become series by the names and labels that are settled: what is not known has none."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

import pytest
from prometheus_client.core import Metric

from chom_pipelines.inventory.models import Inventory
from chom_pipelines.monitoring.exporting.collecting import ServerReadings, Tables
from chom_pipelines.monitoring.exporting.exporter import as_text
from chom_pipelines.monitoring.exporting.exposition import Exposition, add_configured, add_server
from chom_pipelines.monitoring.exporting.metrics import METRICS, OF_NO_SERVER
from chom_pipelines.monitoring.readers.auto_increment import used
from chom_pipelines.monitoring.readers.processes import Processes, Waiting
from chom_pipelines.monitoring.readers.reading import Lack, Reading
from chom_pipelines.monitoring.readers.replication import Channel
from chom_pipelines.monitoring.readers.tables import TableSize
from chom_pipelines.server.facts import Flavour, ServerFacts

FACTS = ServerFacts(Flavour.MYSQL, (9, 7, 4), "9.7.4", "h", 1, None, {})
LACK = Lack("processlist", "PROCESS is missing", "GRANT PROCESS ON *.* TO me")


def nothing(collector: str) -> Reading[None]:
    return Reading(collector, None, 0.5, failure="it timed out")


def looked(**known: object) -> ServerReadings:
    """A look that found out nothing but this."""
    tables = Tables(nothing("table_sizes"), nothing("indexes"), nothing("auto_increment"))  # type: ignore[arg-type]
    empty = ServerReadings(
        facts=FACTS,
        status=nothing("status"),  # type: ignore[arg-type]
        processes=nothing("processlist"),  # type: ignore[arg-type]
        histogram=nothing("query_histogram"),  # type: ignore[arg-type]
        replication=nothing("replication"),  # type: ignore[arg-type]
        tables=tables,
        pending=None,
    )
    return replace(empty, **known)  # type: ignore[arg-type]


def samples(readings: ServerReadings) -> dict[str, float]:
    told = Exposition()
    add_server(told, "shop", readings)
    return by_name(told.families())


def by_name(families: Iterable[Metric]) -> dict[str, float]:
    return {
        " ".join([sample.name, *(value for name, value in sample.labels.items() if name != "server")]): sample.value
        for family in families
        for sample in family.samples
    }


def test_where_nothing_was_found_out_nothing_is_told_but_that() -> None:
    found = samples(looked())
    collectors = ("status", "processlist", "query_histogram", "replication", "table_sizes", "indexes", "auto_increment")
    assert found == {
        "chom_database_info mysql 9.7.4": 1,
        **{f"chom_collector_success {each}": 0 for each in collectors},
        **{f"chom_collector_duration_seconds {each}": 0.5 for each in collectors},
    }


def test_what_is_lacking_is_a_capability_of_zero_though_another_collector_found_it() -> None:
    found = samples(
        looked(
            processes=Reading("processlist", None, 0.1, lacks=(LACK,)),
            status=Reading("status", None, 0.1, capabilities=("processlist", "deadlocks")),
        )
    )
    told = {name: value for name, value in found.items() if "capability" in name}
    assert told == {"chom_monitor_capability processlist": 0, "chom_monitor_capability deadlocks": 1}


def test_the_largest_tables_are_told_by_name_and_all_of_them_in_sums() -> None:
    sizes = tuple(TableSize("d", f"t{number}", "InnoDB", number, 1, 0, 0) for number in range(250))
    readings = looked()
    found = samples(replace(readings, tables=replace(readings.tables, sizes=Reading("table_sizes", sizes, 0.1))))
    named = {name: value for name, value in found.items() if name.startswith("chom_database_table_size_bytes")}
    assert len(named) == 100
    assert named["chom_database_table_size_bytes d t249"] == 250
    assert "chom_database_table_size_bytes d t149" not in named
    assert found["chom_database_size_bytes d total"] == sum(range(250)) + 250
    assert found["chom_database_tables d"] == 250


def test_each_of_many_databases_has_its_own_sums() -> None:
    sizes = tuple(TableSize(f"d{number % 3000}", f"t{number}", "InnoDB", number, 1, 0, 0) for number in range(6000))
    readings = looked()
    found = samples(replace(readings, tables=replace(readings.tables, sizes=Reading("table_sizes", sizes, 0.1))))
    assert found["chom_database_size_bytes d7 data"] == 7 + 3007
    assert found["chom_database_size_bytes d7 index"] == 2
    assert sum(value for name, value in found.items() if name.startswith("chom_database_tables")) == 6000


def test_a_replica_that_stands_still_has_no_lag() -> None:
    channels = (Channel("a", reads=True, applies=False, lag=None), Channel("", reads=True, applies=True, lag=7.0))
    found = samples(looked(replication=Reading("replication", channels, 0.1)))
    assert {name: value for name, value in found.items() if "replication_" in name} == {
        "chom_database_replication_running a io": 1,
        "chom_database_replication_running a sql": 0,
        "chom_database_replication_running  io": 1,
        "chom_database_replication_running  sql": 1,
        "chom_database_replication_lag_seconds ": 7,
    }


def test_a_wait_of_unknown_length_is_counted_and_has_no_length() -> None:
    processes = Processes(1, 0, {"metadata": Waiting(1, None), "row": Waiting(1, 2.5)})
    found = samples(looked(processes=Reading("processlist", processes, 0.1)))
    assert found["chom_database_lock_waiting_sessions metadata"] == 1
    assert {name for name in found if "longest" in name} == {"chom_database_lock_wait_longest_seconds row"}


def test_no_migration_pending_is_a_zero_and_an_unknown_number_is_none() -> None:
    assert samples(looked(pending=Reading("migrations", 0, 0.1)))["chom_migrations_pending"] == 0
    assert "chom_migrations_pending" not in samples(looked(pending=Reading("migrations", None, 0.1)))


def test_thresholds_are_in_seconds_and_shares_whatever_chom_yaml_has_them_in() -> None:
    inventory = Inventory.model_validate(
        {
            "repository": {"path": "/r", "offsite": {"url": "file:///o"}},
            "servers": [
                {
                    "name": "shop",
                    "socket": "/s",
                    "user": "u",
                    "schedules": {"binlogs": "0 * * * *"},
                    "thresholds": {
                        "backup_age_hours": 30,
                        "slow_queries_per_second": 3,
                        "buffer_pool_hit_rate": 90,
                        "exposure_minutes": 20,
                    },
                }
            ],
        }
    )
    told = Exposition()
    add_configured(told, inventory.servers, offsite=True)
    assert by_name(told.families()) == {
        "chom_backup_configured": 1,
        "chom_offsite_configured": 1,
        "chom_threshold_backup_age_seconds": 36 * 3600,
        "chom_threshold_exposure_seconds": 1200,
        "chom_threshold_slow_queries_per_second": 3,
        "chom_threshold_buffer_pool_hit_ratio": 0.9,
    }


@pytest.mark.parametrize("name", METRICS)
def test_every_family_is_told_by_its_name_with_its_server_and_help(name: str) -> None:
    metric = METRICS[name]
    told = Exposition()
    labels = (*metric.labels,) if metric in OF_NO_SERVER else ("shop", *metric.labels)
    if metric.kind == "histogram":
        told.histogram(name, [(0.5, 1), (float("inf"), 2)], 3.0, *labels)
    else:
        told.value(name, 1, *labels)
    text = as_text(told).decode()
    assert f"# HELP {name} {metric.help}\n" in text
    assert f"# TYPE {name} {metric.kind.replace('unknown', 'untyped')}\n" in text
    assert ('server="shop"' in text) is (metric not in OF_NO_SERVER)
    assert re.search(rf"^{name}(_bucket)?({{|\s)", text, re.MULTILINE)


@pytest.mark.parametrize(
    ("kind", "following", "unsigned", "share"),
    [
        *(("tinyint", 128, False, 1.0), ("tinyint", 128, True, 127 / 255), ("int", 1, False, 0.0)),
        *(("bigint", 2**64 - 1, True, 1.0), ("smallint", 2**15, False, 1.0), ("mediumint", 2**22 + 1, False, 0.5)),
        ("int", 2**40, False, 1.0),  # a counter may be set beyond what its column holds
    ],
)
def test_how_much_of_a_counter_is_used(kind: str, following: int, unsigned: bool, share: float) -> None:  # noqa: FBT001
    assert used(kind, following, unsigned=unsigned) == pytest.approx(share, rel=1e-6)
