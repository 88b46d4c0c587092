"""The sensor of overdue servers, as the daemon evaluates it."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest
import yaml

from chom_pipelines.defs.resources import Chom
from chom_pipelines_tests.deployments import NAME, Deployment, back_up
from chom_pipelines_tests.logical.samples import library
from chom_pipelines_tests.servers import PrivateServer

CHECK = dg.AssetCheckKey(dg.AssetKey([NAME, "full_backup"]), "recent_enough")


@pytest.fixture
def deployed(mariadb: PrivateServer, tmp_path: Path) -> Deployment:
    return Deployment.of(tmp_path, mariadb, (library(mariadb),))


def ticked(deployed: Deployment, instance: dg.DagsterInstance) -> str:
    """What the sensor says."""
    sensor = deployed.definitions().resolve_sensor_def("overdue_servers")
    resources = {"chom": Chom(config=str(deployed.config))}
    with dg.build_sensor_context(instance=instance, resources=resources) as context:
        said = sensor(context)
    assert isinstance(said, dg.SkipReason)
    return str(said.skip_message)


def outcomes(instance: dg.DagsterInstance) -> list[bool]:
    """Each report of the check, oldest first."""
    records = instance.event_log_storage.get_asset_check_execution_history(CHECK, limit=10)
    return [bool(record.event.asset_check_evaluation.passed) for record in reversed(records) if record.event]  # type: ignore[union-attr]


def test_a_server_that_was_never_backed_up_fails_its_check_without_any_run(deployed: Deployment) -> None:
    deployed.repository.create()
    with dg.DagsterInstance.ephemeral() as instance:
        assert ticked(deployed, instance) == f"overdue: {NAME}"
        assert outcomes(instance) == [False]
        assert ticked(deployed, instance) == f"overdue: {NAME}"
        assert outcomes(instance) == [False]  # said once
        back_up(deployed)
        assert ticked(deployed, instance) == "no server is overdue"
        assert outcomes(instance) == [False, True]


def test_where_the_repository_is_missing_no_green_stays(deployed: Deployment) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        back_up(deployed)
        assert ticked(deployed, instance) == "no server is overdue"
        (deployed.directory / "repository").rename(deployed.directory / "elsewhere")
        assert ticked(deployed, instance) == f"not known to be recent: {NAME}"
        assert outcomes(instance) == [True, False]


def test_one_server_that_cannot_be_looked_at_hides_no_other(deployed: Deployment) -> None:
    body = yaml.safe_load(deployed.config.read_text())
    body["servers"] = [{**body["servers"][0], "name": "first"}, *body["servers"]]
    deployed.config.write_text(yaml.safe_dump(body))
    deployed.repository.create()
    (deployed.directory / "repository" / "first").symlink_to(deployed.directory)
    with dg.DagsterInstance.ephemeral() as instance:
        assert ticked(deployed, instance) == f"overdue: {NAME}, first"
        assert outcomes(instance) == [False]
