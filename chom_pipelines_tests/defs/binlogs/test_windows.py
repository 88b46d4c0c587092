"""`recoverable_windows`, its checks, and the sensor that asks for a full backup where there is a gap."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest

from chom_pipelines.backups.archiving import archive_binary_log
from chom_pipelines.binlogs.archive import archiving
from chom_pipelines.defs.resources import Chom
from chom_pipelines.inventory.loading import load_inventory
from chom_pipelines.progress import unreported
from chom_pipelines.server.binlog_settings import SettingsNow, read_binlog_settings
from chom_pipelines.server.connection import Session
from chom_pipelines.server.facts import Flavour, ServerFacts
from chom_pipelines_tests.binlogs.archives import archived_server
from chom_pipelines_tests.binlogs.hours import Hours
from chom_pipelines_tests.deployments import NAME, Deployment, back_up, check_outcomes, metadata, today
from chom_pipelines_tests.places import path_of
from chom_pipelines_tests.servers import PrivateServer

WINDOWS = dg.AssetKey([NAME, "recoverable_windows"])
PASSED = (True, "ERROR", "passed")
FAILED = (False, "ERROR", "failed")
NOT_VERIFIED = (False, "WARN", "not_verified")
NOTHING_SINCE = "no binary log that follows a full backup is archived"


@pytest.fixture(scope="module")
def server() -> Iterator[PrivateServer]:
    with archived_server(Flavour.MARIADB) as found:
        yield found


@pytest.fixture(autouse=True)
def started_days_ago(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of hours before now are begun by SET timestamp: the server has to have been running then."""

    def settings(session: Session, facts: ServerFacts) -> SettingsNow:
        found = read_binlog_settings(session, facts)
        return replace(found, since=found.since - timedelta(days=2))

    monkeypatch.setattr(archiving, "read_binlog_settings", settings)


@pytest.fixture
def deployed(server: PrivateServer, tmp_path: Path) -> Deployment:
    return Deployment.of(tmp_path, server, ("shop",))


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as found:
        yield found


def archived(deployed: Deployment, hours: Hours, instance: dg.DagsterInstance | None = None) -> None:
    result = deployed.run("binlog_archive_job", "binlog_archive", day=hours.partition(-1), instance=instance)
    assert result.success


def looked(deployed: Deployment, instance: dg.DagsterInstance | None = None) -> dg.ExecuteInProcessResult:
    """Its button in the UI."""
    (windows,) = (
        each
        for each in deployed.definitions().assets or ()
        if isinstance(each, dg.AssetsDefinition) and each.key == WINDOWS
    )
    return dg.materialize(
        [windows],
        resources={"chom": Chom(config=str(deployed.config))},
        selection=[WINDOWS],
        instance=instance,
        raise_on_error=False,
    )


def told(instance: dg.DagsterInstance) -> dict[str, tuple[bool, str, str]]:
    """What the checks were last told to be."""
    keys = {name: dg.AssetCheckKey(WINDOWS, name) for name in ("exposure", "unbroken_archive")}
    found = instance.event_log_storage.get_latest_asset_check_execution_by_key(list(keys.values()))
    evaluations = {name: found[key].evaluation for name, key in keys.items() if key in found}
    return {
        name: (each.passed, each.severity.value, str(each.metadata["outcome"].value))
        for name, each in evaluations.items()
        if each
    }


def archive_until_now(deployed: Deployment) -> None:
    """As `chom backup --type incremental`."""
    inventory = load_inventory(deployed.config)
    archive_binary_log(inventory, inventory.server(), inventory.server().backup, unreported, close=True)


def broken(deployed: Deployment, hours: Hours, instance: dg.DagsterInstance) -> None:
    """Archive with a gap in it."""
    hours.close(-5)
    assert deployed.run("binlog_archive_job", "binlog_archive", day=hours.partition(-6), instance=instance).success
    for number in (-4, -3):
        hours.work(number)
        hours.close(number)
    hours.purge()
    archived(deployed, hours, instance)


def ticked(deployed: Deployment, instance: dg.DagsterInstance) -> tuple[list[dg.RunRequest], str]:
    """What the sensor asks for, and what it says where that is nothing."""
    definitions = deployed.definitions()
    sensor = definitions.resolve_sensor_def("binlog_gaps")
    with dg.build_sensor_context(
        instance=instance,
        repository_def=definitions.get_repository_def(),
        resources={"chom": Chom(config=str(deployed.config))},
    ) as context:
        found = sensor.evaluate_tick(context)
    return list(found.run_requests or ()), found.skip_message or ""


