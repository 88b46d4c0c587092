"""The checks of full backups, on real backups and real damage."""

from collections.abc import Collection, Sequence
from pathlib import Path

import dagster as dg
import pytest
import yaml

from chom_pipelines.defs.resources import Chom
from chom_pipelines.errors import DiskFullError
from chom_pipelines.progress import Report
from chom_pipelines.proofs.verification import verify
from chom_pipelines.repository.entry import BackupEntry
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.master_keys import KeyKind
from chom_pipelines.repository.proof import Level, Proof
from chom_pipelines.restores.predicting import Rate
from chom_pipelines.server.identifiers import quote
from chom_pipelines_tests.deployments import NAME, Deployment, back_up, check_outcomes, failure, metadata
from chom_pipelines_tests.logical.samples import library
from chom_pipelines_tests.logical.taking import filled
from chom_pipelines_tests.places import path_of
from chom_pipelines_tests.servers import PrivateServer

PASSED = (True, "ERROR", "passed")
FAILED = (False, "ERROR", "failed")
NOT_VERIFIED = (False, "WARN", "not_verified")


@pytest.fixture
def database(mariadb: PrivateServer) -> str:
    return library(mariadb)


@pytest.fixture
def deployed(mariadb: PrivateServer, database: str, tmp_path: Path) -> Deployment:
    return Deployment.of(tmp_path, mariadb, (database,))


def asked(deployed: Deployment, *names: str) -> Sequence[dg.AssetCheckEvaluation]:
    """Run the checks alone, as their button in the UI does."""
    (checks,) = deployed.definitions().asset_checks or ()
    assert isinstance(checks, dg.AssetChecksDefinition)
    keys = [dg.AssetCheckKey(dg.AssetKey([NAME, "full_backup"]), name) for name in names]
    result = dg.materialize(
        [checks],
        selection=dg.AssetSelection.checks(*keys) if keys else dg.AssetSelection.all_asset_checks(),
        resources={"chom": Chom(config=str(deployed.config))},
        raise_on_error=False,
    )
    return result.get_asset_check_evaluations()


def test_a_backup_that_was_read_back_passes_and_the_first_size_is_not_verified(deployed: Deployment) -> None:
    assert check_outcomes(back_up(deployed)) == {
        "archive_integrity": PASSED,
        "every_table_present": PASSED,
        "recent_enough": PASSED,
        "size_against_history": NOT_VERIFIED,
    }
    assert check_outcomes(back_up(deployed))["size_against_history"] == PASSED


def test_where_every_backup_is_restored_its_content_is_checked(
    mariadb: PrivateServer, database: str, tmp_path: Path
) -> None:
    deployed = Deployment.of(tmp_path, mariadb, (database,), verification="full")
    assert check_outcomes(back_up(deployed))["content_identical"] == PASSED
    result = back_up(deployed, verification="basic")
    assert result.success
    assert check_outcomes(result)["content_identical"] == NOT_VERIFIED


def test_a_backup_of_half_the_size_fails_its_check_and_names_what_is_gone(
    mariadb: PrivateServer, database: str, deployed: Deployment
) -> None:
    with mariadb.connect() as session:
        session.execute(f"CREATE TABLE {quote(database)}.large (id INT PRIMARY KEY, text VARCHAR(200))")
        filled(session, f"{quote(database)}.large", 2_000, "n, SHA2(n, 256)")
    back_up(deployed)
    with mariadb.connect() as session:
        session.execute(f"DROP TABLE {quote(database)}.large")
    result = back_up(deployed)
    assert result.success  # the backup itself is proved
    (size,) = [each for each in result.get_asset_check_evaluations() if each.check_name == "size_against_history"]
    assert (size.passed, size.metadata["outcome"].value) == (False, "failed")
    assert f"{database}.large: 2000 rows" in str(size.metadata["failures"])


def test_damage_that_a_verification_found_fails_the_check_and_names_the_object(deployed: Deployment) -> None:
    back_up(deployed)
    (entry,) = deployed.entries()
    stored = next(path for path in sorted(path_of(entry).glob("data/*")))
    data = stored.read_bytes()
    stored.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    deployed.run("verification_job", "verification_restore")
    found = {each.check_name: each for each in asked(deployed)}
    assert (found["archive_integrity"].passed, found["archive_integrity"].severity) == (
        False,
        dg.AssetCheckSeverity.ERROR,
    )
    assert stored.name in str(found["archive_integrity"].metadata["failures"])
    assert found["every_table_present"].metadata["outcome"].value == "not_verified"


def test_a_manifest_that_was_changed_fails(deployed: Deployment) -> None:
    back_up(deployed)
    (entry,) = deployed.entries()
    manifest = path_of(entry) / "manifest.json"
    manifest.write_bytes(manifest.read_bytes().replace(b'"rows": 3', b'"rows": 4', 1))
    found = {each.check_name: each.metadata["outcome"].value for each in asked(deployed)}
    assert (found.pop("archive_integrity"), found.pop("recent_enough")) == ("failed", "failed")
    assert set(found.values()) == {"not_verified"}


