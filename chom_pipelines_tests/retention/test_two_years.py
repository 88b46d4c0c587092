"""Two years of nightly backups, hourly archives and daily retention: what is there in the end, line by line."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from chom_pipelines.inventory.policies import Retention
from chom_pipelines.outcome import Outcome
from chom_pipelines.retention.decisions import Plan, grouped
from chom_pipelines_tests.binlogs.segments import at, full, segment
from chom_pipelines_tests.retention.worlds import World, backup

DAYS = 730
POLICY = Retention(weekly=4, monthly=6, yearly=3)
FAILED = {120, 726}
"""Days whose backup fails its proof."""
UNPROVED = {*range(3, DAYS, 7)}
"""Days whose backup nobody proves."""
LOST = 24 * 727 + 9
"""An hour whose file the server lost, before it was archived."""

EXPECTED = """\
stays full_20261231_021500
  kept for the year 2026
stays full_20270831_021500
  kept for the month 2027-08
stays full_20270930_021500
  kept for the month 2027-09
stays full_20271031_021500
  kept for the month 2027-10
stays full_20271130_021500
  kept for the month 2027-11
stays full_20271203_021500 to full_20280101_021500, 30
  not older than 30 days
stays binlog_mysql-bin.017330_000000000004 to binlog_mysql-bin.017519_000000000004, 189
  needed from full_20271225_021500 on, for the last 7 days
"""


def test_after_two_years_there_is_what_the_policy_says_and_no_more() -> None:
    world, most = World((), (), (), at(0), POLICY), 0
    for day in range(DAYS):
        world = _next_day(world, day)
        plan = world.plan(timedelta(hours=26))
        most = max(most, len(plan.decisions))
        assert bool(plan.refused) == (day in FAILED)
        world = world.after(plan)
        if day % 10 == 0 or day in FAILED or day >= LOST // 24:
            assert world.windows.latest == (at(LOST) if day == LOST // 24 else at(24 * day + 24))
            assert min(each.earliest for each in world.windows.intervals if each.last) <= max(world.begins, at(2.25))
    assert most <= 31 + 4 + 6 + 3 + 24 * 10  # a day more after a failure, and one where the window begins unproved
    assert _table(world.plan()) == EXPECTED


def _next_day(world: World, day: int) -> World:
    """With a day's backup at two and its 24 files; it is 24:00 then."""
    hours = range(24 * day, 24 * day + 24)
    segments = (*world.segments, *(segment(hour) for hour in hours if hour != LOST))
    begun = 24 * day + 2.25
    outcome = Outcome.FAILED if day in FAILED else Outcome.NOT_VERIFIED if day in UNPROVED else Outcome.PASSED
    held = backup(begun, outcome=outcome)
    found = () if outcome is Outcome.FAILED else (full(begun, id=held.id, proof=outcome),)
    return replace(
        world, held=(*world.held, held), fulls=(*world.fulls, *found), segments=segments, now=at(24 * day + 24)
    )


def _table(plan: Plan) -> str:
    lines = []
    for group in grouped(plan.decisions):
        many = f" to {group.last.id}, {len(group.decisions)}" if len(group.decisions) > 1 else ""
        lines += [f"{'stays' if group.first.stays else 'goes'} {group.first.id}{many}", f"  {group.first.why}"]
    return "".join(f"{line}\n" for line in lines)