def test_the_intervals_gaps_and_numbers_are_what_the_repository_says(
    server: PrivateServer, deployed: Deployment
) -> None:
    hours = Hours.of(server, -2)
    back_up(deployed)
    archived(deployed, hours)
    result = looked(deployed)
    shown = metadata(result)
    (entry,) = deployed.entries()
    (interval,) = shown["windows"]
    assert interval["begins_with"] == entry.id
    assert interval["last_proof"].startswith(f"{entry.id} passed ")
    assert shown["gaps_in_the_archive"] == []
    assert (shown["intervals"], shown["gaps"], shown["full_backups"], shown["unusable"]) == (1, 0, 1, 0)
    assert shown["exposure_minutes"] <= 2
    assert "F" in shown["timeline"]
    assert check_outcomes(result) == {"exposure": PASSED, "unbroken_archive": PASSED}


def test_without_a_full_backup_nothing_can_be_restored(server: PrivateServer, deployed: Deployment) -> None:
    archived(deployed, Hours.of(server, -2))
    result = looked(deployed)
    assert result.success
    assert metadata(result)["timeline"] == "Nothing can be restored: there is no full backup."
    assert check_outcomes(result) == {"exposure": FAILED, "unbroken_archive": NOT_VERIFIED}


def test_each_run_that_backs_up_or_archives_tells_it(
    server: PrivateServer, deployed: Deployment, instance: dg.DagsterInstance
) -> None:
    hours = Hours.of(server, -2)
    back_up(deployed, instance=instance)
    assert told(instance) == {"exposure": PASSED, "unbroken_archive": NOT_VERIFIED}
    archived(deployed, hours, instance)
    assert told(instance) == {"exposure": PASSED, "unbroken_archive": PASSED}


def test_what_cannot_be_read_is_told_by_the_checks_and_fails_no_run(
    server: PrivateServer, deployed: Deployment, instance: dg.DagsterInstance
) -> None:
    hours = Hours.of(server, -2)
    archived(deployed, hours, instance)
    (deployed.directory / "repository" / NAME / "backups").write_text("not a directory")
    again = deployed.run("binlog_archive_job", "binlog_archive", day=hours.partition(-1), instance=instance)
    assert again.success
    assert told(instance) == dict.fromkeys(("exposure", "unbroken_archive"), NOT_VERIFIED)


def test_a_gap_asks_for_a_full_backup_once_and_that_mends_it(
    server: PrivateServer, deployed: Deployment, instance: dg.DagsterInstance
) -> None:
    hours = Hours.of(server, -6)
    broken(deployed, hours, instance)
    assert told(instance)["unbroken_archive"] == FAILED
    again = deployed.run("binlog_archive_job", "binlog_archive", day=hours.partition(-1), instance=instance)
    assert "take a full backup" in metadata(again)["unbroken_archive"]  # of a run that has found nothing new
    (request,), _ = ticked(deployed, instance)
    assert request.asset_selection == [dg.AssetKey([NAME, "full_backup"])]
    assert request.partition_key == today()
    assert request.tags["chom/server"] == NAME
    assert [each.run_key for each in ticked(deployed, instance)[0]] == [request.run_key]  # the daemon takes it once

    result = (
        deployed.definitions()
        .resolve_job_def("full_backup_job")
        .execute_in_process(
            partition_key=request.partition_key,
            asset_selection=list(request.asset_selection),
            tags=dict(request.tags),
            instance=instance,
        )
    )
    assert result.success
    assert told(instance)["unbroken_archive"] == NOT_VERIFIED  # nothing is archived since
    assert ticked(deployed, instance) == ([], "no archive has a gap that no full backup has mended")
    hours.work(0)
    archive_until_now(deployed)
    archived(deployed, hours, instance)
    assert told(instance)["unbroken_archive"] == PASSED


def test_a_server_that_began_its_files_anew_asks_for_a_full_backup(
    server: PrivateServer, deployed: Deployment, instance: dg.DagsterInstance
) -> None:
    hours = Hours.of(server, -2)
    back_up(deployed, instance=instance)
    archive_until_now(deployed)
    archived(deployed, hours, instance)
    assert told(instance)["unbroken_archive"] == PASSED
    time.sleep(1)  # the log tells whole seconds, and the files are to be begun after the backup
    with server.connect() as session:
        session.execute("RESET MASTER")
    archive_until_now(deployed)
    archived(deployed, hours, instance)
    assert told(instance)["unbroken_archive"] == FAILED
    assert len(ticked(deployed, instance)[0]) == 1


