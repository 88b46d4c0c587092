"""Schedules: what a tick asks for. Nothing connects."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
import yaml

from chom_pipelines.definitions import deployment
from chom_pipelines.defs.resources import Chom
from chom_pipelines.inventory.loading import load_inventory

STOPPED, RUNNING = dg.DefaultScheduleStatus.STOPPED, dg.DefaultScheduleStatus.RUNNING


def deployed(directory: Path, *servers: dict[str, Any], status: dg.DefaultScheduleStatus = STOPPED) -> dg.Definitions:
    config = directory / "chom.yaml"
    address = {"host": "db.invalid", "user": "u", "password": {"env": "NOT_SET"}}
    body = {"repository": {"path": "repository"}, "servers": [{**address, **server} for server in servers]}
    config.write_text(yaml.safe_dump(body))
    return deployment(load_inventory(config), config, status)


def schedules(definitions: dg.Definitions) -> dict[str, dg.ScheduleDefinition]:
    return {each.name: each for each in definitions.schedules or () if isinstance(each, dg.ScheduleDefinition)}


def requests(definitions: dg.Definitions, name: str, directory: Path, tick: datetime) -> Sequence[dg.RunRequest]:
    with dg.build_schedule_context(
        scheduled_execution_time=tick,
        repository_def=definitions.get_repository_def(),
        resources={"chom": Chom(config=str(directory / "chom.yaml"))},
    ) as context:
        return schedules(definitions)[name].evaluate_tick(context).run_requests or ()


def test_a_tick_asks_for_one_run_of_each_server(tmp_path: Path) -> None:
    definitions = deployed(tmp_path, {"name": "chom"}, {"name": "re-ports"})
    tick = datetime(2026, 3, 29, 2, 0, tzinfo=UTC)
    found = requests(definitions, "full_backup_schedule_0_2_x_x_x_UTC", tmp_path, tick)
    assert [request.asset_selection for request in found] == [
        [dg.AssetKey(["chom", "full_backup"])],
        [dg.AssetKey(["re-ports", "full_backup"])],
    ]
    assert [request.partition_key for request in found] == ["2026-03-29"] * 2
    assert [request.tags["chom/server"] for request in found] == ["chom", "re-ports"]
    assert len({request.run_key for request in found}) == 2


def test_a_tick_is_asked_for_once_and_two_ticks_of_a_day_are_two_backups(tmp_path: Path) -> None:
    definitions = deployed(tmp_path, {"name": "chom", "schedules": {"full": "0 2,14 * * *"}})
    keys = [
        requests(definitions, "full_backup_schedule_0_2and14_x_x_x_UTC", tmp_path, tick)[0].run_key
        for hour in (2, 2, 14)
        for tick in [datetime(2026, 3, 29, hour, tzinfo=UTC)]
    ]
    assert keys[0] == keys[1] != keys[2]


def test_the_day_is_utcs_wherever_the_server_is(tmp_path: Path) -> None:
    definitions = deployed(tmp_path, {"name": "tokyo", "schedules": {"timezone": "Asia/Tokyo"}})
    tick = datetime(2026, 3, 29, 2, 0, tzinfo=ZoneInfo("Asia/Tokyo"))
    (request,) = requests(definitions, "full_backup_schedule_0_2_x_x_x_Asia_Tokyo", tmp_path, tick)
    assert request.partition_key == "2026-03-28"


@pytest.mark.parametrize(
    ("zone", "minute", "partition"),
    [("UTC", 0, "2026-03-29-01:00"), ("UTC", 59, "2026-03-29-01:00"), ("Asia/Kolkata", 0, "2026-03-28-19:00")],
)
def test_a_binary_log_is_archived_up_to_the_last_hour_that_is_over(
    tmp_path: Path, zone: str, minute: int, partition: str
) -> None:
    definitions = deployed(tmp_path, {"name": "a", "schedules": {"binlogs": f"{minute} * * * *", "timezone": zone}})
    name = f"binlog_archive_schedule_{minute}_x_x_x_x_{zone.replace('/', '_')}"
    tick = datetime(2026, 3, 29, 2, minute, tzinfo=ZoneInfo(zone))
    (request,) = requests(definitions, name, tmp_path, tick)
    assert request.partition_key == partition
    assert request.asset_selection == [dg.AssetKey(["a", "binlog_archive"])]
    assert request.tags["chom/tick"] == f"{tick.astimezone(UTC):%Y-%m-%dT%H:%M}"


def test_servers_with_other_hours_or_zones_have_schedules_of_their_own_and_some_have_none(tmp_path: Path) -> None:
    definitions = deployed(
        tmp_path,
        {"name": "a"},
        {"name": "b", "schedules": {"full": "30 1 * * *", "timezone": "Europe/Berlin"}},
        {
            "name": "c",
            "schedules": dict.fromkeys(("full", "binlogs", "verification", "drill", "retention", "monitoring")),
        },
    )
    found = schedules(definitions)
    assert {(name, each.cron_schedule, each.execution_timezone) for name, each in found.items()} == {
        ("full_backup_schedule_0_2_x_x_x_UTC", "0 2 * * *", "UTC"),
        ("full_backup_schedule_30_1_x_x_x_Europe_Berlin", "30 1 * * *", "Europe/Berlin"),
        ("binlog_archive_schedule_0_x_x_x_x_UTC", "0 * * * *", "UTC"),
        ("binlog_archive_schedule_0_x_x_x_x_Europe_Berlin", "0 * * * *", "Europe/Berlin"),
        ("verification_restore_schedule_0_3_x_x_0_UTC", "0 3 * * 0", "UTC"),
        ("verification_restore_schedule_0_3_x_x_0_Europe_Berlin", "0 3 * * 0", "Europe/Berlin"),
        ("pitr_drill_schedule_0_4_x_x_1_UTC", "0 4 * * 1", "UTC"),
        ("pitr_drill_schedule_0_4_x_x_1_Europe_Berlin", "0 4 * * 1", "Europe/Berlin"),
        ("retention_schedule_30_5_x_x_x_UTC", "30 5 * * *", "UTC"),
        ("retention_schedule_30_5_x_x_x_Europe_Berlin", "30 5 * * *", "Europe/Berlin"),
        ("table_growth_schedule_30_6_x_x_x_UTC", "30 6 * * *", "UTC"),
        ("table_growth_schedule_30_6_x_x_x_Europe_Berlin", "30 6 * * *", "Europe/Berlin"),
        ("fleet_growth_schedule", "0 1 * * *", "UTC"),
    }
    jobs = {"full_backup_job", "binlog_archive_job", "verification_job", "pitr_drill_job", "retention_job"}
    assert {each.job_name for each in found.values()} == {*jobs, "monitoring_job"}


@pytest.mark.parametrize("status", [STOPPED, RUNNING])
def test_schedules_start_as_the_deployment_says(tmp_path: Path, status: dg.DefaultScheduleStatus) -> None:
    definitions = deployed(tmp_path, {"name": "chom"}, status=status)
    assert {each.default_status for each in schedules(definitions).values()} == {status}


VERIFICATION = "verification_restore_schedule_0_3_x_x_0_UTC"
SUNDAY = datetime(2026, 3, 29, 3, 0, tzinfo=UTC)


def put(directory: Path, server: str, backup: str, name: str) -> None:
    """Something in the folder of a backup."""
    folder = directory / "repository" / server / "backups" / backup
    folder.mkdir(parents=True)
    (folder / name).write_text("{}")


def test_a_verification_is_of_the_newest_backup_that_there_is(tmp_path: Path) -> None:
    definitions = deployed(tmp_path, {"name": "chom"}, {"name": "late"}, {"name": "new"})
    for server, backup in [
        ("chom", "full_20260327_020000"),
        ("chom", "full_20260329_020000"),
        ("late", "full_20260328_020000"),
    ]:
        put(tmp_path, server, backup, "manifest.json")
    put(tmp_path, "late", "full_20260329_020000", "incomplete.json")
    found = requests(definitions, VERIFICATION, tmp_path, SUNDAY)
    assert {request.tags["chom/server"]: request.partition_key for request in found} == {
        "chom": "2026-03-29",
        "late": "2026-03-28",  # today's dump is still running
        "new": "2026-03-29",  # there is none: the run fails, and says so
    }


def test_one_servers_unreadable_backups_do_not_keep_the_others_from_being_verified(tmp_path: Path) -> None:
    definitions = deployed(tmp_path, {"name": "broken"}, {"name": "chom"})
    (tmp_path / "repository" / "broken").mkdir(parents=True)
    (tmp_path / "repository" / "broken" / "backups").write_text("not a directory")
    put(tmp_path, "chom", "full_20260327_020000", "manifest.json")
    found = requests(definitions, VERIFICATION, tmp_path, SUNDAY)
    assert {request.tags["chom/server"]: request.partition_key for request in found} == {
        "broken": "2026-03-29",
        "chom": "2026-03-27",
    }
