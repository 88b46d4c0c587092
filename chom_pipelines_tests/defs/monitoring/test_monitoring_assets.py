"""`table_growth`, `index_usage` and `fleet_growth` as Dagster runs them."""

from __future__ import annotations

from base64 import b64decode
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
import yaml

from chom_pipelines.defs.resources import Chom
from chom_pipelines.monitoring.growth.kept import INDEX_READS, STATEMENTS, TABLE_SIZES, days_kept, keep, record_of
from chom_pipelines.monitoring.growth.measuring import is_measurable
from chom_pipelines.monitoring.growth.record import TablesOfDay
from chom_pipelines.repository.repository import Repository
from chom_pipelines_tests.deployments import (
    NAME,
    Deployment,
    check_outcomes,
    failure,
    metadata,
    plain,
    today,
)
from chom_pipelines_tests.monitoring.growth_made import (
    BEGAN,
    MEGABYTE,
    UP_SINCE,
    index,
    indexes_of,
    ninety_days,
    table,
    tables_of,
)
from chom_pipelines_tests.servers import PrivateServer

DAY = timedelta(days=1)
LAST = BEGAN + 89 * DAY


def elsewhere(directory: Path, **policy: object) -> Deployment:
    """Of a server that nobody reaches: what is told of it is in the repository."""
    deployed = Deployment(directory)
    deployed.write({"host": "db.invalid", "user": "u", "password": {"env": "NOT_SET"}, **policy})
    deployed.repository.create()
    return deployed


def shop(server: PrivateServer) -> str:
    database = server.fresh_database()
    with server.connect() as session:
        session.execute(f"CREATE TABLE {database}.orders (id INT PRIMARY KEY, a INT, KEY i (a))")
        session.execute(f"INSERT INTO {database}.orders VALUES (1, 1), (2, 2)")
    return database


def test_a_materialisation_measures_and_keeps_the_sizes_of_today(server: PrivateServer, tmp_path: Path) -> None:
    database = shop(server)
    deployed = Deployment.of(tmp_path, server, (database,))
    result = deployed.run("monitoring_job", "table_growth")
    assert result.success
    shown = metadata(result)
    record = record_of(deployed.repository, TABLE_SIZES, NAME, date.fromisoformat(today()))
    assert (shown["total_bytes"], shown["tables"]) == (sum(row[3] + row[4] for row in record.tables), 1)
    assert shown["data_bytes"] + shown["index_bytes"] == shown["total_bytes"] > 0
    assert shown["file_bytes"] > 0
    assert shown["free_bytes"] > 0
    assert shown["largest"][0]["table"] == f"{database}.orders"
    assert {"grown_bytes_1d", "growth_bytes_per_day", "days_to_full"}.isdisjoint(shown)
    assert check_outcomes(result) == {
        "every_table_seen": (True, "ERROR", "passed"),
        "room_to_grow": (False, "WARN", "not_verified"),
    }


def test_a_second_reading_of_a_day_replaces_the_first(mariadb: PrivateServer, tmp_path: Path) -> None:
    database = shop(mariadb)
    deployed = Deployment.of(tmp_path, mariadb, (database,))
    assert deployed.run("monitoring_job", "table_growth").success
    with mariadb.connect() as session:
        session.execute(f"CREATE TABLE {database}.later (id INT)")
    again = metadata(deployed.run("monitoring_job", "table_growth"))
    assert again["tables"] == 2
    assert len(days_kept(deployed.repository, TABLE_SIZES, NAME)) == 1


def test_of_today_growth_is_told_by_the_days_before(mariadb: PrivateServer, tmp_path: Path) -> None:
    database = shop(mariadb)
    deployed = Deployment.of(tmp_path, mariadb, (database,))
    deployed.repository.create()
    now = datetime.now(UTC).date()
    for number in range(1, 31):
        row = (database, "orders", "InnoDB", 32_768 - 1000 * number, 0, 0, 2, None)
        deployed_day = tables_of(now - number * DAY, row, (database, "gone", "InnoDB", 500, 0, 0, 1, None))
        keep(deployed.repository, TABLE_SIZES, deployed_day)
    shown = metadata(deployed.run("monitoring_job", "table_growth"))
    assert (shown["grown_bytes_1d"], shown["grown_bytes_7d"], shown["grown_bytes_30d"]) == (500, 6500, 29_500)
    assert shown["growth_bytes_per_day"] == pytest.approx(1000, rel=0.02)
    assert shown["dropped_tables"] == 1
    assert shown["days_to_full"] > 1000 if "days_to_full" in shown else "does not grow into" in shown["room"]


