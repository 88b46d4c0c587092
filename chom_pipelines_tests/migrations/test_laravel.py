"""A real Laravel application: run by its own migrator on the copy, and nowhere else."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from chom_pipelines.errors import ConfigurationError, MigrationCheckError, ProgramMissingError
from chom_pipelines.migrations.checking import MigrationCheck, Mode
from chom_pipelines.migrations.findings import Severity
from chom_pipelines.migrations.isolation import cut_off
from chom_pipelines.outcome import Outcome
from chom_pipelines.server.connection import Session
from chom_pipelines_tests.migrations.checked import check_of, configured, make_database
from chom_pipelines_tests.migrations.laravel_app import LaravelApp, laravel_app
from chom_pipelines_tests.servers import PrivateServer

DATABASE = "laravel_shop"
FIRST = "2024_01_01_000000_create_users"
USERS = (
    "Schema::create('users', function (Blueprint $t) { $t->id(); $t->string('email')->nullable(); $t->timestamps(); });"
)


@pytest.fixture
def app(server: PrivateServer, tmp_path: Path) -> Iterator[LaravelApp]:
    """With one migration that was run."""
    make_database(server.root, DATABASE, ())
    made = laravel_app(tmp_path / "app", socket=server.root.socket or "", database=DATABASE, user=server.root.user)
    made.migration(FIRST, USERS, "Schema::drop('users');")
    migrate(made)
    yield made
    with Session(server.root) as session:
        session.execute(f"DROP DATABASE {DATABASE}")


def migrate(app: LaravelApp) -> None:
    """As a deploy does."""
    artisan(app, "migrate", "--force")


def artisan(app: LaravelApp, *arguments: str) -> None:
    command = [shutil.which("php") or "php", "artisan", *arguments]
    done = subprocess.run(command, cwd=app.place, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def check(server: PrivateServer, app: LaravelApp, timeout: float = 60, mode: Mode = Mode.DRY_RUN) -> MigrationCheck:
    return check_of(configured(server.root, DATABASE, {"laravel": str(app.place)}), mode, timeout)


def tables(server: PrivateServer) -> list[str]:
    with Session(server.root) as session:
        return [str(name) for (name,) in session.rows(f"SHOW TABLES FROM {DATABASE}")]


def test_where_nothing_is_pending_nothing_is_said(server: PrivateServer, app: LaravelApp) -> None:
    found = check(server, app)
    assert (found.pending, found.findings, found.outcome) == ([], [], Outcome.PASSED)


def test_statements_are_those_that_a_deploy_then_sends(server: PrivateServer, app: LaravelApp) -> None:
    app.migration(
        "2024_02_01_000000_more",
        "Schema::table('users', function (Blueprint $t) { $t->string('name', 50)->nullable(); $t->index('name'); });\n"
        "DB::table('users')->insert(['email' => \"it's -- no comment?  two  blanks\"]);",
    )
    found = check(server, app)
    assert found.outcome is Outcome.PASSED
    planned = [each.step.statement.bare for each in found.plan]
    with Session(server.root) as session:
        session.execute("SET GLOBAL log_output = 'TABLE', general_log = ON")
        session.execute("TRUNCATE TABLE mysql.general_log")
        migrate(app)
        session.execute("SET GLOBAL general_log = OFF")
        rows = session.rows("SELECT argument FROM mysql.general_log WHERE command_type IN ('Query', 'Execute')")
    sent = [each.decode() if isinstance(each, bytes) else str(each) for (each,) in rows]
    assert [each for each in sent if each in planned] == planned
    assert len(planned) == 3


def test_a_migration_that_trips_over_a_row_that_the_copy_lacks_is_left_open(
    server: PrivateServer, app: LaravelApp
) -> None:
    with Session(server.root) as session:
        session.execute(f"INSERT INTO {DATABASE}.users (email) VALUES ('a')")
        session.execute(f"ANALYZE TABLE {DATABASE}.users")
    app.migration(
        "2024_02_01_000000_first_row",
        "$name = 'mail_of_' . DB::table('users')->first()->id;\n"
        "Schema::table('users', function (Blueprint $t) use ($name) { $t->string($name)->nullable(); });",
    )
    found = check(server, app)
    assert "RN07" in {each.code for each in found.findings if each.severity is Severity.UNKNOWN}
    assert found.outcome is Outcome.NOT_VERIFIED


def test_what_fails_after_one_that_fails_on_the_copy_alone_is_left_open_too(
    server: PrivateServer, app: LaravelApp
) -> None:
    with Session(server.root) as session:
        session.execute(f"INSERT INTO {DATABASE}.users (email) VALUES ('a')")
        session.execute(f"ANALYZE TABLE {DATABASE}.users")
    app.migration(
        "2024_02_01_000000_extra",
        "DB::table('users')->first()->id;\nSchema::create('extra', function (Blueprint $t) { $t->id(); });",
    )
    app.sql("2024_02_02_000000_more", "ALTER TABLE extra ADD COLUMN n INT")
    found = check(server, app)
    assert found.outcome is Outcome.NOT_VERIFIED
    assert not [each for each in found.findings if each.severity is Severity.ERROR]
    [after] = [each for each in found.findings if each.migration == "2024_02_02_000000_more" and each.code == "NM01"]
    assert after.why.startswith("it may follow from 2024_02_01_000000_extra")


def test_guards_see_the_real_schema(server: PrivateServer, app: LaravelApp) -> None:
    app.migration(
        "2024_02_01_000000_guarded",
        "if (! Schema::hasColumn('users', 'email')) { DB::statement('nonsense'); }\n"
        "if (! Schema::hasTable('posts')) { Schema::create('posts', function (Blueprint $t) { $t->id(); }); }",
    )
    found = check(server, app)
    assert [each.step.statement.verb for each in found.plan] == ["CREATE"]
    assert found.outcome is Outcome.PASSED


def test_what_rows_or_the_server_answer_is_not_taken_from_the_copy(server: PrivateServer, app: LaravelApp) -> None:
    with Session(server.root) as session:
        session.execute(f"INSERT INTO {DATABASE}.users (email) VALUES ('a')")
        session.execute(f"CREATE TABLE {DATABASE}.flags (id INT PRIMARY KEY)")
        session.execute(f"CREATE VIEW {DATABASE}.active AS SELECT * FROM {DATABASE}.users")
    asking = {
        "view": "DB::table('active')->count();",
        "extract": "DB::table('users')->selectRaw('extract(year from created_at) y, id')->get();",
        "join": "DB::table('flags')->rightJoin('users', 'users.id', '=', 'flags.id')->select('users.id')->get();",
        "sizes": "DB::selectOne(\"select table_rows n from information_schema.tables where table_name = 'users'\");",
        "host": "DB::selectOne('select @@hostname h');",
    }
    guards = (
        "Schema::hasTable('users'); Schema::hasColumn('users', 'email'); Schema::getColumnListing('users');"
        "DB::table('flags')->count();"
    )
    for name, text in {**asking, "guards": guards}.items():
        app.migration(f"2024_02_01_000000_{name}", text)
    found = check(server, app, mode=Mode.VALIDATE)
    told = {each.migration for each in found.findings if (each.code, each.severity) == ("RN04", Severity.UNKNOWN)}
    assert told == {f"2024_02_01_000000_{name}" for name in asking}


def test_a_foreign_key_on_a_new_column_is_asked_and_ordinary_ones_pass(server: PrivateServer, app: LaravelApp) -> None:
    with Session(server.root) as session:
        session.execute(f"INSERT INTO {DATABASE}.users (email) VALUES ('a')")
    app.migration(
        "2024_02_01_000000_sound",
        "Schema::create('teams', function (Blueprint $t) { $t->id(); $t->string('name')->unique(); });"
        "Schema::create('orders', function (Blueprint $t) { $t->id(); $t->foreignId('user_id')->constrained();"
        " $t->foreignId('team_id')->nullable()->constrained()->cascadeOnDelete(); });"
        "Schema::table('users', function (Blueprint $t) { $t->foreignId('team_id')->nullable()->constrained();"
        " $t->boolean('active')->default(true)->index(); });",
    )
    assert check(server, app).outcome is Outcome.PASSED
    app.migration(
        "2024_02_02_000000_unsound",
        "Schema::table('users', function (Blueprint $t) { $t->foreignId('other_id')->constrained('teams'); });",
    )
    found = check(server, app)
    assert ("FK04", Severity.ERROR) in {(each.code, each.severity) for each in found.findings}


def test_other_connections_lead_to_the_copy_too_and_nothing_is_written_elsewhere(
    server: PrivateServer, app: LaravelApp
) -> None:
    app.migration(
        "2024_02_01_000000_elsewhere",
        "Schema::connection('reports')->create('reports', function (Blueprint $t) { $t->id(); });",
    )
    found = check(server, app)
    assert [each.step.statement.table for each in found.plan] == [(DATABASE, "reports")]
    assert tables(server) == ["migrations", "users"]


def test_what_is_no_mysql_is_not_followed_and_not_verified(server: PrivateServer, app: LaravelApp) -> None:
    app.migration(
        "2024_02_01_000000_search",
        "Schema::connection('search')->create('x', function (Blueprint $t) { $t->id(); });",
    )
    found = check(server, app)
    [told] = [each for each in found.findings if each.code == "CN04"]
    assert told.severity is Severity.UNKNOWN
    assert "follows MySQL alone" in told.evidence["message"]


def test_another_host_is_not_reached(server: PrivateServer, app: LaravelApp) -> None:
    app.migration(
        "2024_02_01_000000_out",
        "$s = @stream_socket_client('tcp://127.0.0.1:" + str(server.backup.port) + "', $n, $why, 2);\n"
        "if ($s !== false) { throw new Exception('reached'); } throw new Exception('cut off: '.$why);",
    )
    [failed] = [each for each in check(server, app).findings if each.code == "RN03"]
    assert "cut off: " in failed.evidence["message"]


def test_after_a_failure_the_other_migrations_are_checked_all_the_same(server: PrivateServer, app: LaravelApp) -> None:
    app.sql("2024_02_01_000000_bad", "ALTER TABLE users ADD COLUMN email INT")
    app.sql("2024_03_01_000000_good", "ALTER TABLE users ADD COLUMN age INT")
    app.sql("2024_04_01_000000_bad_too", "ALTER TABLE users DROP COLUMN nothing")
    found = check(server, app)
    failed = {each.migration: each for each in found.findings if each.code.startswith("NM")}
    assert set(failed) == {"2024_02_01_000000_bad", "2024_04_01_000000_bad_too"}
    assert "may follow from the failure of 2024_02_01_000000_bad" in failed["2024_04_01_000000_bad_too"].why
    assert tables(server) == ["migrations", "users"]


def test_a_migration_that_hangs_is_ended_and_named(server: PrivateServer, app: LaravelApp) -> None:
    app.migration("2024_02_01_000000_hangs", "while (true) { sleep(1); }")
    with pytest.raises(MigrationCheckError, match="not through within 2 s: 2024_02_01_000000_hangs had begun"):
        check(server, app, timeout=2)


def test_an_application_that_prints_warnings_is_understood(server: PrivateServer, app: LaravelApp) -> None:
    autoload = app.place / "vendor" / "autoload.php"
    autoload.write_text(autoload.read_text() + "echo 'Deprecated: something';\n")
    assert check(server, app).pending == []


def test_an_application_that_does_not_start_says_why(server: PrivateServer, app: LaravelApp) -> None:
    (app.place / "config" / "app.php").write_text("<?php throw new Exception('no key is set');")
    with pytest.raises(MigrationCheckError, match="no key is set"):
        check(server, app)


def test_a_wrong_path_is_named(server: PrivateServer, app: LaravelApp) -> None:
    (app.place / "bootstrap" / "app.php").unlink()
    with pytest.raises(ConfigurationError, match=r"bootstrap/app\.php is not there"):
        check(server, app)


def test_where_php_is_missing_its_package_is_named(
    server: PrivateServer, app: LaravelApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = shutil.which
    monkeypatch.setattr("shutil.which", lambda name, **more: None if name == "php" else found(name, **more))
    with pytest.raises(ProgramMissingError, match="php-cli"):
        check(server, app)


def test_what_is_recorded_twice_or_lost_its_file_is_found(server: PrivateServer, app: LaravelApp) -> None:
    with Session(server.root) as session:
        session.execute(f"INSERT INTO {DATABASE}.migrations (migration, batch) VALUES ('{FIRST}', 2), ('2023_gone', 1)")
    codes = {each.code: each for each in check(server, app).findings}
    assert codes["HS02"].migration == "2023_gone"
    assert codes["HS03"].what == f"{FIRST} is recorded 2 times"


def test_a_cached_configuration_leads_to_the_copy_as_well(server: PrivateServer, app: LaravelApp) -> None:
    app.sql("2024_02_01_000000_more", "ALTER TABLE users ADD COLUMN age INT")
    artisan(app, "config:cache")
    assert (app.place / "bootstrap" / "cache" / "config.php").exists()
    assert check(server, app).pending == ["2024_02_01_000000_more"]
    with Session(server.root) as session:
        assert session.rows(f"SHOW COLUMNS FROM {DATABASE}.users LIKE 'age'") == []


def test_a_connection_that_is_made_up_at_run_time_leads_to_the_copy_as_well(
    server: PrivateServer, app: LaravelApp
) -> None:
    app.migration(
        "2024_02_01_000000_tenant",
        f"config(['database.connections.tenant' => ['unix_socket' => '{server.root.socket}'] + config('database.connections.mysql')]);"
        "Schema::connection('tenant')->create('tenants', function (Blueprint $t) { $t->id(); });",
    )
    found = check(server, app)
    assert [each.step.statement.table for each in found.plan] == [(DATABASE, "tenants")]
    assert tables(server) == ["migrations", "users"]


def test_a_migration_that_decides_by_rows_is_not_verified(server: PrivateServer, app: LaravelApp) -> None:
    with Session(server.root) as session:
        session.execute(f"INSERT INTO {DATABASE}.users (email) VALUES ('a')")
        session.execute(f"ANALYZE TABLE {DATABASE}.users")
    app.migration("2024_02_01_000000_if", "if (DB::table('users')->count() > 0) { DB::statement('drop table users'); }")
    found = check(server, app)
    assert [(each.code, each.severity) for each in found.findings] == [("RN04", Severity.UNKNOWN)]
    assert found.outcome is Outcome.NOT_VERIFIED


@pytest.mark.parametrize(
    "reach",
    [
        "new PDO('mysql:unix_socket={socket};dbname={database}', '{user}', '')",
        "stream_socket_client('unix://{socket}')",
    ],
)
def test_a_connection_that_a_migration_opens_by_itself_does_not_reach_production(
    server: PrivateServer, app: LaravelApp, reach: str
) -> None:
    opened = reach.format(socket=server.root.socket, database=DATABASE, user=server.root.user)
    app.migration("2024_02_01_000000_raw", f"$there = {opened}; throw new Exception('reached');")
    [failed] = [each for each in check(server, app).findings if each.severity is Severity.ERROR]
    assert "reached" not in failed.evidence["message"]


def test_a_provider_that_changes_the_connection_when_it_boots_leads_to_the_copy_as_well(
    server: PrivateServer, app: LaravelApp
) -> None:
    (app.place / "Late.php").write_text(
        "<?php class Late extends Illuminate\\Support\\ServiceProvider { public function boot() {"
        f" config(['database.connections.mysql.unix_socket' => '{server.root.socket}']); }} }}"
    )
    config = app.place / "config" / "app.php"
    config.write_text(
        config.read_text()
        .replace("'providers' => [", "'providers' => [Late::class,")
        .replace("<?php", "<?php require_once dirname(__DIR__).'/Late.php';", 1)
    )
    app.sql("2024_02_01_000000_more", "ALTER TABLE users ADD COLUMN age INT")
    assert check(server, app).pending == ["2024_02_01_000000_more"]
    with Session(server.root) as session:
        assert session.rows(f"SHOW COLUMNS FROM {DATABASE}.users LIKE 'age'") == []


def test_where_nothing_can_be_cut_off_nothing_is_tried(
    server: PrivateServer, app: LaravelApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "unshare"
    program.write_text("#!/bin/sh\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    with pytest.raises(MigrationCheckError, match="cannot be cut off from production here"):
        check(server, app)


def test_a_process_that_a_migration_leaves_running_ends_with_the_check(server: PrivateServer, app: LaravelApp) -> None:
    app.migration("2024_02_01_000000_left", "proc_close(proc_open('setsid sleep 4711 &', [], $pipes));")
    assert check(server, app, mode=Mode.VALIDATE).outcome is Outcome.PASSED
    assert [each for each in Path("/proc").glob("[0-9]*/cmdline") if b"sleep\0004711" in each.read_bytes()] == []


def test_without_unshare_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(ProgramMissingError, match="unshare is not installed"):
        cut_off(["true"], "/copy", None)
