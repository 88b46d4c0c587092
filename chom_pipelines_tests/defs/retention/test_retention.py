"""`retention` as Dagster runs it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from chom_pipelines.defs.resources import Chom
from chom_pipelines.repository.layout import Kind
from chom_pipelines_tests.deployments import NAME, Deployment, back_up, failure, metadata
from chom_pipelines_tests.repository.samples import a_manifest
from chom_pipelines_tests.repository.streaming import fill
from chom_pipelines_tests.servers import PrivateServer


@pytest.fixture
def deployed(tmp_path: Path, mariadb: PrivateServer) -> Deployment:
    """A server with backups of 50 and of 40 days ago; the second is where the window of seven days begins."""
    found = Deployment.of(tmp_path, mariadb, (mariadb.fresh_database(),))
    found.repository.create()
    for days in (50, 40):
        moment = datetime.now(UTC) - timedelta(days=days)
        with found.repository.stream(NAME).begin(Kind.FULL, moment) as draft:
            draft.publish(a_manifest(NAME, draft.id, (fill(draft),)), None)
    return found


def _applied(deployed: Deployment, day: str | None = None) -> dg.ExecuteInProcessResult:
    return deployed.run("retention_job", "retention", day=day)


def test_a_materialisation_is_what_was_deleted_and_what_stayed_and_why(deployed: Deployment) -> None:
    assert back_up(deployed).success
    first, second, newest = (each.id for each in deployed.entries())
    shown = metadata(_applied(deployed))
    assert (shown["deleted"], shown["kept"]) == (1, 2)
    assert [(row["what"], row["decision"], row["why"]) for row in shown["plan"]] == [
        (first, "deleted", "older than 30 days"),
        (second, "stays", "the window of 7 days begins with it"),
        (newest, "stays", "not older than 30 days"),
    ]
    assert [each.id for each in deployed.entries()] == [second, newest]


def test_where_the_newest_full_backup_is_overdue_nothing_goes_and_the_run_fails(deployed: Deployment) -> None:
    assert back_up(deployed).success
    deployed.write({**deployed.written, "thresholds": {"backup_age_hours": 1e-9}})
    result = _applied(deployed)
    assert "nothing is deleted: the newest full backup" in failure(result).description
    assert result.get_asset_materialization_events() == []
    assert len(deployed.entries()) == 3


def test_the_plan_of_another_day_is_refused(deployed: Deployment) -> None:
    assert "2026-02-03 is not today" in failure(_applied(deployed, "2026-02-03")).description
    assert len(deployed.entries()) == 2


def test_it_is_scheduled_for_the_day_of_the_tick(deployed: Deployment) -> None:
    definitions = deployed.definitions()
    schedule = definitions.resolve_schedule_def("retention_schedule_30_5_x_x_x_UTC")
    with dg.build_schedule_context(
        scheduled_execution_time=datetime(2026, 11, 23, 5, 30, tzinfo=UTC),
        repository_def=definitions.get_repository_def(),
        resources={"chom": Chom(config=str(deployed.config))},
    ) as context:
        (request,) = schedule.evaluate_tick(context).run_requests or ()
    assert request.partition_key == "2026-11-23"
    assert request.asset_selection == [dg.AssetKey([NAME, "retention"])]
