"""`binlog_archive` as Dagster runs it: an hour that is in the archive is materialised, and no other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from chom_pipelines.defs.resources import Chom
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.master_keys import KeyKind
from chom_pipelines.server.facts import Flavour
from chom_pipelines_tests.binlogs.archives import Archive, archived_server
from chom_pipelines_tests.binlogs.hours import Hours
from chom_pipelines_tests.deployments import NAME, Deployment, failure, metadata, plain
from chom_pipelines_tests.logical.taking import Backups
from chom_pipelines_tests.servers import PrivateServer

ARCHIVE = dg.AssetKey([NAME, "binlog_archive"])
WINDOWS = dg.AssetKey([NAME, "recoverable_windows"])
UNBROKEN = dg.AssetCheckKey(WINDOWS, "unbroken_archive")


@pytest.fixture(scope="module", params=list(Flavour), ids=lambda flavour: flavour.value)
def server(request: pytest.FixtureRequest) -> Iterator[PrivateServer]:
    with archived_server(request.param) as found:
        yield found


@pytest.fixture
def deployed(server: PrivateServer, tmp_path: Path) -> Deployment:
    return Deployment.of(tmp_path, server, ("shop",))


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as found:
        yield found


def archived(
    deployed: Deployment, partition: str, instance: dg.DagsterInstance | None = None
) -> dg.ExecuteInProcessResult:
    return deployed.run("binlog_archive_job", "binlog_archive", day=partition, instance=instance)


def ticked(deployed: Deployment, hours: Hours, instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    """What the daemon does when the current hour begins: evaluate the schedule, and run what it asks for."""
    definitions = deployed.definitions()
    schedule = definitions.resolve_schedule_def("binlog_archive_schedule_0_x_x_x_x_UTC")
    with dg.build_schedule_context(
        scheduled_execution_time=hours.now,
        repository_def=definitions.get_repository_def(),
        resources={"chom": Chom(config=str(deployed.config))},
    ) as context:
        (request,) = schedule.evaluate_tick(context).run_requests or ()
    assert request.asset_selection == [ARCHIVE]
    return definitions.resolve_job_def("binlog_archive_job").execute_in_process(
        partition_key=request.partition_key,
        asset_selection=list(request.asset_selection),
        tags=dict(request.tags),
        instance=instance,
        raise_on_error=False,
    )


def told(instance: dg.DagsterInstance, partition: str) -> dict[str, Any]:
    """The metadata of the newest materialisation of an hour."""
    (record,) = instance.fetch_materializations(
        dg.AssetRecordsFilter(ARCHIVE, asset_partitions=[partition]), limit=1
    ).records
    assert record.asset_materialization
    return plain(record.asset_materialization.metadata)


@pytest.mark.parametrize("server", [Flavour.MARIADB], indirect=True)  # MySQL notes commits by its own clock
def test_a_materialisation_says_what_has_the_hour_and_what_was_added(
    server: PrivateServer, deployed: Deployment
) -> None:
    hours = Hours.of(server, -3)
    hours.work(-1.5)
    hours.close(-0.9)
    result = archived(deployed, hours.partition(-2))
    assert result.success
    shown = metadata(result)
    assert shown["covered_by"].startswith("mysql-bin.000001 from 4 to mysql-bin.000001 up to ")
    (row,) = shown["segments"]
    assert row["file"] == "mysql-bin.000001"
    assert row["begun"] == f"{hours.moment(-3):%Y-%m-%d %H:%M:%S}"
    assert row["until"] == f"{hours.moment(-0.9):%Y-%m-%d %H:%M:%S}"
    assert row["stored_bytes"] > 0
    assert (shown["transactions"], shown["new_transactions"], shown["new_segments"]) == (1, 1, 1)
    assert shown["exposure_minutes"] >= 54
    assert shown["gtids_after"] != shown["gtids_before"]
    plotted = ("new_segments", "new_transactions", "new_mb", "seconds", "exposure_minutes", "transactions")
    assert {type(shown[name]) for name in plotted} <= {int, float}
    (history,) = deployed.repository.histories(NAME)
    assert shown["directory"] == deployed.repository.binlogs(NAME, history).folder.where()


def test_a_backfill_of_an_hour_that_is_archived_adds_nothing_and_tells_what_has_it(
    server: PrivateServer, deployed: Deployment
) -> None:
    hours = Hours.of(server, -4)
    first = metadata(archived(deployed, hours.partition(-1)))
    for number in (-1, -3):
        again = metadata(archived(deployed, hours.partition(number)))
        assert again["new_segments"] == 0
        assert again["covered_by"] == first["covered_by"]


@pytest.mark.parametrize("server", [Flavour.MARIADB], indirect=True)  # MySQL notes commits by its own clock
def test_a_daemon_down_for_six_hours_then_one_tick(
    server: PrivateServer, deployed: Deployment, instance: dg.DagsterInstance
) -> None:
    """Everything is archived, and the partitions of those hours say what has them."""
    hours = Hours.of(server, -9)
    hours.work(-8.5)
    hours.close(-8)
    assert archived(deployed, hours.partition(-9), instance).success
    for number in range(-8, -2):  # nobody archives
        hours.work(number + 0.5)
        hours.close(number + 1)
    hours.work(-1.5)
    before = told(instance, hours.partition(-9))

    assert ticked(deployed, hours, instance).success

    partitions = [hours.partition(number) for number in range(-9, 0)]
    assert instance.get_materialized_partitions(ARCHIVE) == set(partitions)
    assert told(instance, partitions[0]) == before  # had a materialisation, and got no other
    for number in range(-8, -2):
        shown = told(instance, hours.partition(number))
        (own,) = (row for row in shown["segments"] if row["begun"] == f"{hours.moment(number):%Y-%m-%d %H:%M:%S}")
        assert own["transactions"] == 1
        assert own["file"] in shown["covered_by"]
        assert "new_segments" not in shown  # of the run that has added them
    assert told(instance, partitions[-1])["missed_hours_reported"] == 7
    assert told(instance, partitions[-1])["new_transactions"] == 7


def test_after_an_outage_hours_that_are_lost_stay_without_a_materialisation(
    server: PrivateServer, deployed: Deployment, instance: dg.DagsterInstance
) -> None:
    hours = Hours.of(server, -6)
    hours.close(-5)
    assert archived(deployed, hours.partition(-6), instance).success
    for number in (-5, -4):
        hours.work(number + 0.5)
        hours.close(number + 1)
    hours.purge()
    assert ticked(deployed, hours, instance).success
    assert instance.get_materialized_partitions(ARCHIVE) == {hours.partition(number) for number in (-6, -3, -2, -1)}


def test_an_hour_that_cannot_be_had_fails_with_the_reason_and_the_cost(
    server: PrivateServer, deployed: Deployment
) -> None:
    hours = Hours.of(server, -2.5)
    failed = failure(archived(deployed, hours.partition(-3)))
    assert "the archive begins at" in failed.description
    assert "only full backups can be restored" in failed.description
    assert failed.metadata["kind"] == "ArchiveBeginsError"


def test_the_first_tick_begins_the_archive_and_leaves_an_hour_missing_that_is_not_whole(
    server: PrivateServer, deployed: Deployment, instance: dg.DagsterInstance
) -> None:
    """Not failed: nothing mends that, and it would be red for ever."""
    hours = Hours.of(server, -0.5)
    for _ in range(2):  # a schedule may be due several times an hour
        assert ticked(deployed, hours, instance).success
    assert instance.get_materialized_partitions(ARCHIVE) == set()
    (history,) = deployed.repository.histories(NAME)
    assert deployed.repository.binlogs(NAME, history).entries()
    assert instance.fetch_materializations(WINDOWS, limit=1).records


def test_a_run_that_cannot_archive_a_file_fails_and_says_so(
    server: PrivateServer, deployed: Deployment, instance: dg.DagsterInstance
) -> None:
    hours = Hours.of(server, -3)
    deployed.run("full_backup_job", "full_backup", instance=instance)
    hours.close(0.001)
    source = Archive(server, Backups(deployed.directory))
    file = source.spoil()
    source.work("FLUSH BINARY LOGS")
    result = archived(deployed, hours.partition(-1), instance)
    failed = failure(result)
    assert failed.metadata["kind"] == "NotArchivedError"
    assert f"{file} is " in failed.description
    assert "take a full backup" in failed.description
    record = instance.event_log_storage.get_latest_asset_check_execution_by_key([UNBROKEN])[UNBROKEN]
    assert record.evaluation
    assert record.evaluation.metadata["outcome"].value == "failed"
    assert f"{file} is missing" in str(record.evaluation.description)


def test_an_hour_that_lacks_a_file_that_cannot_be_archived_says_why(
    server: PrivateServer, deployed: Deployment
) -> None:
    hours = Hours.of(server, -3)
    file = Archive(server, Backups(deployed.directory)).spoil()
    failed = failure(archived(deployed, hours.partition(-1)))
    assert f"{file} is not archived: " in failed.description
    assert "the archive begins at" in failed.description


def test_a_run_that_fails_still_tells_what_can_be_recovered(
    server: PrivateServer, deployed: Deployment, instance: dg.DagsterInstance
) -> None:
    hours = Hours.of(server, -2)
    deployed.run("full_backup_job", "full_backup", instance=instance)
    (deployed.directory / "password").write_text("wrong")
    assert not archived(deployed, hours.partition(-1), instance).success
    events = instance.fetch_materializations(WINDOWS, limit=5).records
    assert len(events) == 2  # of the backup, and of the archive that failed


def test_who_may_encrypt_but_not_read_archives_and_the_windows_are_not_verified(
    server: PrivateServer, deployed: Deployment, instance: dg.DagsterInstance
) -> None:
    Keyring().generate("vault", KeyKind.RSA).without_private().save(deployed.directory / "keys.json")
    text = deployed.config.read_text()
    encryption = "repository:\n  encryption: {keys: {file: keys.json}}\n"
    deployed.config.write_text(text.replace("repository:\n", encryption))
    hours = Hours.of(server, -3)
    for number in (-1, -2):
        assert archived(deployed, hours.partition(number), instance).success
    checks = [dg.AssetCheckKey(WINDOWS, name) for name in ("exposure", "unbroken_archive")]
    found = instance.event_log_storage.get_latest_asset_check_execution_by_key(checks)
    outcomes = {each.evaluation.metadata["outcome"].value for each in found.values() if each.evaluation}
    assert (len(found), outcomes) == (2, {"not_verified"})
