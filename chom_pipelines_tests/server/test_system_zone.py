"""A private server's machine is in the time zone of the source's, whatever this one is in and knows."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Iterable
from datetime import UTC, datetime
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chom_pipelines.server.connection import Session
from chom_pipelines.server.facts import Flavour
from chom_pipelines.server.scratch import ScratchServer, scratch_server
from chom_pipelines.server.system_zone import SystemZone, system_zone, zone_file
from chom_pipelines.server.time_zones import Zones, read_zones
from chom_pipelines_tests.servers import PrivateServer

NAMES = sorted(available_timezones())
FLAVOURS = pytest.mark.parametrize("flavour", Flavour)
ODD = ["America/New_York", "Africa/Monrovia", "Australia/Lord_Howe", "Asia/Gaza", "Etc/GMT+12", "Asia/Kathmandu"]
"""With summer times, of half an hour and moved at short notice, and with offsets of seconds."""
END_OF_OLD_TIMES = 1 << 31


def ahead(zone: ZoneInfo, moment: int) -> int:
    """How many seconds a zone is ahead of UTC."""
    return int(datetime.fromtimestamp(moment, zone).utcoffset().total_seconds())  # type: ignore[union-attr]


def zone_of(name: str, end: int = 1 << 32) -> SystemZone:
    """What a server in that zone is found to be in, whose times end so many seconds after the beginning of 1970."""
    zone = ZoneInfo(name)

    def asked(moments: Iterable[int]) -> dict[int, int]:
        return {moment: ahead(zone, moment) for moment in moments if moment < end}

    return system_zone(asked)


@pytest.mark.long
@given(st.sampled_from(NAMES), st.randoms(use_true_random=False))
def test_the_file_of_what_was_found_is_as_far_ahead_at_every_moment(name: str, chance: random.Random) -> None:
    found = zone_of(name)
    zone, copy = ZoneInfo(name), ZoneInfo.from_file(io.BytesIO(zone_file(found)))
    moments = [chance.randrange(86_400, 1 << 32) for _ in range(500)]
    around = [change + by for change in found for by in (-1, 0, 1) if change]
    assert [ahead(copy, each) for each in (*moments, *around)] == [ahead(zone, each) for each in (*moments, *around)]


@pytest.mark.parametrize("name", ODD)
@FLAVOURS
def test_a_server_tells_its_machines_zone_to_the_second_and_one_that_stands_in_converts_as_it_does(
    flavour: Flavour, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", name)
    with scratch_server(flavour) as source:
        monkeypatch.setenv("TZ", "Asia/Tokyo")
        with Session(source.endpoint) as session:
            zones = read_zones(session)
            newest = session.value("SELECT FROM_UNIXTIME(4294967295)")
        assert zones.system == zone_of(name, 1 << 32 if newest else END_OF_OLD_TIMES)
        with scratch_server(flavour, zones=zones) as copy:
            assert local_times(copy) == local_times(source)
            with Session(copy.endpoint) as session:
                assert read_zones(session) == zones


def local_times(server: ScratchServer) -> list[object]:
    """What a server makes of times in UTC, and of those of its machine."""
    with Session(server.endpoint) as session:
        days = json.dumps(
            [f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S}" for at in range(86_400, 1 << 31, 151 * 3600)]
        )
        there = "CONVERT_TZ(utc, '+00:00', 'SYSTEM'), CONVERT_TZ(utc, 'SYSTEM', '+00:00')"
        times = "JSON_TABLE(%s, '$[*]' COLUMNS (utc DATETIME PATH '$')) times"
        return list(session.rows(f"SELECT utc, {there} FROM {times} ORDER BY utc", (days,)))


@FLAVOURS
def test_without_zones_to_stand_in_for_a_server_is_in_this_machines(
    flavour: Flavour, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "Asia/Kathmandu")
    with scratch_server(flavour) as server, Session(server.endpoint) as session:
        assert session.value("SELECT CONVERT_TZ('2026-07-01', '+00:00', 'SYSTEM')") == datetime(2026, 7, 1, 5, 45)  # noqa: DTZ001


@FLAVOURS
def test_where_the_source_knew_zones_by_name_a_private_server_knows_those_of_this_machine(flavour: Flavour) -> None:
    with scratch_server(flavour, zones=Zones(named=1)) as server, Session(server.endpoint) as session:
        known = {str(name) for (name,) in session.rows("SELECT Name FROM mysql.time_zone_name")}
        assert set(NAMES) - known <= {"Factory", "localtime"}  # which no clock is set by
        for name in ODD:
            for at in (*range(86_400, 1 << 31, 29_999_999),):
                utc = datetime.fromtimestamp(at, UTC)
                there = session.value("SELECT CONVERT_TZ(%s, '+00:00', %s)", (utc.replace(tzinfo=None), name))
                assert there == utc.astimezone(ZoneInfo(name)).replace(tzinfo=None)


@FLAVOURS
def test_where_it_knew_some_a_private_server_knows_these_alone(flavour: Flavour) -> None:
    named = ("America/New_York", "Elsewhere/Invented", "Europe/Berlin")
    with scratch_server(flavour, zones=Zones(named=named)) as server, Session(server.endpoint) as session:
        assert read_zones(session).named == ("America/New_York", "Europe/Berlin")
        assert session.value("SELECT CONVERT_TZ('2026-07-01', '+00:00', 'Asia/Tokyo')") is None
        assert session.value("SELECT CONVERT_TZ('2026-07-01', '+00:00', 'Europe/Berlin')") == datetime(2026, 7, 1, 2)  # noqa: DTZ001


@FLAVOURS
@pytest.mark.parametrize("named", [0, None, ()])
def test_where_it_knew_none_or_nobody_knows_a_private_server_knows_none(
    flavour: Flavour, named: tuple[str, ...] | int | None
) -> None:
    with scratch_server(flavour, zones=Zones(named=named)) as server, Session(server.endpoint) as session:
        assert read_zones(session).named == ()
        assert session.value("SELECT CONVERT_TZ('2026-07-01', '+00:00', 'Europe/Berlin')") is None


def test_who_may_not_ask_for_names_does_not_know_them(server: PrivateServer) -> None:
    with server.connect() as session:
        session.execute("CREATE USER IF NOT EXISTS blind@'%' IDENTIFIED BY 'b'")
    try:
        endpoint = server.backup.__class__("blind", "blind", "b", host=server.backup.host, port=server.backup.port)
        with Session(endpoint) as session:
            zones = read_zones(session)
        assert zones.named is None
        assert zones.system
    finally:
        with server.connect() as session:
            session.execute("DROP USER blind@'%'")
