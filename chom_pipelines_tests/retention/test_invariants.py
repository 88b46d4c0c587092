"""What holds of every plan, whatever has happened to the backups and the log before."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import find, given, settings

from chom_pipelines.binlogs.archive.pruned import Pruned
from chom_pipelines.binlogs.archive.segments import Segment
from chom_pipelines.binlogs.recovery.windows import following
from chom_pipelines.outcome import Outcome
from chom_pipelines.repository.layout import Kind
from chom_pipelines.retention.backups_kept import Held
from chom_pipelines.retention.decisions import Decision
from chom_pipelines_tests.binlogs.segments import at
from chom_pipelines_tests.retention.worlds import World, backup, worlds

DAY = timedelta(days=1)


def _stays(world: World) -> set[str]:
    return {each.id for each in world.backups() if each.stays}


def _may_be_good(world: World) -> list[Held]:
    return [each for each in world.held if each.doubt == "" and each.outcome is not Outcome.FAILED]


def _good(world: World) -> list[Held]:
    return [each for each in _may_be_good(world) if each.kind is Kind.FULL]


@given(worlds())
def test_each_backup_and_each_segment_is_decided_once_and_has_a_reason(world: World) -> None:
    decisions = world.plan().decisions
    assert sorted((each.stream.partition("/")[2], each.id) for each in decisions) == sorted(
        [*(("", each.id) for each in world.held), *((each.history, each.id) for each in world.segments)]
    )
    assert all(each.why for each in decisions)


@given(worlds())
def test_what_is_pinned_or_cannot_be_believed_or_is_young_stays(world: World) -> None:
    stays = _stays(world)
    for each in world.held:
        if each.pinned is not None or each.doubt or world.now - each.begun <= _days(world, each) * DAY:
            assert each.id in stays


@given(worlds())
def test_the_last_full_backup_that_was_proved_stays_and_where_none_was_all_that_may_be_good(world: World) -> None:
    good = _good(world)
    proved = [each for each in good if each.outcome is Outcome.PASSED]
    assert {each.id for each in proved[-1:] or good} <= _stays(world)


@given(worlds())
def test_what_stays_has_all_that_it_builds_on(world: World) -> None:
    stays = _stays(world)
    assert all(each.parent in stays for each in world.held if each.id in stays and each.parent)


@given(worlds())
def test_what_an_incremental_backup_whose_manifest_is_lost_may_build_on_stays(world: World) -> None:
    held = tuple(replace(each, parent=None, doubt="garbage") if each.parent else each for each in world.held)
    stays = {each.id for each in replace(world, held=held).backups() if each.stays}
    assert all(each.parent in stays for each in world.held if each.parent)


@given(worlds())
def test_nothing_more_goes_where_a_backup_cannot_be_believed_any_more(world: World) -> None:
    if world.held:
        one = world.held[len(world.segments) % len(world.held)]  # any
        held = tuple(replace(each, doubt="no seal") if each is one else each for each in world.held)
        fulls = tuple(each for each in world.fulls if each.id != one.id)
        gone = {(each.stream, each.id) for each in world.plan().goes}
        assert {(each.stream, each.id) for each in replace(world, held=held, fulls=fulls).plan().goes} <= gone


@given(worlds())
def test_the_newest_good_full_backup_of_each_week_and_month_that_was_asked_for_stays(world: World) -> None:
    stays, good = _stays(world), _good(world)
    for count, of in ((world.policy.weekly, _week), (world.policy.monthly, _month)):
        latest = sorted({of(each.begun) for each in good})[-count:] if count else []
        for period in latest:
            assert any(each.id in stays for each in good if of(each.begun) == period)


def _week(time: datetime) -> tuple[int, int]:
    return time.isocalendar()[:2]


def _month(time: datetime) -> tuple[int, int]:
    return time.year, time.month


@given(worlds())
def test_only_what_is_older_than_the_policy_says_goes(world: World) -> None:
    begun = {each.id: each for each in world.held}
    for each in world.plan().goes:
        if each.stream == "backups":
            held = begun[each.id]
            assert world.now - held.begun > _days(world, held) * DAY
        else:
            assert _segment(world, each).as_of < world.begins


def _days(world: World, held: Held) -> int:
    days = world.policy.full_days if held.kind is Kind.FULL else world.policy.incremental_days
    return max(days, world.policy.binlog_days)


def _segment(world: World, decision: Decision) -> Segment:
    place = (decision.stream, decision.id)
    return next(each for each in world.segments if (each.stream, each.id) == place)


@given(worlds())
def test_every_moment_of_the_promised_window_that_could_be_restored_still_can(world: World) -> None:
    after = world.after(world.plan())

    def promised(of: World) -> list[tuple[datetime, datetime]]:
        found = ((each.earliest, each.latest) for each in of.windows.intervals)
        return [(max(start, world.begins), end) for start, end in found if end >= world.begins]

    def covered(moment: datetime, of: World) -> bool:
        return any(start <= moment <= end for start, end in promised(of))

    hours = (world.begins + hour * timedelta(hours=1) for hour in range(world.policy.binlog_days * 24 + 1))
    for moment in (*hours, *(each.as_of for each in world.fulls if each.as_of >= world.begins)):
        assert covered(moment, after) or not covered(moment, world)


@given(worlds())
def test_what_a_full_backup_of_the_window_needs_of_the_log_stays(world: World) -> None:
    gone = {(each.stream, each.id) for each in world.plan().goes}
    for full in (each for each in world.fulls if each.as_of > world.begins):
        for run in world.runs:
            assert not any((each.stream, each.id) in gone for each in following(full, run))


@given(worlds())
def test_of_the_log_only_a_beginning_goes(world: World) -> None:
    stays = [each.stays for each in world.log()]
    assert stays == sorted(stays)


@given(worlds())
def test_what_the_server_writes_now_stays_where_anything_was_archived(world: World) -> None:
    log = world.log()
    assert not log or log[-1].stays


@given(worlds())
def test_a_deletion_makes_no_gap(world: World) -> None:
    after = world.after(world.plan())
    assert {(gap.history, gap.before.id) for gap in after.windows.gaps} <= {
        (gap.history, gap.before.id) for gap in world.windows.gaps
    }


@given(worlds())
def test_a_plan_that_was_carried_out_lets_nothing_more_go(world: World) -> None:
    assert world.after(world.plan()).plan().goes == ()


@given(worlds())
def test_what_goes_now_would_go_tomorrow_too(world: World) -> None:
    tomorrow = replace(world, now=world.now + DAY)
    assert {each.id for each in world.backups() if not each.stays} <= {
        each.id for each in tomorrow.backups() if not each.stays
    }


@given(worlds())
def test_more_days_never_delete_more_backups(world: World) -> None:
    more = world.policy.model_copy(update={"full_days": 20, "incremental_days": 20})
    assert _stays(world) <= _stays(replace(world, policy=more))


@given(worlds())
def test_the_order_in_which_backups_are_listed_decides_nothing(world: World) -> None:
    assert replace(world, held=world.held[::-1]).backups() == world.backups()


@given(worlds())
def test_a_failed_proof_never_lets_more_of_the_log_go(world: World) -> None:
    fails = replace(world, held=tuple(replace(each, outcome=Outcome.FAILED) for each in world.held), fulls=())
    if any(each.restores_from <= world.begins for each in world.held):
        assert all(each.stays for each in fails.log())


@given(worlds())
def test_the_window_begins_with_a_backup_from_before_it_where_there_is_a_good_one(world: World) -> None:
    before = [each for each in _may_be_good(world) if each.restores_from <= world.begins]
    begins = world.promised.begins
    assert begins <= _stays(world)
    assert {each.id for each in before[-1:]} <= begins


@given(worlds())
def test_after_an_unhealthy_run_nothing_goes(world: World) -> None:
    newest = backup((world.now - at(0)) / timedelta(hours=1), outcome=Outcome.FAILED)
    for held in ((*world.held, newest), (*world.held, replace(newest, outcome=Outcome.PASSED, doubt="no seal"))):
        plan = replace(world, held=held).plan()
        assert plan.goes == ()
        assert newest.id in plan.nothing_because
    if any(each.kind is Kind.FULL for each in world.held):
        assert world.plan(oldest=timedelta(0)).goes == ()


@given(worlds())
def test_where_a_backup_is_of_the_future_nothing_goes(world: World) -> None:
    future = backup((world.now - at(0)) / timedelta(hours=1) + 1)
    plan = replace(world, held=(*world.held, future)).plan()
    assert plan.goes == ()
    assert "in the future" in plan.nothing_because


@given(worlds())
def test_what_was_refused_is_what_would_have_gone(world: World) -> None:
    due = [(each.stream, each.id) for each in (*world.backups(), *world.log()) if not each.stays]
    plan = world.plan(oldest=timedelta(0))
    if plan.nothing_because:
        assert [(each.stream, each.id) for each in plan.refused] == due
        assert all(each.why.startswith("due") for each in plan.stays if (each.stream, each.id) in due)
    else:
        assert not plan.refused


@given(worlds())
def test_the_note_of_what_was_deleted_is_of_all_of_it_and_of_nothing_that_stays_or_is_lacking_behind_it(
    world: World,
) -> None:
    after = world.after(world.plan())
    for name in {each.history for each in after.segments}:
        stays = [each for each in after.segments if each.history == name]
        first = min(stays, key=lambda each: each.order)
        gone = [each for each in world.segments if each.history == name and each not in stays]
        if gone:
            last = max(gone, key=lambda each: each.order)
            mark = Pruned(server="source", history=name, key=None, deleted=last.file, stays=first.file, head=first.head)
            assert all(mark.is_past(each.file) for each in gone)
            assert not any(mark.is_past(each.file) for each in stays)
            lost = f"mysql-bin.{last.number + 1:06d}"
            assert not mark.is_past(lost)


def test_there_are_histories_in_which_backups_go_and_the_log_of_two_histories_does() -> None:
    def is_much(world: World) -> bool:
        return {each.stream for each in world.plan().goes} >= {"backups", "binlogs/11", "binlogs/11.2"}

    assert is_much(find(worlds(), is_much))


@pytest.mark.long
@pytest.mark.timeout(3600)  # it takes ten minutes
@settings(max_examples=10_000, deadline=None)
@given(worlds())
def test_all_of_it_holds_of_ten_thousand_histories(world: World) -> None:
    for name, test in globals().items():
        if name.startswith("test_") and hasattr(test, "hypothesis") and "ten_thousand" not in name:
            test.hypothesis.inner_test(world)
