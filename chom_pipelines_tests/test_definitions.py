"""The code location as Dagster loads it: hermetic, fast, and clear about what is wrong."""

import importlib
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import dagster as dg
import pytest
import yaml

import chom_pipelines.definitions as module
from chom_pipelines.errors import ConfigurationError

Load = Callable[..., dg.Definitions]

ROOT = Path(module.__file__).parents[1]


def chom_yaml(directory: Path, *names: str, **server: Any) -> Path:  # noqa: ANN401  (whatever a person may write)
    """Of servers that cannot be reached, whose secrets are not there, and a repository that is not there."""
    address = {"host": "db.invalid", "user": "u", "password": {"file": "/nowhere/password"}, **server}
    body = {
        "repository": {"path": "/nowhere/repository", "encryption": {"keys": {"env": "NOT_SET"}}},
        "servers": [{"name": name, **address} for name in names],
    }
    path = directory / "chom.yaml"
    path.write_text(yaml.safe_dump(body))
    return path


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> Load:
    def load(config: Path | None, **environment: str) -> dg.Definitions:
        monkeypatch.delenv("CHOM_CONFIG", raising=False)
        monkeypatch.delenv("CHOM_SCHEDULES", raising=False)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        if config:
            monkeypatch.setenv("CHOM_CONFIG", str(config))
        return module.load()

    return load


def keys(definitions: dg.Definitions) -> set[str]:
    return {key.to_user_string() for key in definitions.resolve_asset_graph().get_all_asset_keys()}


def test_loading_connects_to_nothing_and_reads_no_secret(tmp_path: Path, loaded: Load) -> None:
    definitions = loaded(chom_yaml(tmp_path, "chom", "db-0.eu"))
    dg.Definitions.validate_loadable(definitions)
    assert keys(definitions) == {
        f"{server}/{kind}"
        for server in ("chom", "db-0.eu")
        for kind in (
            "full_backup",
            "binlog_archive",
            "recoverable_windows",
            "verification_restore",
            "pitr_drill",
            "retention",
            "benchmark_report",
            "table_growth",
            "index_usage",
        )
    } | {"fleet_growth"}
    jobs = {job.name for job in definitions.resolve_all_job_defs()} - {"__ASSET_JOB"}
    assert jobs == {
        "full_backup_job",
        "binlog_archive_job",
        "verification_job",
        "pitr_drill_job",
        "retention_job",
        "benchmark_job",
        "monitoring_job",
    }
    checks = {key.to_user_string() for key in definitions.resolve_asset_graph().asset_check_keys}
    assert checks == {
        f"{server}/{check}"
        for server in ("chom", "db-0.eu")
        for check in (
            "benchmark_report:nothing_slower",
            "table_growth:every_table_seen",
            "table_growth:room_to_grow",
            "index_usage:reads_are_counted",
            "full_backup:archive_integrity",
            "full_backup:every_table_present",
            "full_backup:recent_enough",
            "full_backup:size_against_history",
            "pitr_drill:ways_agree",
            "recoverable_windows:exposure",
            "recoverable_windows:unbroken_archive",
            "verification_restore:archive_integrity",
            "verification_restore:every_table_present",
            "verification_restore:content_identical",
        )
    }


def test_each_server_has_a_group_a_pool_and_a_freshness_policy_of_its_own(tmp_path: Path, loaded: Load) -> None:
    graph = loaded(chom_yaml(tmp_path, "chom", "db-0.eu", thresholds={"backup_age_hours": 12})).resolve_asset_graph()
    node = graph.get(dg.AssetKey(["db-0.eu", "full_backup"]))
    assert (node.group_name, node.pools) == ("db_0_eu", {"server_db-0.eu"})
    hours = {"warn_window": timedelta(hours=14), "fail_window": timedelta(hours=18)}
    assert node.freshness_policy == dg.FreshnessPolicy.time_window(**hours)


def test_what_a_schedule_makes_may_be_as_old_as_that_lets_it_get(tmp_path: Path, loaded: Load) -> None:
    graph = loaded(chom_yaml(tmp_path, "chom", schedules={"drill": None})).resolve_asset_graph()
    policies = {node.key.path[-1]: node.freshness_policy for node in graph.asset_nodes}
    weekly = {"warn_window": timedelta(days=8), "fail_window": timedelta(days=15)}
    hourly = {"warn_window": timedelta(hours=2), "fail_window": timedelta(hours=3)}
    assert policies["verification_restore"] == dg.FreshnessPolicy.time_window(**weekly)
    assert policies["binlog_archive"] == dg.FreshnessPolicy.time_window(**hourly)
    assert policies["pitr_drill"] is None


