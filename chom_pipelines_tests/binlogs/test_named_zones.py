"""What a source came to know of time zones after its backup is known to a replay, or what lacks is named."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from chom_pipelines.binlogs.format.conversions import UNSAID, conversions
from chom_pipelines.binlogs.format.lexemes import Dialect
from chom_pipelines.binlogs.format.statements import understand
from chom_pipelines.binlogs.recovery.point_in_time import PointInTime, recovered_server
from chom_pipelines.binlogs.recovery.recovering import Recovered
from chom_pipelines.binlogs.recovery.targets import Route
from chom_pipelines.errors import RestoreRefusedError
from chom_pipelines.outcome import Outcome
from chom_pipelines.progress import unreported
from chom_pipelines.proofs.drill import run_drill
from chom_pipelines.server.facts import Flavour
from chom_pipelines.server.time_zones import load_time_zones
from chom_pipelines_tests.binlogs.archives import Archive
from chom_pipelines_tests.binlogs.test_surroundings import FLAVOURS, ROUTES, abroad, content, prepared, replayed
from chom_pipelines_tests.logical.taking import NAME
from chom_pipelines_tests.physical.files_data import copying_options, take_files

Content = dict[str, list[tuple[object, ...]]]
TO_BERLIN = "ALTER TABLE shop.z ADD b DATETIME AS (CONVERT_TZ(d, '+00:00', 'Europe/Berlin')) STORED"
TO_TOKYO = "ALTER TABLE shop.z ADD t DATETIME DEFAULT (CONVERT_TZ('2026-07-01 12:00:00', '+00:00', 'Asia/Tokyo'))"
BY_TEXT = "UPDATE shop.t SET s = CONVERT_TZ('2026-07-01 12:00:00', '+00:00', 'Asia/Tokyo') WHERE id = 1"


@pytest.fixture(autouse=True)
def _clock_of_this_process() -> Iterator[None]:
    yield
    time.tzset()


def load(archived: Archive, *names: str, logged: bool = True) -> None:
    """Have the source know these zones from now on."""
    with archived.server.connect() as session:
        if not logged:
            session.execute("SET SESSION sql_log_bin = 0")
        load_time_zones(session, names)


def recovered(ready: PointInTime, route: Route, *, accounts: bool = False) -> tuple[Recovered, Content]:
    recoverer = ready.recoverer(route, accounts=accounts, report=unreported)
    with recovered_server(ready, recoverer) as (server, done):
        return done, content(server.endpoint)


@FLAVOURS
@pytest.mark.parametrize(
    ("route", "accounts"), [(Route.CLIENT, True), (Route.REPLICATION, False), (Route.REPLICATION, True)]
)
def test_zones_that_the_log_loads_are_known_behind_that(
    flavour: Flavour, route: Route, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, accounts: bool
) -> None:
    with abroad(flavour, tmp_path, monkeypatch, "--binlog-format=MIXED") as archived:
        archived.work("INSERT INTO shop.t (s) VALUES ('a')")
        load(archived, "Europe/Berlin", "Asia/Tokyo")
        archived.work(TO_BERLIN, BY_TEXT, TO_TOKYO)
        wanted = content(archived.server.root)
        assert "21:00:00" in str(wanted["t"])
        with prepared(archived) as ready:
            done, found = recovered(ready, route, accounts=accounts)
        assert found == wanted
        assert not done.doubts


@FLAVOURS
def test_so_are_those_of_a_server_whose_files_are_backed_up(
    flavour: Flavour, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chom_pipelines_tests.binlogs.test_surroundings.THERE", "UTC")
    options = (*copying_options(flavour), "--binlog-format=MIXED")
    with abroad(flavour, tmp_path, monkeypatch, *options, zones=True) as archived:
        take_files(archived.backups, archived.server)
        archived.work("INSERT INTO shop.t (s) VALUES ('a')", TO_BERLIN)
        load(archived, "Asia/Tokyo")
        archived.work(BY_TEXT, TO_TOKYO)
        wanted = content(archived.server.root)
        with prepared(archived) as ready:
            assert ready.start.of_files
            done, found = recovered(ready, Route.REPLICATION)
        assert found == wanted
        assert not done.doubts


@FLAVOURS
def test_zones_that_came_in_no_log_are_named_where_they_lack(
    flavour: Flavour, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with abroad(flavour, tmp_path, monkeypatch, "--binlog-format=MIXED") as archived:
        archived.work(
            "INSERT INTO shop.t (s) VALUES ('a')", "UPDATE shop.t SET s = CONVERT_TZ(NOW(), '+00:00', '+01:00')"
        )
        load(archived, "Asia/Tokyo", logged=False)
        archived.work(BY_TEXT, "SELECT SLEEP(3)")
        with prepared(archived) as ready:
            done, _ = recovered(ready, Route.REPLICATION)
        (doubt,) = done.doubts
        assert "converts times by the time zone Asia/Tokyo, which the source was not seen to know" in doubt
        assert doubt in done.restored.warnings
        latest = archived.recoverable().windows.latest
        _, drill = run_drill(archived.backups.repository, NAME, None, unreported, threads=1, moment=latest)
        assert drill.outcome is Outcome.NOT_VERIFIED
        assert "Asia/Tokyo" in drill.reason


@ROUTES
@FLAVOURS
def test_a_session_in_a_zone_tells_that_the_source_came_to_know_zones(
    flavour: Flavour, route: Route, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with abroad(flavour, tmp_path, monkeypatch, "--binlog-format=MIXED") as archived:
        load(archived, "Europe/Berlin", "Asia/Tokyo", logged=False)
        archived.work(
            "INSERT INTO shop.t (s) VALUES ('a')",
            *("SET time_zone = 'Europe/Berlin'", "UPDATE shop.t SET s = FROM_UNIXTIME(0)", "SET time_zone = '+00:00'"),
            *(TO_TOKYO, BY_TEXT),
        )
        wanted = content(archived.server.root)
        with prepared(archived) as ready:
            done, found = recovered(ready, route)
        assert found == wanted
        assert not done.doubts


@FLAVOURS
def test_a_zone_that_is_needed_and_must_not_be_known_is_refused(
    flavour: Flavour, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with abroad(flavour, tmp_path, monkeypatch) as archived:
        archived.work(TO_BERLIN)
        load(archived, "Europe/Berlin", "Asia/Tokyo")
        archived.work(TO_TOKYO)
        wanted = content(archived.server.root)
        with prepared(archived) as ready:
            recoverer = ready.recoverer(Route.REPLICATION, accounts=False, report=unreported)
            with pytest.raises(RestoreRefusedError, match="Europe/Berlin, which the source did not know when") as error:
                recoverer.refuse_unfit()
            assert "--before" in error.value.remedy
            assert replayed(ready, Route.CLIENT) == wanted, "where the log loads them in its order"


@pytest.mark.parametrize(
    ("text", "zones"),
    [
        ("ALTER TABLE t ADD c DATETIME AS (CONVERT_TZ(d, '+00:00', 'Europe/Berlin'))", {"Europe/Berlin"}),
        ("UPDATE t SET c = convert_tz (d, 'utc', \"Asia/Tokyo\")", {"utc", "Asia/Tokyo"}),
        ("UPDATE t SET c = CONVERT_TZ(CONVERT_TZ(d, 'A/B', '+01:00'), 'system', _utf8mb4'C/D')", {"A/B", "C/D"}),
        ("INSERT INTO t SELECT CONVERT_TZ(IF(a, b, c), '+00:00', zone) FROM s", {UNSAID}),
        ("UPDATE t SET c = CONVERT_TZ(d, '-01:00', 'SYSTEM')", set()),
        ("UPDATE t SET c = 'CONVERT_TZ(d, x, y)', convert_tz = 1 -- CONVERT_TZ(d, x, y)", set()),
        ("CREATE FUNCTION f() RETURNS INT RETURN CONVERT_TZ(d, '+00:00', 'Europe/Berlin')", set()),
        ("UPDATE t SET c = CONVERT_TZ(d", set()),
    ],
)
def test_the_zones_of_a_statement_are_read_from_its_words(text: str, zones: set[str]) -> None:
    for flavour in Flavour:
        found = list(conversions(text.encode(), understand(text.encode(), "d", flavour), Dialect(flavour)))
        assert {each.zone for each in found} == zones
        assert {each.database for each in found} <= {"d"}
        assert {each.alters for each in found} <= {text.startswith("ALTER")}
