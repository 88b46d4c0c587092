"""The migrations on the rows of a backup: what an empty copy cannot show."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from chom_pipelines.cli.main import main
from chom_pipelines.inventory.loading import load_inventory
from chom_pipelines.migrations.checking import Mode
from chom_pipelines.migrations.findings import Severity
from chom_pipelines.outcome import Outcome
from chom_pipelines.server.connection import Session
from chom_pipelines_tests.migrations.checked import ACCEPT, check_of, make_database
from chom_pipelines_tests.migrations.laravel_app import LaravelApp, laravel_app
from chom_pipelines_tests.migrations.test_laravel import artisan
from chom_pipelines_tests.servers import PrivateServer

DATABASE = "deep_shop"
LOOP = """
foreach (DB::table('users')->get() as $user) {
    if ($user->email === 'odd') { throw new Exception('a row that nobody has thought of'); }
}
"""


@pytest.fixture
def app(server: PrivateServer, tmp_path: Path) -> Iterator[LaravelApp]:
    make_database(server.root, DATABASE, ())
    made = laravel_app(tmp_path / "app", socket=server.root.socket or "", database=DATABASE)
    made.migration(
        "2024_01_01_000000_users",
        "Schema::create('users', function (Blueprint $t) { $t->id(); $t->string('email'); });",
    )
    artisan(made, "migrate", "--force")
    with Session(server.root) as session:
        session.execute(f"INSERT INTO {DATABASE}.users (email) VALUES ('usual'), ('odd')")
        body = {
            "repository": {"path": "repository"},
            "servers": [
                {
                    "name": "shop",
                    "socket": server.root.socket,
                    "user": server.root.user,
                    "databases": [DATABASE],
                    "migrations": {"laravel": "app", "accept": ACCEPT},
                }
            ],
        }
        (tmp_path / "chom.yaml").write_text(yaml.safe_dump(body))
        yield made
        session.execute(f"DROP DATABASE {DATABASE}")


def test_a_migration_that_meets_rows_fails_on_those_of_the_backup(app: LaravelApp, tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        main(["backup", "--config", str(tmp_path / "chom.yaml"), "--verification", "none"])
    app.migration("2024_02_01_000000_rows", LOOP)
    app.sql("2024_03_01_000000_more", "ALTER TABLE users ADD COLUMN age INT")
    inventory = load_inventory(tmp_path / "chom.yaml")
    assert {each.code for each in check_of(inventory).findings if each.severity is Severity.UNKNOWN} == {"RN04"}
    found = check_of(inventory, Mode.DEEP)
    [failed] = [each for each in found.findings if each.code == "DP01"]
    assert (failed.migration, failed.severity) == ("2024_02_01_000000_rows", Severity.ERROR)
    assert "a row that nobody has thought of" in failed.what
    assert [each.migration for each in found.findings if each.code == "DP02"] == ["2024_03_01_000000_more"]


def test_without_a_backup_rows_are_not_verified(app: LaravelApp, tmp_path: Path) -> None:
    app.sql("2024_02_01_000000_more", "ALTER TABLE users ADD COLUMN age INT")
    found = check_of(load_inventory(tmp_path / "chom.yaml"), Mode.DEEP)
    assert [(each.code, each.severity) for each in found.findings if each.code == "DP01"] == [
        ("DP01", Severity.UNKNOWN)
    ]
    assert found.outcome is Outcome.NOT_VERIFIED


def test_what_rolling_back_leaves_behind_is_told(app: LaravelApp, tmp_path: Path) -> None:
    app.sql("2024_02_01_000000_more", "ALTER TABLE users ADD COLUMN age INT")  # and its down() does nothing
    found = check_of(load_inventory(tmp_path / "chom.yaml"), Mode.DEEP)
    assert [each.what for each in found.findings if each.code == "RB01"] == [
        f"after they are rolled back, the schema is not what it was: {DATABASE}.users"
    ]


def test_a_rollback_that_fails_is_told(app: LaravelApp, tmp_path: Path) -> None:
    app.migration(
        "2024_02_01_000000_more",
        "DB::statement('ALTER TABLE users ADD COLUMN age INT');",
        "throw new Exception('no way back');",
    )
    found = check_of(load_inventory(tmp_path / "chom.yaml"), Mode.DEEP)
    assert ["no way back" in each.what for each in found.findings if each.code == "RB01"] == [True]


def test_a_backup_that_no_restore_has_proved_is_no_way_back(app: LaravelApp, tmp_path: Path) -> None:
    config = tmp_path / "chom.yaml"
    body = yaml.safe_load(config.read_text())
    body["servers"][0]["migrations"]["accept"] = [each for each in ACCEPT if each["code"] != "RB02"]
    config.write_text(yaml.safe_dump(body))
    app.sql("2024_02_01_000000_more", "ALTER TABLE users ADD COLUMN age INT")
    for verification, expected in (("basic", ["RB02"]), ("full", [])):
        with pytest.raises(SystemExit):
            main(["backup", "--config", str(config), "--verification", verification])
        found = check_of(load_inventory(config)).findings
        assert [each.code for each in found if each.severity is Severity.ERROR] == expected


@pytest.mark.usefixtures("app")
def test_the_digest_of_a_schema_changes_with_it_and_not_with_its_rows(tmp_path: Path) -> None:
    inventory = load_inventory(tmp_path / "chom.yaml")
    before = check_of(inventory, Mode.VALIDATE).schema
    with Session(inventory.server().endpoint()) as session:
        session.execute(f"INSERT INTO {DATABASE}.users (email) VALUES ('more')")
        assert check_of(inventory, Mode.VALIDATE).schema == before
        session.execute(f"CREATE VIEW {DATABASE}.v AS SELECT 1")
        assert check_of(inventory, Mode.VALIDATE).schema != before
        session.execute(f"DROP VIEW {DATABASE}.v")
    assert check_of(inventory, Mode.VALIDATE).schema == before
