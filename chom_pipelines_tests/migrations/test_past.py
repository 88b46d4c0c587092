"""What is kept of checks and deploys: production's schema, what was foretold, and how long it then took."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from chom_pipelines.cli.main import main
from chom_pipelines.errors import DiskFullError
from chom_pipelines.inventory.loading import load_inventory
from chom_pipelines.inventory.opening import existing_repository
from chom_pipelines.migrations import keeping, past
from chom_pipelines.migrations.artisan_output import durations
from chom_pipelines.migrations.past import KeptRun, Took, last_check, pace_of
from chom_pipelines.server.connection import Session
from chom_pipelines.server.programs import client_program
from chom_pipelines_tests.migrations.checked import ACCEPT, HISTORY, check_of, make_database, written
from chom_pipelines_tests.repository.samples import AES
from chom_pipelines_tests.servers import PrivateServer

DATABASE = "kept_shop"
NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
USERS = "CREATE TABLE users (id INT PRIMARY KEY, email VARCHAR(50))"
OLD = """
Migrating: 2024_01_01_000000_users
Migrated:  2024_01_01_000000_users (1,007.25ms)
Migrating: 2024_01_02_000000_broken
"""
NEW = """
   INFO  Running migrations.

  2024_01_01_000000_users ............................. 7.25ms DONE
  2024_01_02_000000_a_name_that_is_so_long_that_no_dots_are_left_at_all  1s 113.73ms DONE
  2024_01_03_000000_slow ................................ 2m 3s DONE
  2024_01_04_000000_broken ............................. 7.25ms FAIL
  2024_01_05_000000_left_out ........................... 7.25ms SKIPPED
