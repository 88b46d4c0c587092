"""A deployment of the Dagster project in a test: its chom.yaml, definitions and runs of one server's assets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import yaml

from chom_pipelines.definitions import deployment
from chom_pipelines.inventory.loading import load_inventory
from chom_pipelines.repository.entry import BackupEntry
from chom_pipelines.repository.local_store import LocalStore
from chom_pipelines.repository.repository import Repository
from chom_pipelines_tests.servers import PrivateServer

NAME = "chom-1"
GROUP = "chom_1"


def today() -> str:
    """Of the partitions."""
    return f"{datetime.now(UTC):%Y-%m-%d}"


@dataclass(frozen=True)
class Deployment:
    """One server in a chom.yaml of its own, in `directory`."""

    directory: Path
    name: str = NAME

    @classmethod
    def of(cls, directory: Path, server: PrivateServer, databases: tuple[str, ...], **policy: object) -> Deployment:
        """Write the chom.yaml, with the server's least-privilege account."""
        (directory / "password").write_text(server.backup.password)
        here = cls(directory)
        here.write(
            {
                "host": server.backup.host,
                "port": server.backup.port,
                "user": server.backup.user,
                "password": {"file": "password"},
                "databases": list(databases),
                "backup": {"threads": 1, **policy},
            },
        )
        return here

    def write(self, server: Mapping[str, object], **repository: object) -> None:
        """Write the chom.yaml anew."""
        body = {"repository": {"path": "repository", **repository}, "servers": [{"name": self.name, **server}]}
        self.config.write_text(yaml.safe_dump(body))

    @property
    def written(self) -> dict[str, object]:
        """What the chom.yaml says of the server."""
        body = yaml.safe_load(self.config.read_text())
        return {key: value for key, value in body["servers"][0].items() if key != "name"}

    @property
    def config(self) -> Path:
        """The chom.yaml."""
        return self.directory / "chom.yaml"

    @property
    def repository(self) -> Repository:
        """Where its backups are."""
        return Repository(LocalStore(self.directory / "repository"))

    def entries(self) -> list[BackupEntry]:
        """What is listed."""
        return self.repository.backups(self.name)

    def definitions(self) -> dg.Definitions:
        """As the code location has them."""
        return deployment(load_inventory(self.config), self.config, dg.DefaultScheduleStatus.STOPPED)

    def run(
        self,
        job: str,
        asset: str,
        *,
        day: str | None = None,
        instance: dg.DagsterInstance | None = None,
        **config: Any,  # noqa: ANN401  (whatever a launchpad takes)
    ) -> dg.ExecuteInProcessResult:
        """Run the job for this server's asset and its checks, as a schedule does; a failed run does not raise."""
        op = f"{self.name.replace('-', '_')}__{asset}"
        return (
            self.definitions()
            .resolve_job_def(job)
            .execute_in_process(
                run_config={"ops": {op: {"config": config}}},
                partition_key=day or today(),
                asset_selection=[dg.AssetKey([self.name, asset])],
                instance=instance,
                raise_on_error=False,
            )
        )


def back_up(deployed: Deployment, **config: Any) -> dg.ExecuteInProcessResult:  # noqa: ANN401  (as run)
    """Run `full_backup_job` with this configuration."""
    return deployed.run("full_backup_job", "full_backup", **config)


@dataclass(frozen=True)
class Failed:
    """How a run failed: without having tried again, or the test would take minutes."""

    description: str
    metadata: Mapping[str, object]


def failure(result: dg.ExecuteInProcessResult) -> Failed:
    """What the run's failed step says of it."""
    assert not result.success
    assert not result.filter_events(lambda event: event.is_step_up_for_retry)
    data: Any = result.filter_events(lambda event: event.is_step_failure)[0].event_specific_data
    given = data.user_failure_data
    return Failed(given.description, {name: value.value for name, value in given.metadata.items()})


def metadata(result: dg.ExecuteInProcessResult) -> dict[str, Any]:
    """Plain values of the run's only materialisation."""
    (event,) = result.get_asset_materialization_events()
    materialization: Any = event.event_specific_data
    return plain(materialization.materialization.metadata)


def plain(metadata: Mapping[str, dg.MetadataValue[Any]]) -> dict[str, Any]:
    """Its plain values; of a table, of its rows."""
    return {
        name: [dict(record.data) for record in value.records]
        if isinstance(value, dg.TableMetadataValue)
        else value.value
        for name, value in metadata.items()
    }


def check_outcomes(result: dg.ExecuteInProcessResult) -> dict[str, tuple[bool, str, str]]:
    """By the check's name: passed, severity, outcome."""
    return {
        each.check_name: (each.passed, each.severity.value, str(each.metadata["outcome"].value))
        for each in result.get_asset_check_evaluations()
    }