def test_a_dump_of_hours_holds_up_no_archive_of_the_binary_log(tmp_path: Path, loaded: Load) -> None:
    graph = loaded(chom_yaml(tmp_path, "chom")).resolve_asset_graph()
    archive, backup = (graph.get(dg.AssetKey(["chom", kind])).pools for kind in ("binlog_archive", "full_backup"))
    assert (archive, backup) == ({"server_chom_binlog"}, {"server_chom"})


def test_the_longest_name_that_chom_yaml_takes_loads(tmp_path: Path, loaded: Load) -> None:
    dg.Definitions.validate_loadable(loaded(chom_yaml(tmp_path, "a" * 63)))


def test_a_hundred_servers_load(tmp_path: Path, loaded: Load) -> None:
    definitions = loaded(chom_yaml(tmp_path, *(f"db-{number:03d}" for number in range(100))))
    dg.Definitions.validate_loadable(definitions)
    assert len(keys(definitions)) == 901


def test_nothing_of_dagster_is_imported_that_it_does_not_export() -> None:
    sources = (ROOT / "chom_pipelines").rglob("*.py")
    assert [source for source in sources if "dagster._" in source.read_text()] == []


@pytest.mark.parametrize(("value", "status"), [("", "STOPPED"), ("stopped", "STOPPED"), ("running", "RUNNING")])
def test_schedules_run_only_where_the_environment_says_so(
    tmp_path: Path,
    loaded: Load,
    value: str,
    status: str,
) -> None:
    definitions = loaded(chom_yaml(tmp_path, "chom"), CHOM_SCHEDULES=value)
    found = [each for each in definitions.schedules or () if isinstance(each, dg.ScheduleDefinition)]
    assert [each.default_status.name for each in found] == [status] * 7
    assert [each.default_status.name for each in definitions.sensors or ()] == [status] * 2


def test_a_mistake_in_the_switch_of_the_schedules_is_refused(tmp_path: Path, loaded: Load) -> None:
    with pytest.raises(ConfigurationError, match=r"\$CHOM_SCHEDULES: there is no 'on'"):
        loaded(chom_yaml(tmp_path, "chom"), CHOM_SCHEDULES="on")


def test_without_any_configuration_a_bare_dagster_dev_loads_and_says_what_to_do(
    tmp_path: Path,
    loaded: Load,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.chdir(tmp_path)
    definitions = loaded(None)
    dg.Definitions.validate_loadable(definitions)
    assert keys(definitions) == {"no_chom_yaml"}
    node = definitions.resolve_asset_graph().get(dg.AssetKey("no_chom_yaml"))
    assert f"{tmp_path}/chom.yaml does not exist" in (node.description or "")
    assert "chom.example.yaml" in caplog.text


def test_a_configuration_that_is_named_and_not_there_is_an_error(tmp_path: Path, loaded: Load) -> None:
    with pytest.raises(ConfigurationError, match="there is no such configuration"):
        loaded(tmp_path / "elsewhere.yaml")


def test_an_invalid_configuration_fails_the_code_location_with_file_line_and_key(tmp_path: Path, loaded: Load) -> None:
    config = chom_yaml(tmp_path, "chom", bakcup={})
    with pytest.raises(ConfigurationError, match=rf"(?s){config}:\d+.*unknown key; did you mean backup\?"):
        loaded(config)


def test_the_code_location_loads_as_its_server_loads_it(tmp_path: Path) -> None:
    """By `dagster definitions validate`, with the workspace that services use."""
    home, config = tmp_path / "home", chom_yaml(tmp_path, "chom")
    home.mkdir()
    ours = {"DAGSTER_HOME": str(home), "DAGSTER_DISABLE_TELEMETRY": "1", "CHOM_CONFIG": str(config)}
    found = subprocess.run(
        [sys.executable, "-m", "dagster", "definitions", "validate", "-w", str(ROOT / "workspace.yaml")],
        env={**os.environ, **ours},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (found.returncode, "All code locations passed validation" in found.stderr + found.stdout) == (0, True)


def test_importing_the_module_reads_the_configuration_of_its_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHOM_CONFIG", str(chom_yaml(tmp_path, "chom")))
    again: ModuleType = importlib.reload(module)
    assert "chom/full_backup" in keys(again.defs)
    monkeypatch.undo()
    importlib.reload(module)
