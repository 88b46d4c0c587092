"""The asset `migration_check`: a verdict, findings and questions as checks; and `chom deploy-check` through Dagster."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from chom_pipelines.cli.main import main
from chom_pipelines.migrations.questions import QUESTIONS
from chom_pipelines_tests.deployments import NAME, Deployment
from chom_pipelines_tests.migrations.checked import ACCEPT, HISTORY, make_database, written
from chom_pipelines_tests.servers import PrivateServer
from chom_pipelines_tests.webserver import Served, served

DATABASE = "deployed_shop"
GOOD = {"0001_first": "ALTER TABLE users ADD COLUMN age INT"}
BAD = {"0001_first": "ALTER TABLE users ADD UNIQUE users_email (email)"}


@pytest.fixture
def deployed(mariadb: PrivateServer, tmp_path: Path) -> Iterator[Deployment]:
    """With migrations, and two rows that are alike."""
    make_database(
        mariadb.root,
        DATABASE,
        (
            HISTORY,
            "CREATE TABLE users (id INT PRIMARY KEY, email VARCHAR(100))",
            "INSERT INTO users VALUES (1, 'a'), (2, 'a')",
        ),
    )
    made = Deployment.of(tmp_path, mariadb, (DATABASE,))
    made.write({**made.written, "migrations": {"sql": "migrations", "accept": ACCEPT}})
    yield made
    with mariadb.connect() as session:  # others back up this server whole
        session.execute(f"DROP DATABASE {DATABASE}")


def run(deployed: Deployment, **config: object) -> dg.ExecuteInProcessResult:
    job = deployed.definitions().resolve_job_def("migration_check_job")
    return job.execute_in_process(
        run_config={"ops": {"chom_1__migration_check": {"config": config}}},
        asset_selection=[dg.AssetKey([NAME, "migration_check"])],
        raise_on_error=False,
    )


def verdict(result: dg.ExecuteInProcessResult) -> dict[str, Any]:
    [event] = result.get_asset_materialization_events()
    return {name: each.value for name, each in event.materialization.metadata.items()}


def test_a_deploy_that_is_safe_passes_every_check(deployed: Deployment, tmp_path: Path) -> None:
    written(tmp_path / "migrations", GOOD)
    result = run(deployed)
    assert result.success
    checks = {each.check_name: each for each in result.get_asset_check_evaluations()}
    assert set(checks) == set(QUESTIONS)
    assert all(each.passed for each in checks.values())
    found = verdict(result)
    assert (found["outcome"], found["pending"], found["errors"], found["not_verified"]) == ("passed", 1, 0, 0)


def test_a_deploy_that_would_fail_has_a_verdict_and_the_check_of_it_fails(deployed: Deployment, tmp_path: Path) -> None:
    written(tmp_path / "migrations", BAD)
    result = run(deployed, mode="validate")
    assert result.success
    failed = {each.check_name: each for each in result.get_asset_check_evaluations() if not each.passed}
    assert set(failed) == {"rows_fit"}
    assert "DD01" in (failed["rows_fit"].description or "")
    assert failed["rows_fit"].severity is dg.AssetCheckSeverity.ERROR
    found = verdict(result)
    assert found["outcome"] == "failed"
    assert [each.data["code"] for each in found["findings"].records if each.data["severity"] == "error"] == ["DD01"]


def test_what_deploys_took_is_shown_beside_what_was_foretold(deployed: Deployment, tmp_path: Path) -> None:
    written(tmp_path / "migrations", GOOD)
    (tmp_path / "repository").mkdir()
    run(deployed)
    printed = tmp_path / "printed"
    printed.write_text("Migrated: 0001_first.sql (1500.00ms)\n")
    with pytest.raises(SystemExit):
        main(["migration", "done", "--config", str(deployed.config), "--output", str(printed)])
    [record] = verdict(run(deployed))["past_migrations"].records
    assert (record.data["migration"], record.data["seconds"], record.data["as foretold"]) == (
        "0001_first.sql",
        1.5,
        "no",
    )


def test_where_nothing_can_be_tried_the_run_fails(deployed: Deployment) -> None:
    result = run(deployed)
    assert not result.success
    assert not result.get_asset_materialization_events()


def test_without_migrations_there_is_no_such_asset(deployed: Deployment) -> None:
    deployed.write({key: value for key, value in deployed.written.items() if key != "migrations"})
    assert not any("migration_check" in str(each) for each in deployed.definitions().resolve_all_asset_keys())


def test_a_change_of_the_files_asks_for_a_check(deployed: Deployment, tmp_path: Path) -> None:
    sensor = deployed.definitions().resolve_sensor_def("migrations_changed")
    with dg.DagsterInstance.ephemeral() as instance:
        context = dg.build_sensor_context(instance)
        assert not sensor.evaluate_tick(context).run_requests
        written(tmp_path / "migrations", GOOD)
        context = dg.build_sensor_context(instance, cursor=json.dumps({NAME: ""}))
        tick = sensor.evaluate_tick(context)
        [request] = tick.run_requests or []
        assert request.asset_selection == [dg.AssetKey([NAME, "migration_check"])]
        again = dg.build_sensor_context(instance, cursor=tick.cursor)
        assert not sensor.evaluate_tick(again).run_requests


@pytest.fixture
def webserver(deployed: Deployment) -> Iterator[Served]:
    with served(deployed) as running:
        yield running


def deploy_check(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["deploy-check", *arguments])
    return int(ended.value.code or 0)


@pytest.mark.usefixtures("deployed")
def test_a_pipeline_gets_the_verdict_through_dagster(
    webserver: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written(tmp_path / "migrations", GOOD)
    assert deploy_check("--url", webserver.url, "--timeout", "120") == 0
    assert "nothing speaks against the deploy" in capsys.readouterr().out
    same, other = written(tmp_path / "same", GOOD), written(tmp_path / "other", {**GOOD, "0002_more": "SELECT 1"})
    assert deploy_check("--url", webserver.url, "--release", str(same)) == 0
    assert deploy_check("--url", webserver.url, "--release", str(other)) == 3
    assert "has checked other migrations" in capsys.readouterr().err
    written(tmp_path / "migrations", BAD)
    assert deploy_check("--url", webserver.url, "--server", NAME, "--json") == 1
    told = json.loads(capsys.readouterr().out)
    assert told["outcome"] == "failed"
    assert {each["code"] for each in told["findings"] if each["severity"] == "error"} == {"DD01"}
    assert deploy_check("--url", webserver.url, "--server", "nobody") == 3
    assert f"checks migrations of {NAME}, and not of nobody" in capsys.readouterr().err
    (tmp_path / "migrations" / "0001_first.sql").unlink()
    assert deploy_check("--url", webserver.url) == 3
    assert "has no migrations" in capsys.readouterr().err


def test_where_dagster_is_down_it_could_not_be_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert deploy_check("--url", "http://127.0.0.1:9") == 3
    assert "http://127.0.0.1:9 does not answer" in capsys.readouterr().err
