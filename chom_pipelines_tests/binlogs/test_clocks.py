"""A clock that was wrong for a whole file is noticed by their neighbours, and what it may have falsified is doubted."""

from __future__ import annotations

import time
from bisect import bisect_right
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chom_pipelines.binlogs.archive.chain import chained
from chom_pipelines.binlogs.archive.segments import Segment
from chom_pipelines.binlogs.recovery.clocks import refuse_uncertain, uncertain
from chom_pipelines.binlogs.recovery.point_in_time import point_in_time
from chom_pipelines.binlogs.recovery.targets import AtTime, BeforePlace
from chom_pipelines.binlogs.recovery.windows import windows
from chom_pipelines.errors import RestoreRefusedError
from chom_pipelines.progress import unreported
from chom_pipelines_tests.binlogs.archives import Archive, archived_server
from chom_pipelines_tests.binlogs.segments import at, full, segment
from chom_pipelines_tests.logical.taking import NAME, Backups
from chom_pipelines_tests.servers import PrivateServer

FILES, MINUTE = 6, timedelta(minutes=1)
EVERY = 5 * MINUTE
RIGHT = timedelta()


def written(number: int, wrong: timedelta = RIGHT, **changes: datetime) -> Segment:
    """The file of an hour, with a transaction each five minutes, by a clock that was so wrong."""
    times = {
        "opened": at(number) + wrong,
        "first_event": at(number) + EVERY + wrong,
        "last_event": at(number + 1) - EVERY + wrong,
        "as_of": at(number + 1) + wrong,
    }
    return segment(number, **{**times, **changes})


def noted(segments: list[Segment]) -> list[datetime]:
    """The transactions' times."""
    return [each.opened + minutes * EVERY for each in segments for minutes in range(1, 12)]


@given(st.integers(1, FILES - 2), st.integers(-200, 200).filter(lambda minutes: abs(minutes) > 10))
def test_every_moment_whose_place_a_wrong_clock_changes_is_in_doubt(wrong: int, minutes: int) -> None:
    found = [written(number, minutes * MINUTE if number == wrong else RIGHT) for number in range(FILES)]
    true, told, doubts = noted([*map(written, range(FILES))]), noted(found), uncertain(found)
    for minute in range(60 * FILES):
        moment = at(0) + minute * MINUTE
        place = next((index for index, time in enumerate(told) if time > moment), len(told))
        if place != bisect_right(true, moment):
            assert any(each.start <= moment <= each.end for each in doubts), (moment, doubts)


def test_where_clocks_were_right_nothing_is_in_doubt() -> None:
    assert uncertain([*map(written, range(FILES))]) == ()
    assert uncertain([written(0), written(1, timedelta(seconds=-2)), written(2)]) == (), "clocks are set"
    assert uncertain([*map(segment, range(FILES))]) == (), "files without transactions"


@pytest.mark.parametrize("number", range(1, FILES - 1))
def test_a_long_statement_that_fills_a_file_is_no_wrong_clock(number: int) -> None:
    """Then the file ends, and the next one begins, when the statement began: perhaps before its own file."""
    began = at(number) - EVERY
    files = [written(each) for each in range(FILES)]
    files[number] = written(number, last_event=began, as_of=began)
    files[number + 1] = written(number + 1, opened=began)
    assert uncertain(files) == ()
    late = [*files[:number], written(number, first_event=began), *map(written, range(number + 1, FILES))]
    assert uncertain(late) == ()


def test_a_doubt_is_named_in_the_window_and_moments_in_it_are_refused() -> None:
    files = [written(number, 90 * MINUTE if number == 2 else RIGHT) for number in range(FILES)]
    (interval,) = windows([full(1.5)], [chained(files, {})]).intervals
    (doubt,) = interval.uncertain
    assert (doubt.start, doubt.end) == (at(2) - EVERY, at(4.5) - EVERY)
    assert "mysql-bin.000002 ends at 2026-01-02 04:25:00 UTC, and mysql-bin.000003, behind it, begins" in doubt.line
    for hours in (1.5, 1.9, 4.5):
        refuse_uncertain(AtTime(at(hours)), files)
    for hours in (2.25, 3, 4.4):
        with pytest.raises(RestoreRefusedError, match="the server's clock was wrong"):
            refuse_uncertain(AtTime(at(hours)), files)
    refuse_uncertain(BeforePlace("mysql-bin.000002", 500), files)
    assert windows([full(5.5)], [chained(files, {})]).intervals[0].uncertain == ()


def test_a_file_that_a_server_wrote_an_hour_late_is_doubted(mariadb: PrivateServer, tmp_path: Path) -> None:
    """The clock of a session stands for that of the server, whose times MariaDB takes from there."""
    with archived_server(mariadb.flavour) as server:
        archived = Archive(server, Backups(tmp_path))
        archived.backups.take(server)
        time.sleep(1)  # times in a log are cut off to whole seconds
        archived.work("INSERT INTO shop.t (s) VALUES (1)", "FLUSH BINARY LOGS")
        late = "SET timestamp = UNIX_TIMESTAMP() - 3600"
        archived.work(late, "FLUSH BINARY LOGS", "INSERT INTO shop.t (s) VALUES (2)", "FLUSH BINARY LOGS")
        archived.work("FLUSH BINARY LOGS", "INSERT INTO shop.t (s) VALUES (3)")
        time.sleep(3)  # longer than clocks are set back on ordinary days
        archived.work()
        archived.archive()
        (interval,) = archived.recoverable().windows.intervals
        (doubt,) = interval.uncertain
        assert interval.earliest <= doubt.end < interval.latest
        repository, last = archived.backups.repository, archived.history.segments[-1]
        with (
            pytest.raises(RestoreRefusedError, match="the server's clock was wrong"),
            point_in_time(repository, NAME, AtTime(doubt.end), keyring=None, report=unreported, threads=1),
        ):
            pass
        place = BeforePlace(last.file, last.end)
        with point_in_time(repository, NAME, place, keyring=None, report=unreported, threads=1) as ready:
            assert ready.recovery.stop.transactions == 4
