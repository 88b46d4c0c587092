"""`offsite_copy` as Dagster runs it: what it materialises is there, and what it could not copy fails it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest

from chom_pipelines.defs.resources import Chom
from chom_pipelines.repository.repository import Repository
from chom_pipelines.repository.store import StoreAddress
from chom_pipelines.repository.stores import open_store
from chom_pipelines_tests.deployments import NAME, Deployment, back_up, check_outcomes, failure, metadata, today
from chom_pipelines_tests.logical.samples import library
from chom_pipelines_tests.places import path_of
from chom_pipelines_tests.servers import PrivateServer
from chom_pipelines_tests.stores import ObjectStorage

OFFSITE = dg.AssetKey([NAME, "offsite_copy"])


@pytest.fixture
def address(s3: ObjectStorage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StoreAddress:
    monkeypatch.setattr("chom_pipelines.repository.machine_locks.cache_directory", lambda: tmp_path / "cache")
    return s3.fresh_address()


@pytest.fixture
def deployed(mariadb: PrivateServer, address: StoreAddress, tmp_path: Path) -> Deployment:
    found = Deployment.of(tmp_path, mariadb, (library(mariadb),), verification="none")
    found.write(found.written, offsite={key: value for key, value in address.to_json().items() if value})
    return found


def copy(deployed: Deployment, day: str | None = None) -> dg.ExecuteInProcessResult:
    return deployed.run("offsite_job", "offsite_copy", day=day)


def test_a_materialisation_is_what_the_second_copy_has(deployed: Deployment, address: StoreAddress) -> None:
    back_up(deployed)
    result = copy(deployed)
    shown = metadata(result)
    (entry,) = deployed.entries()
    assert [each.id for each in Repository(open_store(address)).backups(NAME)] == [entry.id]
    assert (shown["copied_backups"], shown["failures"], shown["where"]) == (1, 0, address.url)
    assert check_outcomes(result) == {
        "complete_copy": (True, "ERROR", "passed"),
        "protected_copy": (False, "WARN", "not_verified"),  # moto's bucket keeps no versions
    }
    again = metadata(copy(deployed))
    assert (again["copied_backups"], again["there_already"], again["copied_mb"]) == (0, 1, 0)


def test_of_a_day_that_is_over_the_backup_has_to_be_there(deployed: Deployment) -> None:
    back_up(deployed)
    result = copy(deployed, day="2026-01-05")
    assert "there is no backup of 2026-01-05" in failure(result).description
    assert "this day stays without" in failure(result).description
    assert check_outcomes(result)["complete_copy"] == (True, "ERROR", "passed")
    assert result.get_asset_materialization_events() == []


def test_what_is_damaged_here_fails_the_run_and_the_rest_is_copied(deployed: Deployment, address: StoreAddress) -> None:
    back_up(deployed)
    back_up(deployed)
    damaged, sound = deployed.entries()
    (path_of(damaged) / "manifest.json").write_text("{}")
    result = copy(deployed)
    assert damaged.id in failure(result).description
    assert check_outcomes(result)["complete_copy"] == (False, "ERROR", "failed")
    assert [each.id for each in Repository(open_store(address)).backups(NAME)] == [sound.id]


def test_a_store_that_does_not_answer_is_tried_again(deployed: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chom_pipelines.defs.retries.RETRY", dg.RetryPolicy(max_retries=1, delay=0))
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    back_up(deployed)
    deployed.write(deployed.written, offsite={"url": "s3://x/y", "endpoint_url": "http://127.0.0.1:1", "region": "x"})
    result = copy(deployed)
    assert not result.success
    assert any(event.event_type is dg.DagsterEventType.STEP_UP_FOR_RETRY for event in result.all_events)


def test_only_servers_with_a_second_copy_have_the_asset(deployed: Deployment) -> None:
    assert OFFSITE in deployed.definitions().resolve_asset_graph().get_all_asset_keys()
    deployed.write({**deployed.written, "backup": {"upload": False}}, offsite={"url": "s3://x/y"})
    definitions = deployed.definitions()
    assert OFFSITE not in definitions.resolve_asset_graph().get_all_asset_keys()
    assert "offsite_wanted" not in {each.name for each in definitions.get_repository_def().sensor_defs}


def test_each_new_backup_asks_for_a_copy_once(deployed: Deployment) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        definitions = deployed.definitions()
        sensor = definitions.resolve_sensor_def("offsite_wanted")

        def tick(cursor: str | None) -> tuple[list[dg.RunRequest], str | None]:
            with dg.build_sensor_context(
                instance=instance,
                cursor=cursor,
                repository_def=definitions.get_repository_def(),
                resources={"chom": Chom(config=str(deployed.config))},
            ) as context:
                found = sensor.evaluate_tick(context)
                return list(found.run_requests or ()), found.cursor

        back_up(deployed, instance=instance)
        asked, cursor = tick(None)
        assert asked == []  # what was there before is the schedule's
        asked, cursor = tick(cursor)
        assert asked == []
        back_up(deployed, instance=instance)
        (request,), cursor = tick(cursor)
        assert (request.asset_selection, request.partition_key) == ([OFFSITE], today())
        assert tick(cursor)[0] == []
        back_up(deployed, instance=instance)
        wanted = instance.create_run_for_job(
            definitions.resolve_job_def("offsite_job"),
            asset_selection=frozenset({OFFSITE}),
            status=dg.DagsterRunStatus.NOT_STARTED,
            tags={"dagster/partition": today()},
        )
        asked, later = tick(cursor)
        assert (asked, wanted.is_finished) == ([], False)  # that run will copy what is new as well
        assert later != cursor


def test_it_is_scheduled_for_today(deployed: Deployment) -> None:
    definitions = deployed.definitions()
    schedule = definitions.resolve_schedule_def("offsite_copy_schedule_30_4_x_x_x_UTC")
    with dg.build_schedule_context(
        scheduled_execution_time=datetime(2026, 11, 23, 4, 30, tzinfo=UTC),
        repository_def=definitions.get_repository_def(),
        resources={"chom": Chom(config=str(deployed.config))},
    ) as context:
        (request,) = schedule.evaluate_tick(context).run_requests or ()
    assert (request.partition_key, request.asset_selection) == ("2026-11-23", [OFFSITE])
