"""The deploy script with a real application, a real server and real backups: each way out leaves what it should."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

import chom_pipelines
from chom_pipelines.inventory.loading import load_inventory
from chom_pipelines.inventory.opening import existing_repository
from chom_pipelines.migrations.past import past_runs
from chom_pipelines.server.connection import Session
from chom_pipelines_tests.migrations.checked import ACCEPT, make_database
from chom_pipelines_tests.migrations.laravel_app import LaravelApp, laravel_app
from chom_pipelines_tests.repository.samples import AES
from chom_pipelines_tests.servers import PrivateServer

SCRIPT = Path(chom_pipelines.__file__).parents[1] / "deploy" / "laravel" / "deploy.sh"
DATABASE = "deploying"
USERS = "Schema::create('users', function (Blueprint $t) { $t->id(); $t->string('email'); });"
POSTS = "Schema::create('posts', function (Blueprint $t) { $t->id(); });"


@dataclass(frozen=True)
class Site:
    """An application with a release that runs, and what deploys the next."""

    place: Path
    server: PrivateServer

    def release(self, name: str) -> LaravelApp:
        """A new release, with the first migration."""
        made = laravel_app(self.place / "releases" / name, socket=self.server.root.socket or "", database=DATABASE)
        made.migration("2024_01_01_000000_users", USERS, "Schema::drop('users');")
        return made

    def begin(self, release: LaravelApp, *options: str) -> subprocess.Popen[str]:
        """Start the script; programs in `bin` go before those of the machine."""
        environment = {
            **os.environ,
            "CHOM_CONFIG": str(self.place / "chom.yaml"),
            "PATH": f"{self.place / 'bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        }
        command = [str(SCRIPT), "--server", "shop", *options, str(self.place), str(release.place)]
        return subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
        )

    def deploy(self, release: LaravelApp, *options: str) -> subprocess.CompletedProcess[str]:
        """Run the script."""
        process = self.begin(release, *options)
        out, err = process.communicate(timeout=120)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def tables(self) -> list[str]:
        """What production has."""
        with Session(self.server.root) as session:
            return [str(name) for (name,) in session.rows(f"SHOW TABLES FROM {DATABASE}")]

    def current(self) -> str:
        """The release that is served."""
        return (self.place / "current").resolve().name


@pytest.fixture
def site(mariadb: PrivateServer, tmp_path: Path) -> Iterator[Site]:
    make_database(mariadb.root, DATABASE, ())
    made = Site(tmp_path, mariadb)
    first = made.release("first")
    (tmp_path / "current").symlink_to(first.place)
    AES.save(tmp_path / "keys.json")
    body = {
        "repository": {"path": "repository", "encryption": {"keys": {"file": "keys.json"}}},
        "servers": [
            {
                "name": "shop",
                "socket": mariadb.root.socket,
                "user": mariadb.root.user,
                "databases": [DATABASE],
                "migrations": {"laravel": "next", "accept": ACCEPT},
            }
        ],
    }
    (tmp_path / "chom.yaml").write_text(yaml.safe_dump(body))
    done = made.deploy(first)
    assert done.returncode == 0, done.stdout + done.stderr
    yield made
    with Session(mariadb.root) as session:
        session.execute(f"DROP DATABASE IF EXISTS {DATABASE}")


@contextmanager
def held(site: Site, table: str, after: str) -> Iterator[None]:
    """Somebody who reads this table and does not end the transaction, from the moment on at which that one is there."""
    ended = threading.Event()

    def hold() -> None:
        with Session(site.server.root, autocommit=False) as session:
            while after not in site.tables() and not ended.is_set():
                time.sleep(0.02)  # until the migration before has begun
            session.execute("BEGIN")
            session.rows(f"SELECT * FROM {DATABASE}.{table}")
            ended.wait(60)

    thread = threading.Thread(target=hold)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def test_a_release_is_deployed_after_a_proved_backup_and_a_check(site: Site) -> None:
    second = site.release("second")
    second.migration("2024_02_01_000000_posts", POSTS, "Schema::drop('posts');")
    done = site.deploy(second, "--health", "true")
    assert done.returncode == 0, done.stderr
    assert "nothing speaks against the deploy" in done.stdout
    kept = existing_repository(load_inventory(site.place / "chom.yaml").repository)
    assert [[each.migration for each in run.migrations] for run in past_runs(kept, "shop").runs] == [
        ["2024_01_01_000000_users"],
        ["2024_02_01_000000_posts"],
    ]
    assert all(each.is_within is not None for run in past_runs(kept, "shop").runs for each in run.migrations)
    assert site.tables() == ["migrations", "posts", "users"]
    assert site.current() == "second"


def test_a_release_that_the_check_refuses_changes_nothing(site: Site) -> None:
    with Session(site.server.root) as session:
        session.execute(f"INSERT INTO {DATABASE}.users (email) VALUES ('a'), ('a')")
    second = site.release("second")
    second.migration("2024_02_01_000000_posts", POSTS, "Schema::drop('posts');")
    second.sql("2024_02_02_000000_unique", "ALTER TABLE users ADD UNIQUE (email)")
    done = site.deploy(second)
    assert done.returncode == 1
    assert "DD01" in done.stdout
    assert "the check refused the release: nothing was done" in done.stderr
    assert (site.tables(), site.current()) == (["migrations", "users"], "first")


def test_a_migration_that_fails_after_the_check_is_rolled_back_with_those_before_it(site: Site) -> None:
    second = site.release("second")
    second.migration("2024_02_01_000000_posts", POSTS + "sleep(1);", "Schema::drop('posts');")
    second.sql(
        "2024_02_02_000000_late",
        "SET SESSION lock_wait_timeout = 1",
        "ALTER TABLE users ADD COLUMN age INT",
        down="DB::statement('ALTER TABLE users DROP COLUMN age');",
    )
    with held(site, "users", after="posts"):
        done = site.deploy(second)
    assert "Lock wait timeout exceeded" in done.stdout + done.stderr
    assert done.returncode == 1, done.stderr
    assert "the code and the schema are the former" in done.stderr
    assert (site.tables(), site.current()) == (["migrations", "users"], "first")


def test_what_a_failed_migration_has_left_half_way_is_told(site: Site) -> None:
    second = site.release("second")
    second.sql(
        "2024_02_01_000000_half",
        "CREATE TABLE half (id INT PRIMARY KEY)",
        "SET SESSION lock_wait_timeout = 1",
        "DO SLEEP(1)",
        "ALTER TABLE users ADD COLUMN age INT",
    )
    with held(site, "users", after="half"):
        done = site.deploy(second)
    assert done.returncode == 4, done.stderr
    assert "the schema is not what it was" in done.stderr
    assert "NM01" in done.stderr
    assert site.current() == "first"


def test_a_release_that_is_not_healthy_goes_back_code_and_schema(site: Site) -> None:
    second = site.release("second")
    second.migration("2024_02_01_000000_posts", POSTS, "Schema::drop('posts');")
    done = site.deploy(second, "--health", "false")
    assert done.returncode == 1, done.stderr
    assert (site.tables(), site.current()) == (["migrations", "users"], "first")


def test_the_data_go_back_to_the_backup_where_that_was_asked(site: Site) -> None:
    with Session(site.server.root) as session:
        session.execute(f"INSERT INTO {DATABASE}.users (email) VALUES ('a'), ('b')")
    second = site.release("second")
    second.migration("2024_02_01_000000_lost", "DB::table('users')->where('email', 'a')->delete();")
    done = site.deploy(second, "--restore-data", "--health", "false")
    assert done.returncode == 1, done.stdout + done.stderr
    with Session(site.server.root) as session:
        assert session.rows(f"SELECT email FROM {DATABASE}.users ORDER BY email") == [("a",), ("b",)]
    assert site.current() == "first"


def test_without_a_backup_nothing_is_done(site: Site) -> None:
    (site.place / "keys.json").unlink()
    second = site.release("second")
    second.migration("2024_02_01_000000_posts", POSTS)
    done = site.deploy(second)
    assert done.returncode == 1
    assert "the backup failed, or was not proved: nothing was done" in done.stderr
    assert (site.tables(), site.current()) == (["migrations", "users"], "first")


def test_an_interrupt_undoes_and_another_deploy_waits_its_turn(site: Site) -> None:
    second = site.release("second")
    second.migration("2024_02_01_000000_posts", POSTS + "sleep(2);", "Schema::drop('posts');")
    process = site.begin(second)
    while "posts" not in site.tables():
        assert process.poll() is None
        time.sleep(0.02)  # until its migration has begun
    other = site.deploy(site.release("third"))
    assert other.returncode == 1
    assert "another deploy" in other.stderr
    os.kill(process.pid, signal.SIGTERM)
    _, told = process.communicate(timeout=120)
    assert process.returncode == 1, told
    assert "interrupted" in told
    assert "the code and the schema are the former" in told
    assert (site.tables(), site.current()) == (["migrations", "users"], "first")


def test_where_migrations_cannot_be_counted_nothing_is_done_and_nothing_rolled_back(site: Site) -> None:
    php = shutil.which("php")
    (site.place / "bin").mkdir()
    (site.place / "bin" / "php").write_text(
        f'#!/bin/sh\n[ "$2" != migrate:status ] || {{ echo "Too many connections"; exit 1; }}\nexec {php} "$@"\n'
    )
    (site.place / "bin" / "php").chmod(0o755)
    second = site.release("second")
    second.migration("2024_02_01_000000_posts", POSTS)
    done = site.deploy(second)
    assert done.returncode == 3, done.stderr
    assert "migrate:status does not answer: nothing was done" in done.stderr
    assert (site.tables(), site.current()) == (["migrations", "users"], "first")


def test_a_release_that_was_not_the_one_that_was_checked_is_not_deployed(site: Site) -> None:
    config = site.place / "chom.yaml"
    config.write_text(config.read_text().replace("laravel: next", "laravel: current"))
    second = site.release("second")
    second.migration("2024_02_01_000000_posts", POSTS)
    done = site.deploy(second)
    assert done.returncode == 2
    assert "correct migrations.laravel; nothing was done" in done.stderr
    assert (site.tables(), site.current()) == (["migrations", "users"], "first")


def test_a_current_that_is_no_link_is_refused(site: Site) -> None:
    (site.place / "current").unlink()
    (site.place / "current").mkdir()
    assert site.deploy(site.release("second")).returncode == 2
    assert site.tables() == ["migrations", "users"]


def test_a_first_deploy_that_is_not_healthy_leaves_no_current(site: Site) -> None:
    (site.place / "current").unlink()
    second = site.release("second")
    second.migration("2024_02_01_000000_posts", POSTS, "Schema::drop('posts');")
    done = site.deploy(second, "--health", "false")
    assert done.returncode == 1, done.stderr
    assert not (site.place / "current").is_symlink()
    assert site.tables() == ["migrations", "users"]


def test_what_cannot_be_kept_undoes_nothing_and_what_is_left_running_holds_up_nobody(site: Site) -> None:
    (site.place / "bin").mkdir()
    (site.place / "bin" / "mktemp").write_text(
        f"#!/bin/sh\nln -sf /dev/full {site.place}/full && echo {site.place}/full\n"
    )
    (site.place / "bin" / "mktemp").chmod(0o755)
    second = site.release("second")
    second.migration(
        "2024_02_01_000000_posts", POSTS + "proc_close(proc_open('sleep 30 &', [], $pipes));", "Schema::drop('posts');"
    )
    done = site.deploy(second, "--health", "sleep 30 > /dev/null 2>&1 &")
    assert done.returncode == 0, done.stderr
    assert "2024_02_01_000000_posts" in done.stdout
    assert site.tables() == ["migrations", "posts", "users"]
    (site.place / "bin" / "mktemp").write_text("#!/bin/sh\nexit 1\n")
    third = site.release("third")
    third.migration("2024_02_01_000000_posts", POSTS, "Schema::drop('posts');")
    done = site.deploy(third)
    assert done.returncode == 0, done.stderr
