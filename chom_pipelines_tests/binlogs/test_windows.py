"""Windows are what can be restored to: never too wide, and not too narrow."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chom_pipelines.binlogs.archive.chain import Run, chained
from chom_pipelines.binlogs.archive.segments import Identity
from chom_pipelines.binlogs.recovery import recoverable
from chom_pipelines.binlogs.recovery.recoverable import Recoverable
from chom_pipelines.binlogs.recovery.windows import Full, Interval, Windows, run_of, windows
from chom_pipelines.repository.manifest import Position
from chom_pipelines.server.facts import Flavour
from chom_pipelines_tests.binlogs.segments import at, full, history, segment


def _between(found: Windows) -> list[tuple[float, float]]:
    """Intervals in hours after midnight."""
    hour = timedelta(hours=1)
    return [((each.earliest - at(0)) / hour, (each.latest - at(0)) / hour) for each in found.intervals]


def test_from_a_full_backup_to_the_end_of_the_archive_every_moment_can_be_restored() -> None:
    found = windows([full(2.5)], [chained(map(segment, range(6)), {})])
    assert _between(found) == [(2.5, 6)]
    assert found.latest == at(6)
    assert found.exposure(at(6.5)) == timedelta(minutes=30)
    assert found.unreachable == ()


def test_a_full_backup_without_a_log_is_a_moment() -> None:
    for alone in (full(2.5, None), full(2.5), full(2.5, identity=Identity(12, None))):
        chains = [] if alone.identity.server_id == 11 else [chained([segment(2)], {})]
        found = windows([alone], chains)
        assert _between(found) == [(2.5, 2.5)]
        assert found.intervals[0].last is None


def test_nothing_can_be_restored_where_there_is_no_full_backup() -> None:
    found = windows([], [chained([segment(1)], {})])
    assert found.intervals == ()
    assert found.exposure(at(3)) is None
    assert len(found.unreachable) == 1


def test_a_gap_ends_an_interval_and_only_a_full_backup_after_it_begins_another() -> None:
    segments = [segment(number) for number in (0, 1, 2, 4, 5, 6)]
    found = windows([full(1.5), full(5.5)], [chained(segments, {})])
    assert _between(found) == [(1.5, 3), (5.5, 7)]
    assert [gap.why for gap in found.gaps] == ["mysql-bin.000003 is missing"]
    assert _between(windows([full(1.5)], [chained(segments, {})])) == [(1.5, 3)]


def test_several_full_backups_on_one_run_are_one_interval() -> None:
    found = windows([full(3.2), full(1.5)], [chained(map(segment, range(6)), {})])
    assert _between(found) == [(1.5, 6)]
    assert [each.id for each in found.intervals[0].fulls] == [full(1.5).id, full(3.2).id]


@pytest.mark.parametrize("position", [4, 1000])
def test_a_backup_at_the_very_beginning_or_end_of_a_file_is_replayed_from_there(position: int) -> None:
    gtid = "0-11-20" if position == 4 else "0-11-30"
    backup = full(2.5, position)
    backup = full(2.5, position, place=backup.place.model_copy(update={"gtid": gtid})) if backup.place else backup
    assert _between(windows([backup], [chained(map(segment, range(6)), {})])) == [(2.5, 6)]


@pytest.mark.parametrize("gtid", ["0-11-19", "0-11-31", "1-11-25"])
def test_a_backup_whose_transactions_are_not_those_of_the_log_is_not_replayed(gtid: str) -> None:
    backup = full(2.5)
    assert backup.place
    other = full(2.5, place=backup.place.model_copy(update={"gtid": gtid}))
    assert _between(windows([other], [chained(map(segment, range(6)), {})])) == [(2.5, 2.5)]


def test_after_a_server_began_its_files_anew_a_backup_is_replayed_from_the_files_of_its_own_time() -> None:
    old = chained([segment(number) for number in range(4)], {})
    new = chained(
        [
            segment(number, history="11.2", opened=at(number + 10), as_of=at(number + 11) + timedelta(seconds=1))
            for number in range(4)
        ],
        {},
    )
    runs = [*old.runs, *new.runs]
    before, after = full(1.5), full(1.5, as_of=at(11.5))
    assert [run.history if run else None for run in (run_of(before, runs), run_of(after, runs))] == ["11", "11.2"]
    assert _between(windows([before, after], [old, new])) == [(1.5, 4), (11.5, 14)]
    (gap,) = windows([before, after], [old, new]).gaps
    assert gap.why.startswith("the server began its files anew, as by RESET")
    assert "mysql-bin.000000 from 4 to 1000 does not follow" in gap.why
    # as long as the new files are not archived, the old ones of the same names are none of its
    assert _between(windows([before, after], [old])) == [(1.5, 4), (11.5, 11.5)]


def test_a_backup_that_knows_its_file_is_replayed_from_that_one_whatever_times_say() -> None:
    old = chained([segment(number) for number in range(4)], {})
    new = [segment(number, history="11.2", head=f"{number + 10:064x}", previous=None) for number in range(4)]
    runs = [*old.runs, *chained(new, {}).runs]
    for hours in (0.5, 1.5, 9):
        for one in (1, 11):
            backup = full(1.5, as_of=at(hours), head=f"{one:064x}")
            run = run_of(backup, runs)
            assert run
            assert run.history == ("11" if one == 1 else "11.2")
        assert run_of(full(1.5, as_of=at(hours), head="f" * 64), runs) is None


def test_a_backup_after_which_nothing_was_archived_is_no_older_than_it_is() -> None:
    """The server was idle: the end of the archive is before the backup."""
    late = full(3.5, place=full(2.5, 1000).place)
    assert _between(windows([late], [chained(map(segment, range(3)), {})])) == [(3.5, 3.5)]


@given(st.sets(st.integers(0, 9), max_size=10), st.sets(st.integers(0, 9), max_size=5))
def test_a_moment_is_within_a_window_exactly_where_a_backup_and_all_of_the_log_since_are_there(
    files: set[int], backups: set[int]
) -> None:
    found = windows([full(hour + 0.5) for hour in backups], [chained(map(segment, files), {})])
    for quarter in range(44):
        moment = quarter / 4
        expected = any(
            moment == hour + 0.5
            or (moment > hour + 0.5 and all(file in files for file in range(hour, -(-quarter // 4))))
            for hour in backups
        )
        assert any(earliest <= moment <= latest for earliest, latest in _between(found)) == expected


def test_a_gap_is_mended_by_a_full_backup_behind_it_and_by_none_of_the_same_second_before_it() -> None:
    archived = history(segment(1), segment(3))
    for taken, place, mended in ((3.0001, 1, False), (3.0001, 3, True), (2.9, 1, False), (3.1, 3, True), (9, 9, True)):
        backup = full(taken, place=Position(file=f"mysql-bin.{place:06d}", position=1000 if place == 1 else 4))
        found = Recoverable((backup,), (archived,), {}, {})
        assert (found.open_gaps == ()) is mended, (taken, place)


def test_a_gap_is_not_mended_by_a_backup_whose_file_is_missing_in_it() -> None:
    """Though the file behind the gap says that it was begun before."""
    archived = history(segment(1), segment(3, opened=at(2)))
    in_gap = full(2.5, place=Position(file="mysql-bin.000002", position=500))
    assert len(Recoverable((in_gap,), (archived,), {}, {}).open_gaps) == 1


@pytest.mark.parametrize("flavour", list(Flavour))
@pytest.mark.parametrize("asked", [None, 1.75])
def test_before_a_gap_only_what_is_by_the_servers_own_clock_counts(flavour: Flavour, asked: float | None) -> None:
    """MySQL notes commits; of MariaDB's file, where nobody asked meanwhile, only the begin is known."""
    ahead = segment(1, flavour=flavour, as_of=at(2.9), last_event=at(1.5), written=None if asked is None else at(asked))
    runs = [segment(0, flavour=flavour), ahead, segment(3, flavour=flavour)]
    (interval,) = Recoverable((full(0.5, flavour=flavour),), (history(*runs),), {}, {}).windows.intervals
    assert interval.latest == at(asked or (1.5 if flavour is Flavour.MYSQL else 1))
    (whole,) = Recoverable((full(0.5, flavour=flavour),), (history(*runs[:2]),), {}, {}).windows.intervals
    assert whole.latest == at(2.9) - timedelta(seconds=1)


