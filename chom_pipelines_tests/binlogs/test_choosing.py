"""Where no way leads to a target, it is said why, and which moments near it can be restored."""

from __future__ import annotations

from pathlib import Path

import pytest

from chom_pipelines.binlogs.recovery import point_in_time
from chom_pipelines.binlogs.recovery.choosing import end_of, read_for, way_to
from chom_pipelines.binlogs.recovery.recoverable import Recoverable
from chom_pipelines.binlogs.recovery.targets import AtTime, BeforePlace, Target, ThroughGtid
from chom_pipelines.errors import RestoreRefusedError
from chom_pipelines.progress import unreported
from chom_pipelines.server.claimed_directories import roomy_base
from chom_pipelines.server.facts import Flavour
from chom_pipelines_tests.binlogs.archives import Archive, archived_server
from chom_pipelines_tests.binlogs.segments import SIZE, at, full, history, segment
from chom_pipelines_tests.logical.taking import NAME, Backups


@pytest.mark.parametrize(("hours", "missing"), [(2.5, 2), (4, 2), (5.5, 5), (7, 5)])
def test_a_moment_in_no_window_is_refused_with_the_newest_gap_before_it(hours: float, missing: int) -> None:
    segments = map(segment, (0, 1, 3, 4, 6, 7, 8))
    found = Recoverable((full(0.5), full(8.5)), (history(*segments),), {}, {})
    with pytest.raises(RestoreRefusedError, match=f"in no window: mysql-bin.00000{missing} is missing") as caught:
        way_to(AtTime(at(hours)), found)
    near = "2026-01-02 02:00:00 UTC is the last one before it, 2026-01-02 08:30:00 UTC is the first one after it"
    assert near in caught.value.remedy


@pytest.mark.parametrize(("hours", "beyond"), [(2.5, False), (3.9, False), (5.5, True)])
def test_the_archive_is_not_said_to_end_where_a_gap_does(hours: float, *, beyond: bool) -> None:
    """No full backup is behind it, so that the window ends with it, and the archive does not."""
    found = Recoverable((full(0.5),), (history(*map(segment, (0, 1, 3, 4))),), {}, {})
    with pytest.raises(RestoreRefusedError) as caught:
        way_to(AtTime(at(hours)), found)
    assert ("the archive does not go beyond 2026-01-02 05:00:00 UTC" in caught.value.what) is beyond
    assert ("in no window: mysql-bin.000002 is missing" in caught.value.what) is not beyond
    assert ("`chom backup --type incremental` archives what" in caught.value.remedy) is beyond
    assert "2026-01-02 02:00:00 UTC is the last one before it" in caught.value.remedy


def test_of_a_transaction_that_is_not_archived_it_is_said_where_the_archive_ends() -> None:
    found = Recoverable((full(0.5),), (history(*map(segment, range(3))),), {}, {})
    way_to(ThroughGtid("0-11-30"), found)
    with pytest.raises(RestoreRefusedError, match="it is not in the archive, which ends at 0-11-30"):
        way_to(ThroughGtid("0-11-31"), found)


def test_all_that_is_archived_ends_with_the_log_or_with_a_later_full_backup() -> None:
    archived = history(*map(segment, range(3)))
    assert end_of(Recoverable((full(0.5),), (archived,), {}, {})) == BeforePlace("mysql-bin.000002", SIZE)
    later = full(4.5)
    assert end_of(Recoverable((full(0.5), later), (archived,), {}, {})) == AtTime(later.as_of)
    with pytest.raises(RestoreRefusedError, match="there is no full backup"):
        end_of(Recoverable((), (archived,), {}, {}))


def test_a_full_backup_that_failed_is_not_told_to_be_none() -> None:
    name = "full_20260101_000000"
    found = Recoverable((), (history(*map(segment, range(3))),), {name: "view shop.rich differs", "other": "x"}, {})
    for asked in (lambda: end_of(found), lambda: way_to(AtTime(at(1)), found)):
        with pytest.raises(
            RestoreRefusedError, match=f"the only full backup cannot be used: {name}: view shop.rich differs"
        ) as caught:
            asked()
        assert f"chom restore {name} --despite-failed-proof" in caught.value.remedy