def test_while_a_full_backup_is_under_way_none_is_asked_for(
    server: PrivateServer, deployed: Deployment, instance: dg.DagsterInstance
) -> None:
    broken(deployed, Hours.of(server, -6), instance)
    job = deployed.definitions().resolve_job_def("full_backup_job")
    run = instance.create_run_for_job(
        job,
        status=dg.DagsterRunStatus.STARTED,
        asset_selection=frozenset([dg.AssetKey([NAME, "full_backup"])]),
    )
    requests, said = ticked(deployed, instance)
    assert requests == []
    assert said.startswith(f"{NAME}: a full backup is under way: mysql-bin.")
    instance.report_run_failed(run)
    assert len(ticked(deployed, instance)[0]) == 1


def test_a_request_that_failed_is_told_and_not_repeated(
    server: PrivateServer, deployed: Deployment, instance: dg.DagsterInstance
) -> None:
    broken(deployed, Hours.of(server, -6), instance)
    (request,), _ = ticked(deployed, instance)
    job = deployed.definitions().resolve_job_def("full_backup_job")
    instance.create_run_for_job(job, status=dg.DagsterRunStatus.FAILURE, tags=dict(request.tags))
    requests, said = ticked(deployed, instance)
    assert requests == []
    assert said.startswith(f"{NAME}: a full backup was asked for, and is FAILURE: mysql-bin.")


def test_a_gap_that_was_mended_elsewhere_is_told(
    server: PrivateServer, deployed: Deployment, instance: dg.DagsterInstance
) -> None:
    broken(deployed, Hours.of(server, -6), instance)
    back_up(deployed)  # this instance has not seen it
    assert ticked(deployed, instance) == ([], f"{NAME}: no full backup is needed: {NOTHING_SINCE}")
    assert told(instance)["unbroken_archive"] == NOT_VERIFIED


def test_one_server_that_cannot_be_looked_at_is_told(
    server: PrivateServer, deployed: Deployment, instance: dg.DagsterInstance
) -> None:
    broken(deployed, Hours.of(server, -6), instance)
    (deployed.directory / "repository").rename(deployed.directory / "elsewhere")
    requests, said = ticked(deployed, instance)
    assert requests == []
    assert said.startswith(f"{NAME}: cannot be looked at: there is no repository at")


def test_without_gaps_nothing_is_asked_for(deployed: Deployment, instance: dg.DagsterInstance) -> None:
    assert ticked(deployed, instance) == ([], "no archive has a gap that no full backup has mended")


def test_what_the_server_did_not_log_fails_the_check_and_a_full_backup_alone_is_not_asked_for(
    server: PrivateServer, deployed: Deployment, instance: dg.DagsterInstance
) -> None:
    back_up(deployed)
    with server.connect() as session:
        session.execute("SET GLOBAL binlog_format = 'STATEMENT'")
    try:
        archive_until_now(deployed)
        result = looked(deployed, instance)
        assert check_outcomes(result)["unbroken_archive"] == FAILED
        (row,) = metadata(result)["not_in_the_log"]
        assert row["what"].startswith("binlog_format = STATEMENT ")
        assert (row["certain"], row["mended"]) == (True, False)
        requests, said = ticked(deployed, instance)
        assert requests == []
        assert said.startswith(f"{NAME}: a full backup alone does not mend it: not in the log from ")
    finally:
        with server.connect() as session:
            session.execute("SET GLOBAL binlog_format = 'ROW'")
    archive_until_now(deployed)
    time.sleep(1)  # the log tells whole seconds, and the backup is to be of after it
    back_up(deployed)
    archive_until_now(deployed)
    result = looked(deployed)
    assert check_outcomes(result)["unbroken_archive"] == PASSED
    assert [row["mended"] for row in metadata(result)["not_in_the_log"]] == [True]


def test_damage_that_no_full_backup_mends_asks_for_none(
    server: PrivateServer, deployed: Deployment, instance: dg.DagsterInstance
) -> None:
    hours = Hours.of(server, -3)
    archived(deployed, hours, instance)
    archive_until_now(deployed)
    (history,) = deployed.repository.histories(NAME)
    last = deployed.repository.binlogs(NAME, history).entries()[-1]
    (path_of(last) / "manifest.json").write_text("{}")
    archived(deployed, hours, instance)
    assert told(instance)["unbroken_archive"] == FAILED
    requests, said = ticked(deployed, instance)
    assert requests == []
    assert said.startswith(f"{NAME}: a full backup alone does not mend it: segments that cannot be used: 1")
