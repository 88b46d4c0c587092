"""Verdicts on indexes over weeks, restarts and resets."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from chom_pipelines.monitoring.growth.index_verdicts import IndexVerdict, Use, try_without, verdicts
from chom_pipelines.monitoring.growth.record import IndexesOfDay, IndexRow
from chom_pipelines.monitoring.readers.index_needs import Shape, keys_of, needed
from chom_pipelines.monitoring.readers.indexes import Index
from chom_pipelines_tests.monitoring.growth_made import BEGAN, UP_SINCE, index, indexes_of

DAY = timedelta(days=1)


def days(*rows: IndexRow, start: datetime = UP_SINCE) -> list[IndexesOfDay]:
    """One record a day, each of one index."""
    return [indexes_of(BEGAN + number * DAY, start, row) for number, row in enumerate(rows)]


def only(records: list[IndexesOfDay]) -> IndexVerdict:
    (found,) = verdicts(records)
    return found


def test_an_index_that_nothing_reads_for_thirty_days_is_unused_and_not_a_day_sooner() -> None:
    found = only(days(*[index("i", 0)] * 31))
    assert (found.use, found.reads) == (Use.UNUSED, 0)
    assert found.evidence == "0 reads in 30 days; not unique; no foreign key rests on it; 540 kB"
    early = only(days(*[index("i", 0)] * 30))
    assert (early.use, early.evidence.split("; ")[:2]) == (
        Use.TOO_EARLY,
        ["0 reads in 29 days", "it takes 30 days to tell"],
    )


def test_reads_are_added_up_over_restarts() -> None:
    before = days(*[index("i", 5)] * 20, index("i", 8))
    restarted = datetime(2026, 1, 22, 1, 0, tzinfo=UTC)
    after = [indexes_of(BEGAN + (21 + n) * DAY, restarted, index("i", 2)) for n in range(20)]
    found = only([*before, *after])
    assert (found.use, found.reads) == (Use.USED, 5)
    assert found.evidence.startswith("5 reads in 39 days over 1 restart; ")
    assert 39 < found.days < 40  # from the last reading before the restart to it, nobody watched


def test_a_restart_with_nothing_read_stays_unused() -> None:
    restarted = datetime(2026, 1, 11, 6, 0, tzinfo=UTC)
    records = [indexes_of(BEGAN + n * DAY, UP_SINCE if n < 10 else restarted, index("i", 0)) for n in range(42)]
    found = only(records)
    assert (found.use, int(found.days)) == (Use.UNUSED, 40)
    assert "over 1 restart" in found.evidence


def test_a_counter_that_a_change_of_the_table_reset_loses_no_reads() -> None:
    found = only(days(*[index("i", 100)] * 10, index("i", 103), *[index("i", 0)] * 31))
    assert (found.use, found.reads) == (Use.USED, 3)
    assert "over 1 reset" in found.evidence


def test_reads_before_the_first_record_speak_until_it_was_watched_for_long_enough() -> None:
    found = only(days(*[index("i", 7)] * 5))
    assert (found.use, found.reads) == (Use.USED, 7)
    assert found.evidence.startswith("7 reads, 7 of them before the records begin")
    watched = only(days(*[index("i", 7)] * 40))
    assert watched.use is Use.UNUSED
    assert (
        "its counter stands still at 7, as it would if its table were made anew and read as often" in watched.evidence
    )


def test_needed_and_uncounted_indexes_are_never_unused() -> None:
    assert only(days(*[index("PRIMARY", 0, unique=True, needed=True)] * 60)).use is Use.NEEDED
    assert only(days(*[index("fk", 0, needed=True)] * 60)).use is Use.NEEDED
    fulltext = only(days(*[index("ft", None)] * 60))
    assert (fulltext.use, fulltext.reads) == (Use.NOT_COUNTED, None)


def test_an_index_that_was_made_anew_or_counted_by_other_means_begins_anew() -> None:
    changed = days(*[index("i", 0)] * 40, *[index("i", 0, "a", "b")] * 10)
    assert only(changed).use is Use.TOO_EARLY
    other = [*days(*[index("i", 0)] * 40), indexes_of(BEGAN + 40 * DAY, UP_SINCE, index("i", 0), source="userstat")]
    assert only(other).use is Use.TOO_EARLY
    away = [*days(*[index("i", 0)] * 40), indexes_of(BEGAN + 40 * DAY, UP_SINCE)]
    back = [*away, indexes_of(BEGAN + 41 * DAY, UP_SINCE, index("i", 0))]
    assert (verdicts(away), only(back).use) == ((), Use.TOO_EARLY)


def test_days_without_counts_are_not_days_without_reads() -> None:
    found = only(days(*[index("i", 0)] * 10, *[index("i", None)] * 40, index("i", 0)))
    assert (found.use, int(found.days)) == (Use.TOO_EARLY, 9)


def test_a_foreign_key_needs_what_it_could_rest_on_unless_a_unique_one_stays() -> None:
    plain, longer = Shape("i", is_unique=False, columns=("a",)), Shape("j", is_unique=False, columns=("a", "b"))
    other, unique = Shape("k", is_unique=False, columns=("b", "a")), Shape("u", is_unique=True, columns=("a",))
    prefix = Shape("p", is_unique=False, columns=())
    assert needed([plain, longer, other, prefix], [("a",)]) == {"i", "j"}
    assert needed([plain, longer, other, unique], [("a",)]) == {"u"}
    assert needed([plain, longer, other], [("a", "b")]) == {"j", "k"}
    rows = [("d", "child", "fk", "P", "d", "parent", "Id"), ("d", "child", "fk", "Q", "d", "parent", "No")]
    assert keys_of(rows, [("d", "t", "N")]) == {
        ("d", "child"): [("p", "q")],
        ("d", "parent"): [("id", "no")],
        ("d", "t"): [("n",)],
    }


def test_trying_without_an_index_keeps_it() -> None:
    one = Index("a`b", "t", "i", ("x",), is_unique=False, is_needed=False, reads=0, bytes=None)
    assert try_without(one, is_mariadb=True) == "ALTER TABLE `a``b`.`t` ALTER INDEX `i` IGNORED;"
    assert try_without(one, is_mariadb=False) == "ALTER TABLE `a``b`.`t` ALTER INDEX `i` INVISIBLE;"