def test_an_earlier_day_is_shown_as_it_was_measured_and_the_server_is_not_asked(tmp_path: Path) -> None:
    deployed = elsewhere(tmp_path)
    for record in ninety_days():
        keep(deployed.repository, TABLE_SIZES, record)
    result = deployed.run("monitoring_job", "table_growth", day=f"{LAST}")
    shown = metadata(result)
    assert shown["growth_bytes_per_day"] == pytest.approx(12 * MEGABYTE, rel=0.03)
    assert shown["days_to_full"] == pytest.approx(100, rel=0.03)
    assert shown["fastest_growing"][0]["table"] == "shop.orders"
    assert check_outcomes(result)["room_to_grow"] == (True, "ERROR", "passed")
    image = b64decode(shown["report"].partition("![Growth](data:image/png;base64,")[2].partition(")")[0])
    assert image.startswith(b"\x89PNG")
    assert "| shop.orders | InnoDB |" in shown["report"]


def test_earlier_partitions_plot_from_the_repository_alone(tmp_path: Path) -> None:
    deployed = elsewhere(tmp_path)
    records = list(ninety_days())
    for record in records:
        keep(deployed.repository, TABLE_SIZES, record)
    with dg.DagsterInstance.ephemeral() as instance:
        for record in records[::15]:
            result = deployed.run("monitoring_job", "table_growth", day=f"{record.day}", instance=instance)
            assert result.success
        kept = instance.fetch_materializations(dg.AssetKey([NAME, "table_growth"]), limit=10).records
    points = {each.partition_key: plain(each.asset_materialization.metadata)["total_bytes"] for each in kept}  # type: ignore[union-attr]
    assert points == {f"{record.day}": total(record) for record in records[::15]}


def total(record: TablesOfDay) -> int:
    return sum(row[3] + row[4] for row in record.tables)


def test_too_little_room_fails_the_check_by_the_threshold(tmp_path: Path) -> None:
    deployed = elsewhere(tmp_path, thresholds={"days_to_full": 120})
    for record in ninety_days():
        keep(deployed.repository, TABLE_SIZES, record)
    result = deployed.run("monitoring_job", "table_growth", day=f"{LAST}")
    assert result.success  # what was measured stands
    assert check_outcomes(result)["room_to_grow"] == (False, "ERROR", "failed")


def test_a_day_of_last_week_does_not_answer_the_check_of_today(tmp_path: Path) -> None:
    """Checks have no partitions: what was materialised last would stand there."""
    deployed = elsewhere(tmp_path, thresholds={"days_to_full": 120})
    for record in ninety_days():
        room = record.free if record.day == LAST else 10**11
        keep(deployed.repository, TABLE_SIZES, record.model_copy(update={"free": room, "free_source": "a disk"}))
    result = deployed.run("monitoring_job", "table_growth", day=f"{LAST - 7 * DAY}")
    assert metadata(result)["days_to_full"] > 5_000  # of that day
    assert check_outcomes(result)["room_to_grow"] == (False, "ERROR", "failed")


def test_a_day_that_nobody_measured_is_not_invented(tmp_path: Path) -> None:
    deployed = elsewhere(tmp_path)
    for asset in ("table_growth", "index_usage"):
        failed = failure(deployed.run("monitoring_job", asset, day="2026-02-01"))
        assert failed.description.startswith("of 2026-02-01 nothing was kept, and it cannot be measured now")
        assert f"materialise {today()}" in str(failed.metadata["remedy"])


@pytest.mark.parametrize(
    ("moment", "can"),
    [
        (datetime(2026, 1, 4, 23, 59, tzinfo=UTC), False),
        (datetime(2026, 1, 5, tzinfo=UTC), True),
        (datetime(2026, 1, 6, 0, 59, tzinfo=UTC), True),
        (datetime(2026, 1, 6, 1, 0, tzinfo=UTC), False),
    ],
)
def test_one_that_waited_in_the_queue_still_counts_for_its_day(moment: datetime, *, can: bool) -> None:
    assert is_measurable(date(2026, 1, 5), moment) is can


def test_tables_that_are_not_seen_leave_no_total_and_a_check_with_the_grant(
    server: PrivateServer, tmp_path: Path
) -> None:
    database, hidden = shop(server), shop(server)
    with server.connect() as session:
        session.execute("CREATE USER IF NOT EXISTS few@'%' IDENTIFIED BY 'few-Words-1'")
        session.execute(f"GRANT SELECT ON {database}.* TO few@'%'")
    deployed = Deployment.of(tmp_path, server, (database, hidden))
    (tmp_path / "password").write_text("few-Words-1")
    deployed.write({**deployed.written, "user": "few"})
    result = deployed.run("monitoring_job", "table_growth")
    with server.connect() as session:
        session.execute("DROP USER few@'%'")
    shown = metadata(result)
    assert "total_bytes" not in shown
    assert "GRANT REFERENCES ON" in shown["not_told"]
    assert check_outcomes(result)["every_table_seen"] == (False, "WARN", "not_verified")


