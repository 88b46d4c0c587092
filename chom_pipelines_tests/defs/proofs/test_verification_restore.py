"""`verification_restore` as Dagster runs it."""

from pathlib import Path

import dagster as dg
import pytest

from chom_pipelines.outcome import Outcome
from chom_pipelines.repository.proof import Level
from chom_pipelines_tests.deployments import NAME, Deployment, back_up, check_outcomes, failure, metadata
from chom_pipelines_tests.logical.samples import library
from chom_pipelines_tests.places import path_of
from chom_pipelines_tests.servers import PrivateServer

PASSED = (True, "ERROR", "passed")
NOT_VERIFIED = (False, "WARN", "not_verified")


@pytest.fixture
def deployed(mariadb: PrivateServer, tmp_path: Path) -> Deployment:
    return Deployment.of(tmp_path, mariadb, (library(mariadb),), verification="none")


def verified(deployed: Deployment) -> dg.ExecuteInProcessResult:
    entries = deployed.entries()
    day = f"{entries[-1].time:%Y-%m-%d}" if entries else None
    return deployed.run("verification_job", "verification_restore", day=day, threads=2)


@pytest.mark.long_on_mysql
def test_a_materialisation_is_a_backup_that_was_restored_and_is_identical(
    server: PrivateServer, tmp_path: Path
) -> None:
    deployed = Deployment.of(tmp_path, server, (library(server),), verification="none")
    back_up(deployed)
    back_up(deployed)
    result = verified(deployed)
    assert result.success
    earlier, newest = deployed.entries()
    (record,) = newest.proofs(None)
    assert record.proof
    assert (record.proof.level, record.proof.outcome) == (Level.FULL, Outcome.PASSED)
    assert earlier.proofs(None) == []
    shown = metadata(result)
    assert (shown["backup"], shown["outcome"], shown["tables"], shown["rows"]) == (newest.id, "passed", 3, 9)
    assert type(shown["restore_seconds"]) is float
    assert "predicted_restore_seconds" not in shown  # nothing was measured before it
    again = metadata(verified(deployed))
    assert again["restore_by_prediction"] == pytest.approx(
        again["restore_seconds"] / again["predicted_restore_seconds"], rel=0.2
    )
    assert check_outcomes(result) == {
        "archive_integrity": PASSED,
        "every_table_present": PASSED,
        "content_identical": PASSED,
    }


def test_a_damaged_backup_is_no_materialisation_and_its_checks_stay(deployed: Deployment) -> None:
    back_up(deployed)
    (entry,) = deployed.entries()
    stored = next(iter(sorted(path_of(entry).glob("data/*"))))
    stored.write_bytes(stored.read_bytes()[:-1])
    result = verified(deployed)
    failed = failure(result)
    assert stored.name in failed.description
    assert failed.metadata["outcome"] == "failed"
    assert result.get_asset_materialization_events() == []
    outcomes = check_outcomes(result)
    assert outcomes["archive_integrity"] == outcomes["content_identical"] == (False, "ERROR", "failed")
    assert outcomes["every_table_present"] == NOT_VERIFIED


def test_what_a_verification_finds_is_what_the_backups_own_checks_say_from_then_on(deployed: Deployment) -> None:
    def status(instance: dg.DagsterInstance) -> str:
        key = dg.AssetCheckKey(dg.AssetKey([NAME, "full_backup"]), "archive_integrity")
        return instance.event_log_storage.get_latest_asset_check_execution_by_key([key])[key].status.value

    with dg.DagsterInstance.ephemeral() as instance:
        deployed.run("full_backup_job", "full_backup", instance=instance, verification="basic")
        assert status(instance) == "SUCCEEDED"
        (entry,) = deployed.entries()
        stored = next(iter(sorted(path_of(entry).glob("data/*"))))
        whole = stored.read_bytes()
        stored.write_bytes(whole[:-1])
        deployed.run("verification_job", "verification_restore", instance=instance)
        assert status(instance) == "FAILED"
        stored.write_bytes(whole)
        assert deployed.run("verification_job", "verification_restore", instance=instance).success
        assert status(instance) == "SUCCEEDED"


def test_without_a_server_to_restore_on_nothing_is_verified(
    deployed: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    back_up(deployed)
    monkeypatch.setenv("CHOM_MARIADBD", "/nowhere/mariadbd")
    result = verified(deployed)
    assert "not_verified" in failure(result).description
    assert result.get_asset_materialization_events() == []
    outcomes = check_outcomes(result)
    assert outcomes["archive_integrity"] == PASSED  # it was read before a server was looked for
    assert outcomes["content_identical"] == NOT_VERIFIED


def test_a_manifest_that_cannot_be_read_fails_and_nothing_else_is_claimed(deployed: Deployment) -> None:
    back_up(deployed)
    (entry,) = deployed.entries()
    (path_of(entry) / "manifest.json").write_text("{}")
    result = verified(deployed)
    assert not result.success
    outcomes = check_outcomes(result)
    assert outcomes["archive_integrity"] == outcomes["content_identical"] == (False, "ERROR", "failed")
    assert outcomes["every_table_present"] == NOT_VERIFIED


def test_a_repository_that_is_not_there_is_to_be_mounted_and_not_written(deployed: Deployment) -> None:
    assert "mount it" in failure(verified(deployed)).description
    assert not path_of(deployed.repository).exists()


def test_a_day_without_a_backup_fails_and_names_the_one_that_there_is(deployed: Deployment) -> None:
    deployed.repository.create()
    assert "nor of any other day" in failure(verified(deployed)).description
    back_up(deployed)
    (entry,) = deployed.entries()
    result = deployed.run("verification_job", "verification_restore", day="2026-01-02")
    failed = failure(result)
    assert "there is no backup of 2026-01-02" in failed.description
    assert entry.id in failed.description
    assert result.get_asset_check_evaluations() == []
