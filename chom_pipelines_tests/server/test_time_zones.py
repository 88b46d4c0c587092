"""A private server gets to know the named time zones that statements of a log depend on."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from chom_pipelines.errors import RestoreRefusedError
from chom_pipelines.server.time_zones import load_time_zones, periods
from chom_pipelines_tests.servers import PrivateServer


def test_times_are_converted_as_the_zone_has_them(server: PrivateServer) -> None:
    names = ["Europe/Berlin", "america/new_york", "Asia/Kathmandu", "UTC"]
    with server.connect() as session:
        load_time_zones(session, names)
        load_time_zones(session, names)
        for name in names:
            zone = ZoneInfo({"america/new_york": "America/New_York"}.get(name, name))
            for at in range(86_400, 2_145_916_800, 2_999_999):  # up to 2038
                utc = datetime.fromtimestamp(at, UTC)
                there = session.value("SELECT CONVERT_TZ(%s, '+00:00', %s)", (utc.replace(tzinfo=None), name))
                assert there == utc.astimezone(zone).replace(tzinfo=None)


def test_a_zone_that_nobody_knows_is_refused(server: PrivateServer) -> None:
    with server.connect() as session, pytest.raises(RestoreRefusedError, match="Nowhere/Land"):
        load_time_zones(session, ["Nowhere/Land"])


def test_periods_begin_in_the_second_in_which_clocks_change() -> None:
    begins = {each.begin: each.offset for each in periods(ZoneInfo("Europe/Berlin"))}
    assert begins[datetime(2026, 3, 29, 1, tzinfo=UTC)] == 7200
    assert begins[datetime(2026, 10, 25, 1, tzinfo=UTC)] == 3600
