"""`pitr_drill` as Dagster runs it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from chom_pipelines.defs.resources import Chom
from chom_pipelines.repository.drill import drills_of
from chom_pipelines.server.facts import Flavour
from chom_pipelines_tests.binlogs.archives import archived_server
from chom_pipelines_tests.cli.setting import Setting
from chom_pipelines_tests.deployments import NAME, Deployment, back_up, check_outcomes, failure, metadata
from chom_pipelines_tests.servers import PrivateServer


@pytest.fixture(scope="module", params=list(Flavour), ids=lambda flavour: flavour.value)
def server(request: pytest.FixtureRequest) -> Iterator[PrivateServer]:
    with archived_server(request.param) as found:
        yield found


def week() -> str:
    """Of now."""
    now = datetime.now(UTC)
    return f"{now - timedelta(days=now.weekday()):%Y-%m-%d}"


def drilled(deployed: Deployment, partition: str) -> dg.ExecuteInProcessResult:
    return deployed.run("pitr_drill_job", "pitr_drill", day=partition)


def test_a_materialisation_is_a_second_to_which_two_ways_led(server: PrivateServer, tmp_path: Path) -> None:
    deployed = Deployment.of(tmp_path, server, ("shop",), verification="none")
    deployed.write({**deployed.written, "databases": None})
    back_up(deployed)
    with server.connect() as session:
        session.execute("INSERT INTO shop.t (s) VALUES ('x')")
        session.execute("SELECT SLEEP(2)")
    assert Setting(tmp_path, server, ("shop",)).chom("backup", "--type", "incremental") == 0
    result = drilled(deployed, week())
    assert result.success
    shown = metadata(result)
    (drill,) = drills_of(deployed.entries()[0], None)
    assert (shown["outcome"], shown["tables"], shown["transactions"]) == ("passed", drill.tables, drill.transactions)
    assert check_outcomes(result) == {"ways_agree": (True, "ERROR", "passed")}
    earlier = drilled(deployed, "2026-01-05")
    assert "from 2026-01-05 00:00:00 UTC to 2026-01-12 00:00:00 UTC can be drilled" in failure(earlier).description
    assert earlier.get_asset_materialization_events() == []
    assert "nothing mends that: every full backup was taken later" in failure(earlier).description


def test_it_is_scheduled_for_the_last_week_that_is_over(server: PrivateServer, tmp_path: Path) -> None:
    deployed = Deployment.of(tmp_path, server, ("shop",))
    definitions = deployed.definitions()
    schedule = definitions.resolve_schedule_def("pitr_drill_schedule_0_4_x_x_1_UTC")
    with dg.build_schedule_context(
        scheduled_execution_time=datetime(2026, 11, 23, 4, tzinfo=UTC),
        repository_def=definitions.get_repository_def(),
        resources={"chom": Chom(config=str(deployed.config))},
    ) as context:
        (request,) = schedule.evaluate_tick(context).run_requests or ()
    assert request.partition_key == "2026-11-16"
    assert request.asset_selection == [dg.AssetKey([NAME, "pitr_drill"])]