def test_a_proof_that_was_changed_is_not_believed(deployed: Deployment) -> None:
    back_up(deployed)
    (entry,) = deployed.entries()
    (record,) = entry.proofs(None)
    path_of(record).write_bytes(path_of(record).read_bytes().replace(b'"basic"', b'"full"'))
    (found,) = asked(deployed, "archive_integrity")
    assert (found.passed, found.metadata["outcome"].value) == (False, "failed")
    assert path_of(record).name in str(found.description)


def test_a_check_that_is_executed_reads_and_repeats_no_earlier_proof(deployed: Deployment) -> None:
    back_up(deployed)
    (entry,) = deployed.entries()
    (found,) = asked(deployed, "archive_integrity")
    assert found.passed
    assert len(entry.proofs(None)) == 2
    stored = next(path for path in sorted(path_of(entry).glob("data/*")))
    data = stored.read_bytes()
    stored.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    for name, outcome in (("archive_integrity", "failed"), ("every_table_present", "not_verified")):
        (found,) = asked(deployed, name)
        assert (found.passed, found.metadata["outcome"].value) == (False, outcome)
    assert len(entry.proofs(None)) == 4


def test_in_the_run_that_took_the_backup_it_is_read_once(deployed: Deployment) -> None:
    back_up(deployed)
    (entry,) = deployed.entries()
    assert len(entry.proofs(None)) == 1


def test_a_plain_backup_fails_where_there_are_keys_unless_the_server_takes_plain_ones(
    mariadb: PrivateServer, database: str, tmp_path: Path
) -> None:
    deployed = Deployment.of(tmp_path, mariadb, (database,))
    server = yaml.safe_load(deployed.config.read_text())["servers"][0]
    assert server.pop("name") == NAME
    Keyring().generate("first", KeyKind.AES_256).save(tmp_path / "keys.json")
    assert metadata(back_up(deployed))["verification"] == "basic: passed"
    deployed.write(server, encryption={"keys": {"file": "keys.json"}})
    found = {each.check_name: each.metadata["outcome"].value for each in asked(deployed)}
    assert found["archive_integrity"] == "failed"
    assert "nobody would believe a backup" in failure(back_up(deployed, encrypt=False)).description
    assert len(deployed.entries()) == 1
    (refused,) = asked(deployed, "archive_integrity")
    assert "is not encrypted" in str(refused.description)
    server["backup"]["encrypt"] = False
    deployed.write(server, encryption={"keys": {"file": "keys.json"}})
    (believed,) = asked(deployed, "archive_integrity")
    assert believed.passed


def test_without_any_backup_nothing_is_verified_and_the_server_is_overdue(deployed: Deployment) -> None:
    deployed.repository.create()
    found = {each.check_name: each.metadata["outcome"].value for each in asked(deployed)}
    assert found.pop("recent_enough") == "failed"
    assert set(found.values()) == {"not_verified"}
    assert len(found) == 3


def test_a_folder_of_a_later_date_makes_no_server_recent(deployed: Deployment) -> None:
    deployed.repository.create()
    planted = deployed.directory / "repository" / NAME / "backups" / "full_20990101_000000"
    planted.mkdir(parents=True)
    (planted / "manifest.json").write_text("{}")
    (found,) = asked(deployed, "recent_enough")
    assert found.metadata["outcome"].value == "failed"
    assert "can be believed" in str(found.description)


def test_each_check_can_be_asked_alone(deployed: Deployment) -> None:
    back_up(deployed)
    (found,) = asked(deployed, "every_table_present")
    assert found.passed
    assert found.description == "3 tables, 9 rows in the archive; proved 0 min ago"


def test_an_earlier_backup_that_cannot_be_read_is_no_measure_and_is_counted(deployed: Deployment) -> None:
    back_up(deployed)
    back_up(deployed)
    (path_of(deployed.entries()[0]) / "manifest.json").write_text("{}")
    (size,) = asked(deployed, "size_against_history")
    assert size.metadata["outcome"].value == "not_verified"
    assert size.metadata["compared_with"].value == "0 backups, 1 unreadable"


def test_an_archive_that_fails_its_proof_fails_the_run(deployed: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    def spoiled(
        entry: BackupEntry,
        level: Level,
        keyring: Keyring | None,
        report: Report,
        *,
        threads: int = 0,
        rates: Collection[Rate] = (),
    ) -> Proof:
        """The disk keeps other bytes than were written."""
        stored = next(iter(sorted(path_of(entry).glob("data/*"))))
        stored.write_bytes(b"x" * stored.stat().st_size)
        return verify(entry, level, keyring, report, threads=threads, rates=rates)

    monkeypatch.setattr("chom_pipelines.proofs.verification.verify", spoiled)
    result = back_up(deployed)
    assert not result.success
    assert check_outcomes(result)["archive_integrity"] == FAILED
    assert metadata(result)["verification"].startswith("basic: failed")


def test_a_proof_that_cannot_be_kept_leaves_the_backup_and_says_not_verified(
    deployed: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_disk(*_: object, **__: object) -> Proof:
        raise DiskFullError("no space left in proofs", "make room")

    monkeypatch.setattr("chom_pipelines.proofs.verification.verify", full_disk)
    result = back_up(deployed)
    assert result.success
    assert len(deployed.entries()) == 1  # and not one for each retry
    assert check_outcomes(result)["archive_integrity"] == NOT_VERIFIED
    assert metadata(result)["verification"] == "basic: not_verified, no space left in proofs"
