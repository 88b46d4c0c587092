"""Where no way leads to a target, it is said why, and which moments near it can be restored."""

from __future__ import annotations

import pytest

from chom_pipelines.binlogs.recovery.choosing import way_to
from chom_pipelines.binlogs.recovery.recoverable import Recoverable
from chom_pipelines.binlogs.recovery.targets import AtTime
from chom_pipelines.errors import RestoreRefusedError
from chom_pipelines_tests.binlogs.segments import at, full, history, segment


@pytest.mark.parametrize(("hours", "missing"), [(2.5, 2), (4, 2), (5.5, 5), (7, 5)])
def test_a_moment_in_no_window_is_refused_with_the_newest_gap_before_it(hours: float, missing: int) -> None:
    segments = map(segment, (0, 1, 3, 4, 6, 7, 8))
    found = Recoverable((full(0.5), full(8.5)), (history(*segments),), {}, {})
    with pytest.raises(RestoreRefusedError, match=f"in no window: mysql-bin.00000{missing} is missing") as caught:
        way_to(AtTime(at(hours)), found)
    near = "2026-01-02 02:00:00 UTC is the last one before it, 2026-01-02 08:30:00 UTC the first one after it"
    assert near in caught.value.remedy


def test_a_moment_in_a_window_is_reached_from_the_newest_backup_before_it() -> None:
    found = Recoverable((full(0.5), full(2.5)), (history(*map(segment, range(4))),), {}, {})
    for hours, backup in ((1, 0.5), (2.49, 0.5), (2.5, 2.5), (4, 2.5)):
        assert way_to(AtTime(at(hours)), found).full.as_of == at(backup)
