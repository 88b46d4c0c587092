"""A log is replayed where statements find what they found on the source: its machine's time zone, its settings."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from chom_pipelines.binlogs.recovery.point_in_time import (
    PointInTime,
    point_in_time,
    recover_into_directory,
    recovered_server,
)
from chom_pipelines.binlogs.recovery.targets import BeforePlace, Route
from chom_pipelines.errors import RestoreRefusedError
from chom_pipelines.outcome import Outcome
from chom_pipelines.progress import unreported
from chom_pipelines.proofs.drill import run_drill
from chom_pipelines.repository.manifest import Manifest
from chom_pipelines.restores.restoring import restore_into_directory, restore_into_server
from chom_pipelines.restores.selection import RestoreRequest
from chom_pipelines.restores.starts import RowsStart
from chom_pipelines.server.connection import Session
from chom_pipelines.server.endpoint import Endpoint
from chom_pipelines.server.facts import Flavour
from chom_pipelines.server.scratch import scratch_server
from chom_pipelines.server.time_zones import load_time_zones
from chom_pipelines_tests.binlogs.archives import Archive, archived_server
from chom_pipelines_tests.logical.taking import NAME, Backups

THERE, HERE = "America/New_York", "Asia/Kathmandu"
FLAVOURS = pytest.mark.parametrize("flavour", list(Flavour))
ROUTES = pytest.mark.parametrize("route", list(Route))
IN_ITS_ZONE = (
    "SET time_zone = 'SYSTEM'",
    "ALTER TABLE shop.z MODIFY d TIMESTAMP NULL",
    "ALTER TABLE shop.z ADD e TIMESTAMP NULL DEFAULT '2026-07-01 12:00:00'",
    "CREATE TABLE shop.y (id INT PRIMARY KEY, d TIMESTAMP NULL DEFAULT '2026-12-24 18:00:00')",
    "INSERT INTO shop.y (id) VALUES (1)",
)


EVENTS = (
    "SET time_zone = 'SYSTEM'",
    "CREATE EVENT shop.once ON SCHEDULE AT '2036-07-01 12:00:00' DISABLE DO SET @x = 1",
    "CREATE EVENT shop.daily ON SCHEDULE EVERY 1 DAY STARTS '2036-01-01 03:00:00' DISABLE DO SET @x = 1",
    "SET time_zone = '+00:00'",
)


@pytest.fixture(autouse=True)
def _clock_of_this_process() -> Iterator[None]:
    """Is as before when the test has put back the environment."""
    yield
    time.tzset()


@contextmanager
def abroad(
    flavour: Flavour, place: Path, patch: pytest.MonkeyPatch, *options: str, zones: bool = False
) -> Iterator[Archive]:
    """A server on a machine in another time zone than this one, after a backup; it may know zones by their names."""
    patch.setenv("TZ", THERE)
    with archived_server(flavour, options) as server:
        at_home(patch)
        archived = Archive(server, Backups(place))
        if zones:
            with server.connect() as session:
                session.execute("SET SESSION sql_log_bin = 0")
                load_time_zones(session, ["Europe/Berlin"])
        archived.work(
            "CREATE TABLE shop.z (id INT PRIMARY KEY, d DATETIME)",
            "INSERT INTO shop.z VALUES (1, '2026-07-01 12:00:00'), (2, '2026-01-01 12:00:00')",
            *EVENTS,
        )
        archived.backups.take(server)
        yield archived


def at_home(patch: pytest.MonkeyPatch, zone: str = HERE) -> None:
    """Be in this time zone from now on."""
    patch.setenv("TZ", zone)
    time.tzset()


def now(archived: Archive) -> BeforePlace:
    with archived.server.connect() as session:
        (file, position, *_) = session.rows(archived.server.facts.binlog_status_statement)[0]
    return BeforePlace(str(file), int(position))


def content(endpoint: Endpoint) -> dict[str, list[tuple[object, ...]]]:
    """All rows of the shop in UTC, and what its tables are."""
    with Session(endpoint) as session:
        tables = [str(name) for (name,) in session.rows("SHOW TABLES FROM shop")]
        found = {name: session.rows(f"SELECT * FROM shop.{name}") for name in tables}
        found |= {f"{name}'s definition": session.rows(f"SHOW CREATE TABLE shop.{name}") for name in tables}
        formats = "SELECT TABLE_NAME, ENGINE, ROW_FORMAT FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'shop'"
        found["formats"] = sorted(session.rows(formats))
        events = "SELECT EVENT_NAME, TIME_ZONE, EXECUTE_AT, STARTS FROM information_schema.EVENTS"
        found["events"] = sorted(session.rows(events))
        return found


@contextmanager
def prepared(archived: Archive) -> Iterator[PointInTime]:
    """All that the server has done is archived, and a recovery up to there is ready."""
    target = now(archived)
    archived.archive()
    with point_in_time(archived.backups.repository, NAME, target, keyring=None, report=unreported, threads=1) as ready:
        yield ready


def replayed(ready: PointInTime, route: Route) -> dict[str, list[tuple[object, ...]]]:
    recoverer = ready.recoverer(route, accounts=False, report=unreported)
    with recovered_server(ready, recoverer) as (server, _):
        return content(server.endpoint)


def expect(wanted: dict[str, list[tuple[object, ...]]], ready: PointInTime, route: Route) -> None:
    """Of an ALTER TABLE by a zone that is not known: a replica of MariaDB spoils rows as it executes that."""
    if route is Route.REPLICATION and ready.start.manifest.source.flavour == "mariadb":
        with pytest.raises(
            RestoreRefusedError, match=r"converts times by the time zone .*, which is not known"
        ) as error:
            ready.recoverer(route, accounts=False, report=unreported).refuse_unfit()
        assert "--route client" in error.value.remedy
        return
    assert replayed(ready, route) == wanted


@ROUTES
@FLAVOURS
def test_statements_in_the_zone_of_the_sources_machine_find_it(
    flavour: Flavour, route: Route, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with abroad(flavour, tmp_path, monkeypatch) as archived:
        archived.work(*IN_ITS_ZONE)
        wanted = content(archived.server.root)
        with prepared(archived) as ready:
            assert ready.recovery.notes.in_system_zone
            assert replayed(ready, route) == wanted


@ROUTES
@FLAVOURS
def test_so_do_rows_that_were_logged_as_text(
    flavour: Flavour, route: Route, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with abroad(flavour, tmp_path, monkeypatch, "--binlog-format=MIXED") as archived:
        archived.work(
            "SET time_zone = 'SYSTEM'",
            "INSERT INTO shop.z VALUES (4, NOW())",
            "UPDATE shop.z SET d = FROM_UNIXTIME(id) WHERE id < 4",
        )
        wanted = content(archived.server.root)
        with prepared(archived) as ready:
            assert replayed(ready, route) == wanted


@FLAVOURS
def test_a_data_directory_is_made_in_that_zone_as_well(
    flavour: Flavour, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with abroad(flavour, tmp_path, monkeypatch) as archived:
        archived.work(*IN_ITS_ZONE)
        wanted = content(archived.server.root)
        with prepared(archived) as ready:
            recoverer = ready.recoverer(Route.REPLICATION, accounts=False, report=unreported)
            recover_into_directory(ready, tmp_path / "data", recoverer, replace_it=False)
        at_home(monkeypatch, THERE)
        with scratch_server(flavour, data_directory=tmp_path / "data") as server:
            assert content(server.endpoint) == wanted


@FLAVOURS
def test_events_and_zones_of_a_full_backup_are_the_same_moments_in_a_data_directory(
    flavour: Flavour, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with abroad(flavour, tmp_path, monkeypatch, zones=True) as archived:
        archived.work("ALTER TABLE shop.z ADD b DATETIME AS (CONVERT_TZ(d, 'SYSTEM', 'Europe/Berlin')) STORED")
        wanted = content(archived.server.root)
        entry = archived.backups.take(archived.server)
        request = RestoreRequest(compare=True)
        restore_into_directory(entry, None, tmp_path / "data", request, unreported)
        at_home(monkeypatch, THERE)
        with scratch_server(flavour, data_directory=tmp_path / "data") as server:
            assert content(server.endpoint) == wanted


@FLAVOURS
def test_a_running_server_in_another_zone_is_told_of_with_the_events_that_it_moves(
    flavour: Flavour, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with abroad(flavour, tmp_path, monkeypatch) as archived:
        (entry,) = archived.backups.entries()
        with scratch_server(flavour) as other:
            warnings = restore_into_server(entry, None, other.endpoint, RestoreRequest(), unreported).warnings
        (told,) = (each for each in warnings if "in another time zone" in each)
        assert "shop.once" in told
        assert "shop.daily" in told
        at_home(monkeypatch, THERE)
        with scratch_server(flavour) as same:
            warnings = restore_into_server(entry, None, same.endpoint, RestoreRequest(), unreported).warnings
        assert not [each for each in warnings if "in another time zone" in each]


@FLAVOURS
def test_a_drill_of_such_statements_passes_in_any_zone(
    flavour: Flavour, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with abroad(flavour, tmp_path, monkeypatch, zones=True) as archived:
        archived.work(*IN_ITS_ZONE, "SELECT SLEEP(3)")
        archived.archive()
        _, drill = run_drill(archived.backups.repository, NAME, None, unreported, threads=1)
        assert drill.outcome is Outcome.PASSED, drill


@ROUTES
@FLAVOURS
def test_zones_are_known_by_their_names_where_the_source_knew_them(
    flavour: Flavour, route: Route, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with abroad(flavour, tmp_path, monkeypatch, zones=True) as archived:
        archived.work("ALTER TABLE shop.z ADD b DATETIME AS (CONVERT_TZ(d, '+00:00', 'Europe/Berlin')) STORED")
        wanted = content(archived.server.root)
        assert "2026-07-01 14:00:00" in map(str, (row[2] for row in wanted["z"]))
        with prepared(archived) as ready:
            assert replayed(ready, route) == wanted


@ROUTES
@FLAVOURS
def test_zones_that_the_source_did_not_know_by_name_are_not_known(
    flavour: Flavour, route: Route, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with abroad(flavour, tmp_path, monkeypatch) as archived:
        archived.work("ALTER TABLE shop.z ADD b DATETIME AS (CONVERT_TZ(d, '+00:00', 'Europe/Berlin')) STORED")
        wanted = content(archived.server.root)
        assert {row[2] for row in wanted["z"]} == {None}
        with prepared(archived) as ready:
            expect(wanted, ready, route)


@ROUTES
@FLAVOURS
def test_of_zones_of_which_the_source_knew_some_the_others_are_not_known(
    flavour: Flavour, route: Route, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with abroad(flavour, tmp_path, monkeypatch, zones=True) as archived:
        archived.work(
            "ALTER TABLE shop.z ADD b DATETIME AS (CONVERT_TZ(d, '+00:00', 'Europe/Berlin')) STORED",
            "ALTER TABLE shop.z ADD t DATETIME AS (CONVERT_TZ(d, '+00:00', 'Asia/Tokyo')) STORED",
        )
        wanted = content(archived.server.root)
        assert {row[3] for row in wanted["z"]} == {None} != {row[2] for row in wanted["z"]}
        with prepared(archived) as ready:
            expect(wanted, ready, route)


def as_old(ready: PointInTime, abbreviation: str) -> PointInTime:
    """With a backup that tells of the zone of its machine no more than this."""
    manifest = ready.start.manifest
    variables = {**manifest.source.variables, "system_time_zone": abbreviation}
    source = manifest.source.model_copy(update={"zones": None, "variables": variables})
    return of(ready, manifest.model_copy(update={"source": source}))


def of(ready: PointInTime, manifest: Manifest) -> PointInTime:
    """With a backup that says this of itself."""
    start = ready.start
    assert isinstance(start, RowsStart)
    return replace(ready, start=replace(start, contents=replace(start.contents, manifest=manifest)))


@FLAVOURS
def test_of_an_old_backup_the_zone_has_to_be_named_and_is_then_believed(
    flavour: Flavour, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with abroad(flavour, tmp_path, monkeypatch) as archived:
        archived.work(*IN_ITS_ZONE)
        wanted = content(archived.server.root)
        with prepared(archived) as ready:
            old = as_old(ready, "EST")
            with pytest.raises(RestoreRefusedError, match=r"depends on the time zone of the source's machine.*EST"):
                replayed(old, Route.REPLICATION)
            for no_answer in ("EST", "CEST"):
                at_home(monkeypatch, no_answer)
                with pytest.raises(RestoreRefusedError, match="name that zone"):
                    old.recoverer(Route.REPLICATION, accounts=False, report=unreported).refuse_unfit()
            at_home(monkeypatch, THERE)
            assert replayed(old, Route.REPLICATION) == wanted


@FLAVOURS
def test_of_an_old_backup_what_depends_on_no_zone_is_restored_as_ever(
    flavour: Flavour, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with abroad(flavour, tmp_path, monkeypatch) as archived:
        archived.work("SET time_zone = 'SYSTEM'", "UPDATE shop.z SET d = NOW()")
        wanted = content(archived.server.root)
        with prepared(archived) as ready:
            assert replayed(as_old(ready, "EST"), Route.REPLICATION) == wanted


@FLAVOURS
def test_an_old_backup_of_a_machine_in_utc_is_replayed_in_utc(
    flavour: Flavour, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chom_pipelines_tests.binlogs.test_surroundings.THERE", "UTC")
    with abroad(flavour, tmp_path, monkeypatch) as archived:
        archived.work(*IN_ITS_ZONE)
        wanted = content(archived.server.root)
        with prepared(archived) as ready:
            assert replayed(as_old(ready, "UTC"), Route.REPLICATION) == wanted


SETTINGS = {
    Flavour.MARIADB: (
        *("--default-storage-engine=Aria", "--old-mode=", "--default-regex-flags=DOTALL"),
        *("--innodb-default-row-format=compact", "--default-week-format=3", "--div-precision-increment=9"),
        "--innodb-strict-mode=OFF",
        *("--binlog-format=MIXED", "--group-concat-max-len=20"),
    ),
    Flavour.MYSQL: (
        *("--default-storage-engine=MyISAM", "--innodb-default-row-format=compact", "--default-week-format=3"),
        *("--div-precision-increment=9", "--group-concat-max-len=20", "--innodb-strict-mode=OFF"),
        "--binlog-format=MIXED",
    ),
}
UNDER_SETTINGS = {
    Flavour.MARIADB: (
        "CREATE TABLE shop.old (s VARCHAR(20) CHARACTER SET utf8)",
        "UPDATE shop.t SET s = REGEXP_REPLACE('a\\nb', 'a.b', 'all')",
        "CREATE TABLE shop.quotient AS SELECT 1 / 3 AS q",
    ),
    Flavour.MYSQL: ("ALTER TABLE shop.z ADD week INT AS (WEEK(d)) STORED",),
}


@ROUTES
@FLAVOURS
def test_settings_that_the_log_lacks_are_the_sources(
    flavour: Flavour, route: Route, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with abroad(flavour, tmp_path, monkeypatch, *SETTINGS[flavour]) as archived:
        archived.work(
            *("CREATE TABLE shop.engine (id INT PRIMARY KEY)", "CREATE TABLE shop.row_format (s TEXT) ENGINE=InnoDB"),
            "INSERT INTO shop.t (s) VALUES ('one')",
            *UNDER_SETTINGS[flavour],
            "INSERT INTO shop.t (s) VALUES (WEEK('2025-12-31')), (1 / 3)",
            "CREATE TABLE shop.lenient (a INT) ENGINE=InnoDB KEY_BLOCK_SIZE=31",
            *("CREATE TABLE shop.joined (s TEXT)", "INSERT INTO shop.joined VALUES ('')", "SET sql_mode = ''"),
            "UPDATE shop.joined SET s = (SELECT GROUP_CONCAT(d) FROM shop.z)",
            "ALTER TABLE shop.z ADD third VARCHAR(30) AS (id / 3) STORED",
        )
        wanted = content(archived.server.root)
        with prepared(archived) as ready:
            assert replayed(ready, route) == wanted


@FLAVOURS
def test_a_setting_that_the_private_server_refuses_is_told(
    flavour: Flavour, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with abroad(flavour, tmp_path, monkeypatch) as archived:
        archived.work()
        with prepared(archived) as ready:
            manifest = ready.start.manifest
            variables = {**manifest.source.variables, "default_storage_engine": "ROCKSDB"}
            source = manifest.source.model_copy(update={"variables": variables})
            changed = of(ready, manifest.model_copy(update={"source": source}))
            with pytest.raises(RestoreRefusedError, match="default_storage_engine=ROCKSDB"):
                replayed(changed, Route.REPLICATION)
