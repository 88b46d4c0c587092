"""`incremental_backup` as Dagster runs it: chains of physical backups."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from chom_pipelines.definitions import deployment
from chom_pipelines.inventory.loading import load_inventory
from chom_pipelines.repository.layout import Kind
from chom_pipelines_tests.defs.backups.test_schedules import deployed as in_fleet
from chom_pipelines_tests.defs.backups.test_schedules import requests, schedules
from chom_pipelines_tests.deployments import Deployment, back_up, failure, metadata
from chom_pipelines_tests.logical.samples import library
from chom_pipelines_tests.places import path_of
from chom_pipelines_tests.servers import PrivateServer


@pytest.fixture
def deployed(mariadb: PrivateServer, tmp_path: Path) -> Deployment:
    mariadb.outlast_its_start()
    return Deployment.of(tmp_path, mariadb, (library(mariadb),), method="physical")


def take(deployed: Deployment, hour: str | None = None, **config: Any) -> dg.ExecuteInProcessResult:  # noqa: ANN401
    now = f"{datetime.now(UTC):%Y-%m-%d-%H}:00"
    return deployed.run("incremental_backup_job", "incremental_backup", day=hour or now, **config)


def test_a_materialisation_is_proved_with_all_that_it_builds_on(deployed: Deployment) -> None:
    assert back_up(deployed, verification="none").success
    result = take(deployed, verification="full")
    assert result.success
    full, incremental = (entry.manifest(None) for entry in deployed.entries())
    assert (incremental.kind, incremental.parent) == (Kind.INCREMENTAL, full.id)
    shown = metadata(result)
    assert (shown["backup"], shown["verification"]) == (incremental.id, "full: passed")
    assert shown["builds_on"] == full.id
    assert incremental.stored_bytes < full.stored_bytes


def test_damage_of_what_it_builds_on_fails_the_checks_of_the_servers_backups(deployed: Deployment) -> None:
    key = dg.AssetCheckKey(dg.AssetKey([deployed.name, "full_backup"]), "archive_integrity")
    with dg.DagsterInstance.ephemeral() as instance:

        def status() -> str:
            return instance.event_log_storage.get_latest_asset_check_execution_by_key([key])[key].status.value

        deployed.run("full_backup_job", "full_backup", instance=instance, verification="basic")
        assert status() == "SUCCEEDED"
        (full,) = deployed.entries()
        part = min((path_of(full) / "data").iterdir())
        data = bytearray(part.read_bytes())
        data[len(data) // 2] ^= 1
        part.write_bytes(data)
        hour = f"{datetime.now(UTC):%Y-%m-%d-%H}:00"
        job, asset = "incremental_backup_job", "incremental_backup"
        result = deployed.run(job, asset, day=hour, instance=instance, verification="basic")
        assert metadata(result)["verification"].startswith("basic: failed")
        assert status() == "FAILED"


def test_without_a_physical_full_backup_it_fails_and_says_what_to_do(deployed: Deployment) -> None:
    failed = failure(take(deployed))
    assert "has no physical backup" in failed.description
    assert "chom backup --method physical" in str(failed.metadata["remedy"])


def test_another_hour_is_refused(deployed: Deployment) -> None:
    assert "2026-01-02-03:00 is not this hour" in failure(take(deployed, "2026-01-02-03:00")).description
    assert deployed.entries() == []


def test_an_incremental_backup_is_no_full_one(deployed: Deployment) -> None:
    assert back_up(deployed, verification="none").success
    assert "full_backup is of full backups" in failure(back_up(deployed, type="incremental")).description
    assert len(deployed.entries()) == 1


def test_only_servers_whose_files_are_backed_up_have_it_and_only_on_request_a_schedule(tmp_path: Path) -> None:
    files = {"name": "files", "backup": {"method": "physical"}}
    hourly = {**files, "name": "hourly", "schedules": {"incremental": "30 * * * *"}}
    rows = {"name": "rows", "schedules": {"incremental": "30 * * * *"}}
    definitions = in_fleet(tmp_path, files, hourly, rows)
    assets = {
        key.path[0] for key in definitions.resolve_asset_graph().get_all_asset_keys() if "incremental" in str(key)
    }
    assert assets == {"files", "hourly"}
    name = "incremental_backup_schedule_30_x_x_x_x_UTC"
    assert [each for each in schedules(definitions) if each.startswith("incremental")] == [name]
    (request,) = requests(definitions, name, tmp_path, datetime(2026, 3, 29, 2, 30, tzinfo=UTC))
    assert (request.asset_selection, request.partition_key) == (
        [dg.AssetKey(["hourly", "incremental_backup"])],
        "2026-03-29-02:00",
    )


def test_without_such_a_server_there_is_no_such_job(tmp_path: Path) -> None:
    in_fleet(tmp_path, {"name": "rows"})
    config = tmp_path / "chom.yaml"
    definitions = deployment(load_inventory(config), config, dg.DefaultScheduleStatus.STOPPED)
    assert not [job.name for job in definitions.resolve_all_job_defs() if "incremental" in job.name]
