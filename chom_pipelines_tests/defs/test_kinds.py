"""What servers share of a kind of asset, and what each has for itself."""

from collections.abc import Mapping
from pathlib import Path

import dagster as dg
import pytest
import yaml

from chom_pipelines.definitions import deployment
from chom_pipelines.inventory.loading import load_inventory
from chom_pipelines_tests.deployments import Deployment, check_outcomes, today
from chom_pipelines_tests.logical.samples import library
from chom_pipelines_tests.servers import PrivateServer

NAMES = ("chom-1", "chom-2")
KINDS = ("full_backup", "verification_restore")


def chom_yaml(directory: Path, **servers: Mapping[str, object]) -> Path:
    """Of these servers."""
    path = directory / "chom.yaml"
    listed = [{"name": name, **server} for name, server in servers.items()]
    path.write_text(yaml.safe_dump({"repository": {"path": "repository"}, "servers": listed}))
    return path


def deployed(config: Path) -> dg.Definitions:
    return deployment(load_inventory(config), config, dg.DefaultScheduleStatus.STOPPED)


@pytest.fixture
def unreachable(tmp_path: Path) -> dg.Definitions:
    address = {"host": "db.invalid", "user": "u", "password": {"env": "NOT_SET"}}
    return deployed(chom_yaml(tmp_path, **dict.fromkeys(NAMES, address)))


@pytest.fixture
def two(mariadb: PrivateServer, tmp_path: Path) -> tuple[Path, dict[str, str]]:
    """A chom.yaml of two servers, and the database that each has: they are in truth one, asked for different ones."""
    (tmp_path / "password").write_text(mariadb.backup.password)
    databases = {name: library(mariadb) for name in NAMES}
    config = chom_yaml(
        tmp_path,
        **{
            name: {
                "host": mariadb.backup.host,
                "port": mariadb.backup.port,
                "user": mariadb.backup.user,
                "password": {"file": "password"},
                "databases": [database],
            }
            for name, database in databases.items()
        },
    )
    return config, databases


def asset(definitions: dg.Definitions, name: str, kind: str) -> dg.AssetsDefinition:
    return definitions.resolve_assets_def(dg.AssetKey([name, kind]))


def checks(definitions: dg.Definitions, name: str) -> dg.AssetsDefinition:
    key = dg.AssetCheckKey(dg.AssetKey([name, "full_backup"]), "archive_integrity")
    return definitions.resolve_asset_graph().assets_def_for_key(key)


def test_all_servers_share_what_a_kinds_op_does_and_how_it_is_configured(unreachable: dg.Definitions) -> None:
    first, second = (
        [*(asset(unreachable, name, kind).op for kind in KINDS), checks(unreachable, name).op] for name in NAMES
    )
    for mine, other in zip(first, second, strict=True):
        assert mine.compute_fn is other.compute_fn
        assert mine.config_schema is other.config_schema
        assert mine.output_defs is other.output_defs
        assert mine.name != other.name


def test_each_server_has_its_own_names_in_a_runs_configuration(unreachable: dg.Definitions) -> None:
    job = unreachable.resolve_job_def("full_backup_job")
    ops = ["full_backup", "full_backup_checks"]
    assert {node.name for node in job.nodes} == {f"{name}__{op}" for name in ("chom_1", "chom_2") for op in ops}
    assert dg.validate_run_config(job, {"ops": {"chom_1__full_backup": {"config": {"threads": 2}}}})
    with pytest.raises(dg.DagsterInvalidConfigError, match="chom_3__full_backup"):
        dg.validate_run_config(job, {"ops": {"chom_3__full_backup": {"config": {"threads": 2}}}})


def test_backups_wait_for_those_of_their_server_and_restores_for_the_machine(unreachable: dg.Definitions) -> None:
    pools = {name: [asset(unreachable, name, kind).op.pools for kind in KINDS] for name in NAMES}
    assert pools == {name: [{f"server_{name}"}, {"scratch_servers"}] for name in NAMES}
    assert checks(unreachable, "chom-1").op.pools == set()


def test_in_one_run_each_asset_is_of_its_own_server(two: tuple[Path, dict[str, str]], tmp_path: Path) -> None:
    config, databases = two
    result = (
        deployed(config)
        .resolve_job_def("full_backup_job")
        .execute_in_process(
            run_config={"ops": {"chom_2__full_backup": {"config": {"verification": "none"}}}},
            partition_key=today(),
        )
    )
    assert result.success
    for name, proofs in zip(NAMES, (1, 0), strict=True):
        (entry,) = Deployment(tmp_path, name).entries()
        assert {table.database for table in entry.manifest(None).logical.tables} == {databases[name]}
        assert len(entry.proofs(None)) == proofs


def test_checks_and_restores_are_of_their_own_servers_backup(two: tuple[Path, dict[str, str]], tmp_path: Path) -> None:
    config, _ = two
    Deployment(tmp_path, "chom-2").run("full_backup_job", "full_backup")
    definitions = deployed(config)
    found = {
        name: dg.materialize(
            [checks(definitions, name)],
            selection=dg.AssetSelection.all_asset_checks(),
        )
        for name in NAMES
    }
    assert {check_outcomes(found["chom-1"])[check] for check in ("archive_integrity", "every_table_present")} == {
        (False, "WARN", "not_verified")
    }
    assert check_outcomes(found["chom-2"])["archive_integrity"] == (True, "ERROR", "passed")
    assert not Deployment(tmp_path, "chom-1").run("verification_job", "verification_restore").success
    assert Deployment(tmp_path, "chom-2").run("verification_job", "verification_restore").success
