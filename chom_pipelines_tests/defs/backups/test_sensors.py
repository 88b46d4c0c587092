"""The sensor of overdue servers, as the daemon evaluates it."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest

from chom_pipelines.defs.resources import Chom
from chom_pipelines_tests.deployments import NAME, Deployment, back_up
from chom_pipelines_tests.logical.samples import library
from chom_pipelines_tests.servers import PrivateServer

CHECK = dg.AssetCheckKey(dg.AssetKey([NAME, "full_backup"]), "recent_enough")


@pytest.fixture
def deployed(mariadb: PrivateServer, tmp_path: Path) -> Deployment:
    return Deployment.of(tmp_path, mariadb, (library(mariadb),))


def ticked(deployed: Deployment, instance: dg.DagsterInstance, cursor: str | None = None) -> tuple[str, str]:
    """What the sensor says, and its cursor after that."""
    (sensor,) = deployed.definitions().sensors or ()
    assert isinstance(sensor, dg.SensorDefinition)
    context = dg.build_sensor_context(
        instance=instance, cursor=cursor, resources={"chom": Chom(config=str(deployed.config))}
    )
    said = sensor(context)
    assert isinstance(said, dg.SkipReason)
    return str(said.skip_message), str(context.cursor)


def outcomes(instance: dg.DagsterInstance) -> list[bool]:
    """Each report of the check, oldest first."""
    records = instance.event_log_storage.get_asset_check_execution_history(CHECK, limit=10)
    return [bool(record.event.asset_check_evaluation.passed) for record in reversed(records) if record.event]  # type: ignore[union-attr]


def test_a_server_that_was_never_backed_up_fails_its_check_without_any_run(deployed: Deployment) -> None:
    deployed.repository.create()
    with dg.DagsterInstance.ephemeral() as instance:
        said, cursor = ticked(deployed, instance)
        assert said == f"overdue: {NAME}"
        assert outcomes(instance) == [False]
        assert ticked(deployed, instance, cursor)[0] == said
        assert outcomes(instance) == [False]  # said once
        back_up(deployed)
        assert ticked(deployed, instance, cursor)[0] == "no server is overdue"
        assert outcomes(instance) == [False, True]


def test_where_the_repository_is_missing_nothing_is_said_of_any_server(deployed: Deployment) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        assert "is it mounted?" in ticked(deployed, instance)[0]
        assert outcomes(instance) == []