def test_all_that_is_archived_is_not_taken_for_what_is_before_a_gap() -> None:
    found = Recoverable((full(0.5),), (history(*map(segment, (0, 1, 3))),), {}, {})
    with pytest.raises(
        RestoreRefusedError, match=r"not all that is archived can be restored: mysql-bin.000002"
    ) as caught:
        end_of(found)
    assert f"--before 'mysql-bin.000001:{SIZE}' restores the latest that can be" in caught.value.remedy


@pytest.mark.parametrize(("number", "refused"), [(1, False), (2, True), (3, True)])
def test_a_damaged_end_of_the_archive_is_not_left_out_silently(number: int, *, refused: bool) -> None:
    damaged = {f"11/binlog_mysql-bin.{number:06d}_000000000004": "it is damaged"}
    found = Recoverable((full(0.5),), (history(*map(segment, range(3))),), {}, damaged)
    if not refused:
        assert end_of(found) == BeforePlace("mysql-bin.000002", SIZE)
        return
    with pytest.raises(RestoreRefusedError, match="not all that is archived can be restored: 11/binlog_mysql-bin"):
        end_of(found)


def test_a_moment_in_a_window_is_reached_from_the_newest_backup_before_it() -> None:
    found = Recoverable((full(0.5), full(2.5)), (history(*map(segment, range(4))),), {}, {})
    for hours, backup in ((1, 0.5), (2.49, 0.5), (2.5, 2.5), (4, 2.5)):
        assert way_to(AtTime(at(hours)), found).full.as_of == at(backup)


@pytest.mark.parametrize(
    ("target", "last"),
    [
        (AtTime(at(2.5)), 5),
        (BeforePlace("mysql-bin.000002", 500), 5),
        (BeforePlace("mysql-bin.000003", 4), 5),
        (ThroughGtid("0-11-25"), 5),
        (ThroughGtid("0-11-30"), 5),
        (AtTime(at(8.5)), 9),
    ],
)
def test_no_more_of_the_log_is_reckoned_with_than_the_search_for_a_target_may_read(target: Target, last: int) -> None:
    segments = (segment(number, first_event=at(number)) for number in range(10))
    way = way_to(target, Recoverable((full(0.5),), (history(*segments),), {}, {}))
    assert len(way.segments) == 10
    assert read_for(target, way) == way.segments[: last + 1]


@pytest.mark.parametrize("flavour", Flavour)
def test_room_is_asked_for_what_is_read_and_not_for_the_log_up_to_today(
    flavour: Flavour, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def counting(needed: int, memory: int, directory: Path | None) -> Path:
        asked.append(needed)
        return roomy_base(needed, memory, directory)

    monkeypatch.setattr(point_in_time, "roomy_base", counting)
    with archived_server(flavour) as server:
        archived = Archive(server, Backups(tmp_path))
        archived.backups.take(server)
        for _ in range(5):
            archived.work(*["INSERT INTO shop.t (s) VALUES (REPEAT('x', 5000))"] * 15)
            archived.archive()
        segments = archived.history.segments
        first, last = segments[0], segments[-1]
        for target in (BeforePlace(first.file, first.end), BeforePlace(last.file, last.end)):
            with point_in_time.point_in_time(
                archived.backups.repository, NAME, target, keyring=None, report=unreported, threads=1
            ) as ready:
                written = sum(each.stat().st_size for each in ready.private.glob("mysql-bin.*"))
            assert written <= asked[-1] + 4 * len(segments)  # the four bytes with which each file begins
    everything = sum(each.end - each.start for each in segments)
    assert asked[0] < everything * 0.7
    assert asked[1] == everything