def test_uses_of_indexes_are_kept_with_the_statements_beside(server: PrivateServer, tmp_path: Path) -> None:
    deployed = Deployment.of(tmp_path, server, (shop(server),))
    result = deployed.run("monitoring_job", "index_usage")
    shown = metadata(result)
    day = date.fromisoformat(today())
    record = record_of(deployed.repository, INDEX_READS, NAME, day)
    statements = record_of(deployed.repository, STATEMENTS, NAME, day)
    assert [row[2] for row in record.indexes] == ["PRIMARY", "i"] or [row[2] for row in record.indexes] == [
        "i",
        "PRIMARY",
    ]
    assert (shown["indexes"], shown["indexes_needed"], shown["indexes_unused"]) == (2, 1, 0)
    if server.facts.is_mariadb:
        assert (record.source, statements.queries) == ("", ())
        assert "SET GLOBAL userstat = ON" in shown["not_told"]
        assert check_outcomes(result) == {"reads_are_counted": (False, "WARN", "not_verified")}
        assert shown["indexes_not_counted"] == 1
    else:
        assert (record.source, shown["indexes_too_early"]) == ("performance_schema", 1)
        assert check_outcomes(result) == {"reads_are_counted": (True, "ERROR", "passed")}
        assert statements.queries


def test_unused_indexes_are_listed_with_their_evidence_and_how_to_try_without(tmp_path: Path) -> None:
    deployed = elsewhere(tmp_path)
    for number in range(41):
        rows = index("unread", 0), index("read", number), index("PRIMARY", 0, unique=True, needed=True)
        keep(deployed.repository, INDEX_READS, indexes_of(BEGAN + number * DAY, UP_SINCE, *rows))
    shown = metadata(deployed.run("monitoring_job", "index_usage", day=f"{BEGAN + 40 * DAY}"))
    assert (shown["indexes_unused"], shown["indexes_used"], shown["indexes_needed"]) == (1, 1, 1)
    assert shown["unused_bytes"] == 540_000
    (row,) = shown["unused"]
    assert row["evidence"] == "0 reads in 40 days; not unique; no foreign key rests on it; 540 kB"
    assert row["try without it"] == "ALTER TABLE `shop`.`orders` ALTER INDEX `unread` IGNORED;"


def fleet(directory: Path, *names: str) -> Deployment:
    deployed = elsewhere(directory)
    address = {"host": "db.invalid", "user": "u", "password": {"env": "NOT_SET"}}
    body = {"repository": {"path": "repository"}, "servers": [{"name": name, **address} for name in names]}
    deployed.config.write_text(yaml.safe_dump(body))
    return deployed


def summed(deployed: Deployment, day: date) -> dict[str, object]:
    result = (
        deployed.definitions()
        .resolve_job_def("monitoring_job")
        .execute_in_process(partition_key=f"{day}", asset_selection=[dg.AssetKey("fleet_growth")])
    )
    return metadata(result)


def put(repository: Repository, server: str, day: date, size: int) -> None:
    keep(repository, TABLE_SIZES, tables_of(day, table("a", size)).model_copy(update={"server": server}))


def test_the_fleet_has_a_total_where_all_were_measured_and_else_says_which_were_not(tmp_path: Path) -> None:
    deployed = fleet(tmp_path, "a", "b")
    put(deployed.repository, "a", BEGAN, 100)
    put(deployed.repository, "b", BEGAN, 50)
    put(deployed.repository, "a", BEGAN + DAY, 120)
    whole, partly = summed(deployed, BEGAN), summed(deployed, BEGAN + DAY)
    assert (whole["total_bytes"], whole["servers"], whole["missing"]) == (150, 2, 0)
    assert "total_bytes" not in partly
    assert (partly["not_measured"], partly["missing"]) == ("b", 1)
    rows = {row["server"]: row["what is missing"] for row in partly["growth"]}  # type: ignore[attr-defined]
    assert rows["b"] == f"not measured that day; last on {BEGAN}"


def test_a_tick_asks_for_both_assets_of_a_server_in_one_run_and_for_the_fleets_day_that_is_over(tmp_path: Path) -> None:
    deployed = elsewhere(tmp_path)
    definitions = deployed.definitions()
    asked = {}
    for name in ("table_growth_schedule_30_6_x_x_x_UTC", "fleet_growth_schedule"):
        with dg.build_schedule_context(
            scheduled_execution_time=datetime(2026, 3, 29, 6, 30, tzinfo=UTC),
            repository_def=definitions.get_repository_def(),
            resources={"chom": Chom(config=str(deployed.config))},
        ) as context:
            (request,) = definitions.resolve_schedule_def(name).evaluate_tick(context).run_requests or ()
        asked[request.partition_key] = [key.path for key in request.asset_selection or ()]
    assert asked == {"2026-03-29": [[NAME, "table_growth"], [NAME, "index_usage"]], "2026-03-28": [["fleet_growth"]]}


def test_nothing_is_scheduled_where_nobody_wants_it(tmp_path: Path) -> None:
    deployed = elsewhere(tmp_path, schedules={"monitoring": None})
    names = {schedule.name for schedule in deployed.definitions().schedules or ()}
    assert not [name for name in names if "growth" in name]
