"""`full_backup` as Dagster runs it, on both servers."""

from pathlib import Path

import dagster as dg
import pytest

from chom_pipelines.outcome import Outcome
from chom_pipelines.repository.codecs import Codec
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.master_keys import KeyKind
from chom_pipelines.repository.proof import Level
from chom_pipelines.server.identifiers import quote
from chom_pipelines_tests.deployments import NAME, Deployment, back_up, check_outcomes, failure, metadata
from chom_pipelines_tests.logical.samples import library
from chom_pipelines_tests.places import path_of
from chom_pipelines_tests.servers import PrivateServer


@pytest.fixture
def deployed(mariadb: PrivateServer, tmp_path: Path) -> Deployment:
    return Deployment.of(tmp_path, mariadb, (library(mariadb),))


def test_a_materialisation_is_a_proved_backup_in_the_repository(server: PrivateServer, tmp_path: Path) -> None:
    deployed = Deployment.of(tmp_path, server, (library(server),))
    result = back_up(deployed)
    assert result.success
    (entry,) = deployed.entries()
    manifest, (proof,) = entry.manifest(None), entry.proofs(None)
    assert proof.proof is not None
    assert (proof.proof.level, proof.proof.outcome) == (Level.BASIC, Outcome.PASSED)
    shown = metadata(result)
    assert shown["backup"] == entry.id
    assert shown["directory"] == entry.where
    assert shown["verification"] == "basic: passed"
    assert (shown["tables"], shown["rows"]) == (len(manifest.logical.tables), manifest.logical.rows) == (3, 9)
    assert shown["manifest"]["id"] == entry.id
    assert [row["rows"] for row in shown["largest_tables"]] == [3, 3, 3]


def test_a_physical_backup_is_one_too(deployed: Deployment) -> None:
    result = back_up(deployed, method="physical", verification="full")
    assert result.success
    (entry,) = deployed.entries()
    shown = metadata(result)
    assert shown["verification"] == "full: passed"
    assert shown["tables"] == entry.manifest(None).physical.tables > 0
    assert shown["manifest"]["payload"]["method"] == "physical"
    assert "largest_tables" not in shown
    assert check_outcomes(result)["archive_integrity"][0]
    assert check_outcomes(result)["every_table_present"][0]


def test_what_is_worth_plotting_is_a_number(deployed: Deployment) -> None:
    shown = metadata(back_up(deployed))
    plotted = ("data_mb", "stored_mb", "compression_ratio", "seconds", "mb_per_second", "rows", "tables")
    assert {type(shown[name]) for name in (*plotted, "verification_seconds")} <= {int, float}


def test_the_run_says_what_counts_over_the_configuration(deployed: Deployment) -> None:
    result = back_up(deployed, compression="gzip", level=9, threads=1, verification="full")
    (entry,) = deployed.entries()
    manifest, (record,) = entry.manifest(None), entry.proofs(None)
    assert ({stored.codec for stored in manifest.objects}, manifest.logical.level) == ({Codec.GZIP}, 9)
    assert record.proof
    assert record.proof.level is Level.FULL
    assert metadata(result)["verification"] == "full: passed"


def test_a_backup_that_was_not_to_be_verified_is_shown_as_not_verified(deployed: Deployment) -> None:
    result = back_up(deployed, verification="none")
    assert result.success
    assert metadata(result)["verification"] == "none"
    assert check_outcomes(result)["archive_integrity"] == (False, "WARN", "not_verified")
    assert check_outcomes(result)["every_table_present"] == (False, "WARN", "not_verified")


@pytest.mark.parametrize(
    ("config", "complaint"),
    [
        ({"type": "incremental"}, "full_backup is of full backups, and not of incremental"),
        ({"type": "binlog"}, "full_backup is of full backups, and not of binlog"),
        ({"method": "snapshot"}, "method in the run configuration"),
        ({"compression": "lzma"}, "compression in the run configuration"),
        ({"level": 23}, "level in the run configuration: zstd has levels 1 to 22"),
        ({"compression": "xz", "level": 12}, "level in the run configuration: xz has levels 0 to 9"),
        ({"threads": -1}, "threads in the run configuration"),
        ({"verification": "some"}, "verification in the run configuration"),
        ({"encrypt": True}, "encrypt in the run configuration: nothing to encrypt with"),
    ],
)
def test_what_cannot_be_done_is_refused_before_anything_is_begun(
    deployed: Deployment, config: dict[str, object], complaint: str
) -> None:
    failed = failure(back_up(deployed, **config))
    assert complaint in failed.description
    assert failed.metadata["kind"] == "ConfigurationError"
    assert not path_of(deployed.repository).exists()


