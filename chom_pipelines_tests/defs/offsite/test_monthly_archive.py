"""`monthly_archive` as Dagster runs it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest

from chom_pipelines.defs.resources import Chom
from chom_pipelines.repository.local_store import LocalStore
from chom_pipelines.repository.repository import Repository
from chom_pipelines_tests.deployments import NAME, Deployment, back_up, check_outcomes, failure, metadata
from chom_pipelines_tests.logical.samples import library
from chom_pipelines_tests.servers import PrivateServer

ASSET = dg.AssetKey([NAME, "monthly_archive"])


@pytest.fixture
def deployed(mariadb: PrivateServer, tmp_path: Path) -> Deployment:
    found = Deployment.of(tmp_path, mariadb, (library(mariadb),), verification="none")
    found.write(found.written, offsite={"url": (tmp_path / "second").as_uri()})
    return found


def test_a_materialisation_is_a_backup_that_was_restored_and_read_back_there(
    deployed: Deployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    month = f"{datetime.now(UTC):%Y-%m}"
    all_months = dg.MonthlyPartitionsDefinition(start_date="2026-01-01", end_offset=1)  # this one is not over yet
    monkeypatch.setattr("chom_pipelines.defs.offsite.archive.MONTHS", all_months)
    back_up(deployed)
    result = deployed.run("monthly_archive_job", "monthly_archive", day=f"{month}-01")
    (entry,) = deployed.entries()
    shown = metadata(result)
    assert (shown["backup"], shown["was_there_before"]) == (entry.id, False)
    assert check_outcomes(result) == {"read_back": (True, "ERROR", "passed")}
    assert Repository(LocalStore(tmp_path / "second")).months(NAME) == [month]


def test_a_month_without_a_backup_is_no_materialisation(deployed: Deployment) -> None:
    back_up(deployed)
    result = deployed.run("monthly_archive_job", "monthly_archive", day="2026-01-01")
    assert f"no full backup of {NAME} of 2026-01 can be archived" in failure(result).description
    assert result.get_asset_materialization_events() == []


def test_the_month_before_is_scheduled_on_the_first(deployed: Deployment) -> None:
    definitions = deployed.definitions()
    schedule = definitions.resolve_schedule_def("monthly_archive_schedule_0_7_1_x_x_UTC")
    with dg.build_schedule_context(
        scheduled_execution_time=datetime(2026, 3, 1, 7, tzinfo=UTC),
        repository_def=definitions.get_repository_def(),
        resources={"chom": Chom(config=str(deployed.config))},
    ) as context:
        (request,) = schedule.evaluate_tick(context).run_requests or ()
    assert (request.partition_key, request.asset_selection) == ("2026-02-01", [ASSET])


def test_who_keeps_no_months_has_no_such_asset(deployed: Deployment) -> None:
    assert ASSET in deployed.definitions().resolve_asset_graph().get_all_asset_keys()
    server = {**deployed.written, "retention": {"monthly_archives": 0}}
    deployed.write(server, offsite={"url": "s3://x/y"})
    assert ASSET not in deployed.definitions().resolve_asset_graph().get_all_asset_keys()