"""


def test_the_times_of_both_formats_of_artisan_are_read_and_of_what_failed_none() -> None:
    assert list(durations(OLD)) == [("2024_01_01_000000_users", 1.00725)]
    assert list(durations(NEW.replace("DONE", "\x1b[32;1mDONE\x1b[39;22m"))) == [
        ("2024_01_01_000000_users", 0.00725),
        ("2024_01_02_000000_a_name_that_is_so_long_that_no_dots_are_left_at_all", pytest.approx(1.11373)),
        ("2024_01_03_000000_slow", 123),
    ]
    assert list(durations("Nothing to migrate.\n")) == []


@pytest.mark.parametrize("took", ["(1.2.3ms)", "(,ms)", f"({'9' * 400}ms)"])
def test_what_is_no_duration_is_left_out(took: str) -> None:
    assert list(durations(f"Migrated: a {took}\n  2024_01_01_a {'.' * 300_000}x\n")) == []


def runs(*taken: tuple[float, float], pace: float = 1.0) -> list[KeptRun]:
    """A run for each (seconds that it took, seconds that its copying was measured to take elsewhere)."""
    return [
        KeptRun(
            server="shop",
            started=NOON,
            migrations=(Took(migration="m", seconds=seconds, least=0, most=99, copying=3 * base * pace, pace=pace),),
        )
        for seconds, base in taken
    ]


@given(st.floats(1, 9), st.floats(1, 1000), st.floats(1, 2))
def test_a_server_that_takes_longer_each_time_is_foretold_so(factor: float, base: float, before: float) -> None:
    """Also where the times that were foretold had been stretched by then."""
    assert pace_of(runs((base * factor, base), pace=before)) == pytest.approx(factor, rel=0.01)


def test_the_median_counts_and_a_faster_server_makes_no_check_less_careful() -> None:
    assert pace_of(runs((2, 1), (3, 1), (9, 1))) == pytest.approx(3)
    assert pace_of(runs((0.1, 1), (0.2, 1))) == 1.0
    assert pace_of(runs((1000, 1))) == 10.0


def test_nothing_is_learned_from_what_takes_a_moment_or_was_not_foretold() -> None:
    assert pace_of(runs((9, 0.1))) == 1.0
    unknown = Took(migration="b", seconds=9)
    assert pace_of([KeptRun(server="shop", started=NOON, migrations=(unknown,))]) == 1.0
    assert unknown.is_within is None
    assert Took(migration="a", seconds=9, least=0, most=0.2).is_within is False


@dataclass(frozen=True)
class Site:
    config: Path
    server: PrivateServer

    def configure(self, *, encrypted: bool) -> None:
        AES.save(self.config.with_name("keys.json"))
        repository: dict[str, object] = {"path": "repository"}
        if encrypted:
            repository["encryption"] = {"keys": {"file": "keys.json"}}
        shop = {
            "name": "shop",
            "socket": self.server.root.socket,
            "user": self.server.root.user,
            "databases": [DATABASE],
            "migrations": {"sql": "m", "accept": ACCEPT},
        }
        self.config.write_text(yaml.safe_dump({"repository": repository, "servers": [shop]}))

    def chom(self, *arguments: str) -> int:
        with pytest.raises(SystemExit) as ended:
            main(["migration", *arguments, "--config", str(self.config)])
        return int(ended.value.code or 0)


@pytest.fixture
def site(server: PrivateServer, tmp_path: Path) -> Iterator[Site]:
    make_database(server.root, DATABASE, (HISTORY, USERS, "INSERT INTO users VALUES (1, 'a')"))
    with Session(server.root) as session:
        session.execute(f"USE {DATABASE}")
        session.execute("CREATE PROCEDURE p() BEGIN SELECT 1; SELECT 2; END")
        (tmp_path / "repository").mkdir()
        written(tmp_path / "m", {"001_wider": "ALTER TABLE users MODIFY email VARCHAR(60)"})
        made = Site(tmp_path / "chom.yaml", server)
        made.configure(encrypted=False)
        yield made
        session.execute(f"DROP DATABASE IF EXISTS {DATABASE}")


@pytest.mark.parametrize("encrypted", [False, True], ids=["plain", "encrypted"])
def test_the_schema_before_a_deploy_is_kept_and_the_stock_client_makes_it_again(
    site: Site, capfdbinary: pytest.CaptureFixture[bytes], *, encrypted: bool
) -> None:
    site.configure(encrypted=encrypted)
    assert site.chom("check") == 0
    [kept] = (site.config.parent / "repository" / "shop" / "migrations").glob("schema_*")
    assert kept.suffix == (".enc" if encrypted else ".zst")
    assert kept.stat().st_mode & 0o777 == 0o600
    capfdbinary.readouterr()
    with Session(site.server.root) as session:
        shown = session.rows(f"SHOW CREATE TABLE {DATABASE}.users")
        session.execute(f"DROP DATABASE {DATABASE}")
        assert site.chom("schema") == 0
        command = [
            str(client_program(site.server.flavour).path),
            "--no-defaults",
            f"--socket={site.server.root.socket}",
        ]
        sql = capfdbinary.readouterr().out
        subprocess.run([*command, f"--user={site.server.root.user}"], input=sql, check=True)
        assert session.rows(f"SHOW CREATE TABLE {DATABASE}.users") == shown
        assert session.rows(f"SELECT * FROM {DATABASE}.users") == []
        session.execute(f"CALL {DATABASE}.p()")


def test_a_quick_look_keeps_nothing(site: Site) -> None:
    """A deploy script looks at what it left half-done: that is not the schema before."""
    assert site.chom("check", "--validate") == 0
    assert not list((site.config.parent / "repository" / "shop" / "migrations").glob("*"))


def test_a_plain_schema_is_not_believed_where_backups_are_encrypted(
    site: Site, capfd: pytest.CaptureFixture[str]
) -> None:
    assert site.chom("check") == 0
    site.configure(encrypted=True)
    capfd.readouterr()
    assert site.chom("schema") == 1
    said = capfd.readouterr()
    assert "is not encrypted, and backups of this server are" in said.err
    assert said.out == ""


def test_how_long_a_deploy_took_is_kept_beside_what_was_foretold_and_learned_from(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    assert site.chom("check") == 0
    output = site.config.with_name("printed")
    output.write_text("Migrated: 001_wider.sql (4.00ms)\nMigrated: 002_other.sql (9.00ms)\n")
    capsys.readouterr()
    assert site.chom("done", "--output", str(output)) == 0
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "002_other.sql 0.0 s nothing was foretold" in lines
    repository = existing_repository(load_inventory(site.config).repository)
    check = last_check(repository, "shop")
    assert check is not None
    [expected] = check.expected
    [run] = past.past_runs(repository, "shop").runs
    assert [(each.seconds, each.least, each.most) for each in run.migrations] == [
        (0.004, expected.least, expected.most),
        (0.009, None, None),
    ]
    [slow] = runs((6, 2))
    past.keep_run(repository, slow)
    assert site.chom("check") == 0
    assert "which took 3 times as long as elsewhere" in capsys.readouterr().out
    assert last_check(repository, "shop") != check


def test_flyway_tells_itself_how_long_it_took(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    with Session(site.server.root) as session:
        session.execute(f"DROP TABLE {DATABASE}.schema_migrations")
        session.execute(
            f"CREATE TABLE {DATABASE}.flyway_schema_history (installed_rank INT PRIMARY KEY, version VARCHAR(50),"
            " description VARCHAR(200), type VARCHAR(20), script VARCHAR(1000), checksum INT, installed_by VARCHAR(100),"
            " installed_on TIMESTAMP DEFAULT CURRENT_TIMESTAMP, execution_time INT, success BOOL)"
        )
        record = f"INSERT INTO {DATABASE}.flyway_schema_history VALUES (%s, %s, '', 'SQL', %s, 0, '', NOW(), %s, 1)"
        written(site.config.with_name("m"), {"V2__wider": "ALTER TABLE users MODIFY email VARCHAR(60)"})
        site.config.with_name("m").joinpath("001_wider.sql").unlink()
        session.execute(record, (1, "1", "V1__first.sql", 100))
        assert site.chom("check") == 0
        session.execute(record, (2, "2", "V2__wider.sql", 1234))
    capsys.readouterr()
    assert site.chom("done", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert [(each["migration"], each["seconds"]) for each in told["migrations"]] == [("V2__wider.sql", 1.234)]


def test_where_nothing_tells_how_long_it_took_nothing_is_kept(site: Site) -> None:
    assert site.chom("check") == 0
    assert site.chom("done") == 3
    assert not list((site.config.parent / "repository" / "shop" / "migrations").glob("run_*"))


def test_a_check_whose_schema_cannot_be_written_says_so_and_has_its_verdict(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise DiskFullError("no space is left", "make room")

    monkeypatch.setattr(keeping, "keep_schema", full)
    found = check_of(load_inventory(site.config))
    assert ["no space is left" in each.what for each in found.findings if each.code == "RB03"] == [True]
    assert found.outcome.value == "passed"


def test_of_a_migration_that_changes_rows_too_nothing_is_foretold(site: Site) -> None:
    written(
        site.config.with_name("m"), {"002_rows": "ALTER TABLE users ADD n INT;\nUPDATE users SET n = 1 WHERE id = 1;"}
    )
    check_of(load_inventory(site.config))
    kept = last_check(existing_repository(load_inventory(site.config).repository), "shop")
    assert kept is not None
    assert kept.pending == ("001_wider.sql", "002_rows.sql")
    assert [each.migration for each in kept.expected] == ["001_wider.sql"]


def test_a_check_that_cannot_be_kept_says_so_and_has_its_verdict(site: Site) -> None:
    (site.config.parent / "repository" / "shop").mkdir()
    (site.config.parent / "repository" / "shop" / "migrations").write_text("a file")
    found = check_of(load_inventory(site.config))
    assert {each.code for each in found.findings} & {"RB03"} == {"RB03"}
    assert found.outcome.value == "passed"


def test_of_checks_the_last_stay_each_with_its_schema(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(past, "_STAY", 1)
    folder = site.config.parent / "repository" / "shop" / "migrations"
    check_of(load_inventory(site.config))
    first = {each.name for each in folder.iterdir()}
    check_of(load_inventory(site.config))
    second = {each.name for each in folder.iterdir() if not each.name.startswith(".")}
    assert len(second) == 2
    assert not second & first


def test_what_is_damaged_is_said_and_stops_neither_keeping_nor_letting_go(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(past, "_STAY", 2)
    repository = existing_repository(load_inventory(site.config).repository)
    took = Took(migration="m", seconds=6, least=1, most=6)
    for second in (0, 1):
        past.keep_run(repository, KeptRun(server="shop", started=NOON + timedelta(seconds=second), migrations=(took,)))
    folder = site.config.parent / "repository" / "shop" / "migrations"
    check_of(load_inventory(site.config))
    for each in (folder / "run_20260102_120000.json", *folder.glob("check_*")):
        each.write_text("{}")
    damaged = [each.name for each in folder.glob("*check_*")]
    assert site.chom("schema") == 1
    for _ in range(2):
        found = check_of(load_inventory(site.config))
        [told] = [each for each in found.findings if each.code == "RB03"]
        assert "run_20260102_120000.json" in told.what
        assert len(found.past) == 1
    assert not (folder / damaged[0]).exists()
    assert len(list(folder.glob("schema_*"))) == 2
    newest = max(folder.glob("check_*"))
    newest.write_text("{}")
    assert site.chom("schema") == 0


def test_two_checks_of_one_second_are_both_kept(site: Site) -> None:
    repository = existing_repository(load_inventory(site.config).repository)
    run = KeptRun(server="shop", started=NOON, migrations=())

    def keep(moment: datetime) -> None:
        if not list((site.config.parent / "repository" / "shop").glob("migrations/run_*")):
            past.keep_run(repository, run)  # as another does just before
        past.keep_run(repository, run.model_copy(update={"started": moment}))

    assert past.at_free_moment(repository, "shop", NOON, keep) == (NOON + timedelta(seconds=1), None)


def test_what_artisan_printed_need_not_be_utf8(site: Site) -> None:
    output = site.config.with_name("printed")
    output.write_bytes(b"\xff\nMigrated: 001_wider.sql (4.00ms)\n")
    assert site.chom("done", "--output", str(output)) == 0