def test_a_second_copy_that_cannot_be_reached_keeps_no_backup_from_being_taken(
    mariadb: PrivateServer, tmp_path: Path
) -> None:
    deployed = Deployment.of(tmp_path, mariadb, (library(mariadb),))
    deployed.write(deployed.written, offsite={"url": "s3://acme/chom", "endpoint_url": "http://127.0.0.1:1"})
    assert back_up(deployed).success


def test_a_past_day_is_refused(deployed: Deployment) -> None:
    failed = failure(deployed.run("full_backup_job", "full_backup", day="2026-01-02"))
    assert "2026-01-02 is not today" in failed.description
    assert not path_of(deployed.repository).exists()


def test_a_failure_says_what_failed_and_what_to_do(deployed: Deployment) -> None:
    (deployed.directory / "password").write_text("wrong")
    failed = failure(back_up(deployed))
    assert failed.metadata["kind"] == "AccessDeniedError"
    assert str(failed.metadata["what"]) in failed.description
    assert str(failed.metadata["remedy"]) in failed.description
    assert deployed.entries() == []


def test_no_secret_is_in_what_dagster_keeps(deployed: Deployment, tmp_path_factory: pytest.TempPathFactory) -> None:
    keys = deployed.directory / "keys.json"
    Keyring().generate("first", KeyKind.AES_256).save(keys)
    text = deployed.config.read_text()
    encryption = f"repository:\n  encryption: {{keys: {{file: {keys}}}}}\n"
    deployed.config.write_text(text.replace("repository:\n", encryption))
    home = tmp_path_factory.mktemp("home")
    with dg.DagsterInstance.local_temp(str(home)) as instance:
        result = deployed.run("full_backup_job", "full_backup", instance=instance)
    assert metadata(result)["encryption"] == "key first"
    (entry,) = deployed.entries()
    data_key = entry.data_key(Keyring.load(keys))
    assert data_key
    wrapped = entry.peek()["key"]["wrapped"]
    secrets = [(deployed.directory / "password").read_text(), data_key.mac.hex(), data_key.encryption.hex(), wrapped]
    kept = [path.read_bytes() for path in home.rglob("*") if path.is_file()]
    assert any(entry.id.encode() in data for data in kept)
    assert [secret for secret in secrets if any(secret.encode() in data for data in kept)] == []


def test_who_may_encrypt_but_not_read_sees_the_backup_and_that_it_is_not_verified(deployed: Deployment) -> None:
    keys = deployed.directory / "keys.json"
    private = Keyring().generate("vault", KeyKind.RSA)
    private.without_private().save(keys)
    text = deployed.config.read_text()
    encryption = f"repository:\n  encryption: {{keys: {{file: {keys}}}}}\n"
    deployed.config.write_text(text.replace("repository:\n", encryption))
    result = back_up(deployed)
    assert result.success
    assert metadata(result)["rows"] == 9
    assert metadata(result)["verification"].startswith("basic: not_verified")
    outcomes = check_outcomes(result)
    assert outcomes.pop("recent_enough") == (False, "WARN", "not_verified")  # a plant cannot be told from it
    assert set(outcomes.values()) == {(False, "WARN", "not_verified")}
    (entry,) = deployed.entries()
    assert entry.manifest(private).logical.rows == 9


def test_a_warning_of_the_backup_is_in_the_log_of_the_run(mariadb: PrivateServer, tmp_path: Path) -> None:
    database = mariadb.fresh_database()
    with mariadb.connect() as session:
        session.execute(f"CREATE TABLE {quote(database)}.t (id INT) ENGINE=MyISAM")
    deployed = Deployment.of(tmp_path, mariadb, (database,))
    home = tmp_path / "home"
    home.mkdir()
    with dg.DagsterInstance.local_temp(str(home)) as instance:
        result = deployed.run("full_backup_job", "full_backup", instance=instance)
        lines = [record.event_log_entry.user_message for record in instance.get_records_for_run(result.run_id).records]
    assert any("engines without transactions" in line for line in lines)


def test_servers_whose_names_dagster_does_not_take_are_told_apart(deployed: Deployment) -> None:
    definitions = deployed.definitions()
    asset = definitions.resolve_assets_def(dg.AssetKey([NAME, "full_backup"]))
    assert asset.op.name == "chom_1__full_backup"
    assert asset.op.pool == f"server_{NAME}"
    spec = asset.get_asset_spec()
    assert spec.group_name == "chom_1"
    assert spec.tags["chom/server"] == NAME