@given(st.integers(0, 300), st.integers(0, 300))
def test_no_interval_ends_in_a_gap_or_in_what_is_behind_it(as_of: int, begun: int) -> None:
    behind = segment(3, opened=at(begun / 60))
    archived = history(segment(0), segment(1, as_of=at(as_of / 60)), behind)
    (interval,) = Recoverable((full(0.1),), (archived,), {}, {}).windows.intervals
    assert interval.earliest == interval.latest or interval.latest < min(behind.opened, at(2) + timedelta(seconds=1))


def test_a_run_that_begins_within_a_file_is_of_no_use_for_a_backup_in_that_file() -> None:
    """A file is read from its beginning."""
    run = [segment(2, start=300, before="0-11-23"), segment(3)]
    assert _between(windows([full(2.5)], [chained(run, {})])) == [(2.5, 2.5)]
    assert _between(windows([full(3.5)], [chained(run, {})])) == [(3.5, 4)]


def test_a_gap_within_a_file_is_not_mended_by_a_backup_before_it() -> None:
    pieces = (
        segment(1, end=400, complete=False, following=None, after="0-11-14"),
        segment(1, start=600, before="0-11-16"),
        segment(2),
    )
    archived = history(*pieces)
    before = full(1.1, 200, place=Position(file="mysql-bin.000001", position=200))
    behind = full(2.5, 500)
    assert len(Recoverable((before,), (archived,), {}, {}).open_gaps) == 1
    assert Recoverable((before, behind), (archived,), {}, {}).open_gaps == ()


@pytest.mark.parametrize(
    ("seconds", "bounds"),
    [((0, 10), (0, 10)), ((0.2, 10), (1, 10)), ((0.2, 1), (1, 1)), ((0.2, 0.9), (0.2, 0.9)), ((0.2, 0.2), (0.2, 0.2))],
)
def test_bounds_are_whole_seconds_within_if_there_is_one(
    seconds: tuple[float, float], bounds: tuple[float, float]
) -> None:
    first, last = (at(each / 3600) for each in seconds)
    assert Interval(first, last, (), None).bounds == tuple(at(each / 3600) for each in bounds)


def test_what_follows_a_full_backup_is_looked_for_once_however_many_segments_there_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []

    def counting(one: Full, runs: Iterable[Run]) -> Run | None:
        asked.append(one.id)
        return run_of(one, runs)

    monkeypatch.setattr(recoverable, "run_of", counting)
    fulls = (full(1.5), full(3.5))
    found = Recoverable(fulls, (history(*(segment(number, logging=None) for number in range(50))),), {}, {})
    assert found.settings_unknown == 50 - 3  # the first three are in the second backup
    assert sorted(asked) == sorted(each.id for each in fulls)
