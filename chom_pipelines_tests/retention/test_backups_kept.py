"""Rules about backups that have an edge: to the second, to the year, and which of several is kept."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from chom_pipelines.inventory.policies import Retention
from chom_pipelines.outcome import Outcome
from chom_pipelines.repository.layout import Kind, timed_id
from chom_pipelines.retention.backups_kept import Held, decided, nothing_because

NOW = datetime(2027, 1, 20, 12, tzinfo=UTC)
SECOND, DAY = timedelta(seconds=1), timedelta(days=1)
SHORT = Retention(full_days=1, incremental_days=1, binlog_days=1)


def taken(moment: datetime, outcome: Outcome = Outcome.PASSED, kind: Kind = Kind.FULL, doubt: str = "") -> Held:
    return Held(timed_id(kind, moment).text, kind, moment, outcome, doubt=doubt)


def staying(*held: Held, policy: Retention, begins: frozenset[str] = frozenset()) -> dict[str, str]:
    """The reasons of those that stay."""
    return {each.id: each.why for each in decided(held, begins, policy, NOW) if each.stays}


@pytest.mark.parametrize(("kind", "days"), [(Kind.FULL, 30), (Kind.INCREMENTAL, 9)])
def test_a_backup_stays_to_the_second_for_as_long_as_the_policy_says(kind: Kind, days: int) -> None:
    policy = Retention(full_days=30, incremental_days=9, binlog_days=7)
    newest, last = taken(NOW - SECOND), taken(NOW - days * DAY, kind=kind)
    before = taken(NOW - days * DAY - SECOND, kind=kind)
    if kind is Kind.INCREMENTAL:  # of others, one whose manifest cannot be read would keep them
        last, before = (Held(**{**vars(each), "parent": newest.id}) for each in (last, before))
    assert staying(newest, last, before, policy=policy).keys() == {newest.id, last.id}


def test_what_is_younger_than_the_window_stays_whatever_else_the_policy_says() -> None:
    policy = Retention(full_days=1, incremental_days=1, binlog_days=7)
    days = [taken(NOW - day * DAY) for day in (1, 3, 6, 8)]
    assert staying(*days, policy=policy).keys() == {each.id for each in days[:3]}


def test_of_each_week_month_and_year_one_stays_the_last_that_was_proved_else_the_last() -> None:
    policy = SHORT.model_copy(update={"weekly": 2, "monthly": 2, "yearly": 2})
    newest = taken(datetime(2027, 1, 20, 11, tzinfo=UTC))  # of this week, month and year
    sunday = taken(datetime(2027, 1, 17, tzinfo=UTC))
    unproved = taken(datetime(2027, 1, 17, 12, tzinfo=UTC), Outcome.NOT_VERIFIED)
    december = taken(datetime(2026, 12, 30, tzinfo=UTC), Outcome.NOT_VERIFIED)
    failed = taken(datetime(2026, 12, 31, tzinfo=UTC), Outcome.FAILED)
    proved = taken(datetime(2026, 6, 1, tzinfo=UTC))
    others = [taken(datetime(2026, 11, day, tzinfo=UTC)) for day in (1, 30)]
    assert staying(newest, sunday, unproved, december, failed, proved, *others, policy=policy) == {
        newest.id: "not older than 1 days",
        sunday.id: "kept for the week 2027-02",
        december.id: "kept for the month 2026-12",
        others[1].id: "kept for the year 2026",
    }


def test_a_week_across_the_new_year_is_one() -> None:
    policy = SHORT.model_copy(update={"weekly": 2})
    newest = taken(datetime(2027, 1, 20, 11, tzinfo=UTC))
    days = [taken(datetime(2026, 12, 31, tzinfo=UTC)), taken(datetime(2027, 1, 2, tzinfo=UTC))]
    assert staying(newest, *days, policy=policy).keys() == {newest.id, days[1].id}


def test_where_none_was_proved_all_that_may_be_good_stay() -> None:
    good = [taken(NOW - days * DAY, Outcome.NOT_VERIFIED) for days in (1, 40)]
    failed = taken(NOW - 41 * DAY, Outcome.FAILED)
    assert staying(*good, failed, policy=SHORT).keys() == {each.id for each in good}


def test_what_the_window_begins_with_stays() -> None:
    newest, first = taken(NOW - SECOND), taken(NOW - 40 * DAY)
    assert staying(newest, first, policy=SHORT, begins=frozenset({first.id})) == {
        newest.id: "not older than 1 days",
        first.id: "the window of 1 days begins with it",
    }


def test_a_full_backup_is_overdue_from_the_second_after_the_threshold_on() -> None:
    hours = timedelta(hours=24)
    assert nothing_because([taken(NOW - hours)], NOW, hours) == ""
    assert "is 1 d 00 h old (backup_age_hours is 24)" in nothing_because([taken(NOW - hours - SECOND)], NOW, hours)


def test_an_incremental_backup_is_no_newest_full_one() -> None:
    incremental = taken(NOW, kind=Kind.INCREMENTAL)
    assert nothing_because([incremental], NOW, DAY) == "there is no full backup"
    assert "old" in nothing_because([taken(NOW - 2 * DAY), incremental], NOW, DAY)


@pytest.mark.parametrize(("minutes", "is_wrong"), [(4, False), (6, True)])
def test_clocks_may_differ_by_minutes(minutes: int, *, is_wrong: bool) -> None:
    told = nothing_because([taken(NOW + timedelta(minutes=minutes))], NOW, DAY)
    assert bool(told) == is_wrong
