"""What the UI shows of an archive and of windows."""

from __future__ import annotations

from pathlib import Path

import pytest

from chom_pipelines.binlogs.archive.histories import History
from chom_pipelines.binlogs.recovery.recoverable import Recoverable
from chom_pipelines.defs.binlogs.metadata import (
    LISTED,
    covering,
    gap_rows,
    interval_rows,
    numbers,
    segment_rows,
    timeline,
)
from chom_pipelines.repository.local_store import LocalStore
from chom_pipelines.repository.repository import Repository
from chom_pipelines_tests.binlogs.segments import at, full, segment


@pytest.fixture
def broken(tmp_path: Path) -> Recoverable:
    """Two full backups, and an hour that is missing between them."""
    stream = Repository(LocalStore(tmp_path)).binlogs("chom-1", "11")
    segments = tuple(segment(number) for number in (0, 1, 2, 4, 5, 6, 7, 8))
    history = History("11", stream, stream, segments, {})
    return Recoverable((full(0.5), full(5.5)), (history,), {}, {"11/x": "damaged"})


def test_windows_are_numbers_and_rows(broken: Recoverable) -> None:
    assert numbers(broken, at(10)) == {
        "exposure_minutes": 60.0,
        "hours_recoverable": 6.0,
        "intervals": 2,
        "gaps": 1,
        "open_gaps": 0,
        "full_backups": 2,
        "unusable": 1,
    }
    assert [(row["from"], row["to"], row["hours"]) for row in interval_rows(broken)] == [
        ("2026-01-02 00:30:00", "2026-01-02 03:00:00", 2.5),
        ("2026-01-02 05:30:00", "2026-01-02 09:00:00", 3.5),
    ]
    (gap,) = gap_rows(broken)
    assert (gap["why"], gap["mended"]) == ("mysql-bin.000003 is missing", True)


def test_a_timeline_shows_backups_and_where_nothing_can_be_restored(broken: Recoverable) -> None:
    _, line, *_ = timeline(broken, at(10)).splitlines()
    cells = line.removeprefix("2026-01-02 00:30 ").removesuffix(" 2026-01-02 10:00")
    assert len(cells) == 60
    assert cells.startswith("F━━━")
    assert cells.endswith("━·······")  # the last hour
    assert "━··" in cells
    assert cells.count("F") == 2


def test_a_moment_is_a_timeline_too() -> None:
    alone = Recoverable((full(2.5),), (), {}, {})
    assert "F···" in timeline(alone, at(3))
    assert "F···" in timeline(alone, at(2.5))


def test_of_many_segments_the_last_ones_are_listed_and_all_are_counted() -> None:
    many = [segment(number) for number in range(LISTED + 5)]
    assert [row["file"] for row in segment_rows(many)][:1] == ["mysql-bin.000005"]
    assert len(segment_rows(many)) == LISTED
    assert covering(many)["transactions"] == 10 * len(many)
    assert covering(many)["covered_by"] == "mysql-bin.000000 from 4 to mysql-bin.000104 up to 1000"


def test_of_a_server_without_gtids_none_are_told() -> None:
    assert "gtids_after" not in covering([segment(1, before=None, after=None)])
