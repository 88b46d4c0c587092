"""How long a restore takes, by what was measured before: by the same way, and never a number that rests on nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chom_pipelines.repository.payloads import Method
from chom_pipelines.repository.timing import (
    COMPARE,
    DISTURBED,
    DUMP,
    ENOUGH_TRANSACTIONS,
    REPLAY,
    Amounts,
    Into,
    Predicted,
    Timing,
    Way,
    amounts_of,
)
from chom_pipelines.restores.predicting import Origin, Rate, every_way, predicted
from chom_pipelines_tests.repository.samples import a_manifest

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
WAY = Way(
    flavour="mariadb", method=Method.LOGICAL, into=Into.PRIVATE, on="memory", machine="2 cores of AMD EPYC", threads=2
)
OTHER_WAYS = [
    {"flavour": "mysql"},
    {"method": Method.PHYSICAL},
    {"into": Into.DIRECTORY},
    {"on": "ext4 on /dev/vda"},
    {"machine": "4 cores of AMD EPYC"},
    {"threads": 1},
]
GIGABYTE = 10**9
PHASES = {"start": 0.5, "schema": 0.2, "data": 40.0, "programs": 0.1}

seconds = st.floats(0.001, 10_000)
sizes = st.integers(100_000_000, 10**13)
amounts = st.builds(Amounts, bytes=sizes, tables=st.integers(1, 10_000))
phases = st.fixed_dictionaries({"start": seconds, "schema": seconds, "data": seconds, "programs": seconds})


def rate(
    measured: dict[str, float] | None = None,
    *,
    way: Way = WAY,
    origin: Origin = Origin.VERIFICATION,
    day: int = 0,
    backup: str = "full_20260101_020000",
    **amounts: int,
) -> Rate:
    of = Amounts(**{"bytes": GIGABYTE, "tables": 10, **amounts})
    return Rate(Timing(way=way, amounts=of, phases=measured or PHASES), origin, NOON + timedelta(days=day), backup)


def told(rates: list[Rate], backup: str = "full_20260109_020000", **amounts: int) -> Predicted | None:
    return predicted(WAY, Amounts(**{"bytes": GIGABYTE, "tables": 10, **amounts}), rates, backup)


@given(phases, amounts)
def test_the_same_takes_as_long_again(measured: dict[str, float], of: Amounts) -> None:
    found = predicted(WAY, of, [Rate(Timing(way=WAY, amounts=of, phases=measured), Origin.DRILL, NOON)], "full_1")
    assert found
    assert found.seconds == pytest.approx(sum(measured.values()))


@given(phases, amounts, amounts)
def test_a_prediction_lies_between_what_was_measured_and_what_grows_with_the_most(
    measured: dict[str, float], of: Amounts, wanted: Amounts
) -> None:
    found = predicted(WAY, wanted, [Rate(Timing(way=WAY, amounts=of, phases=measured), Origin.DRILL, NOON)], "full_1")
    assert found
    times = [1.0, wanted.bytes / of.bytes, wanted.tables / of.tables]
    whole = sum(measured.values())
    assert min(times) * whole * 0.999 <= found.seconds <= max(times) * whole * 1.001
    assert found.seconds >= measured["start"] + measured["programs"]  # which do not grow


@given(amounts, amounts)
def test_more_never_takes_less(one: Amounts, other: Amounts) -> None:
    less, more = sorted((one, other), key=lambda each: each.bytes)
    more = more.model_copy(update={"tables": less.tables})
    first, second = (predicted(WAY, each, [rate()], "full_1") for each in (less, more))
    assert first and second  # noqa: PT018
    assert first.seconds <= second.seconds


@pytest.mark.parametrize("change", OTHER_WAYS)
def test_what_was_measured_by_another_way_tells_nothing(change: dict[str, object]) -> None:
    assert told([rate(way=WAY.model_copy(update=change))]) is None
    assert told([]) is None


def test_a_server_s_own_measurements_come_before_benchmarks_and_the_newest_first_but_for_its_own() -> None:
    benchmark = rate({"data": 99.0}, origin=Origin.BENCHMARK, day=9, backup="")
    older, newer = rate({"data": 10.0}, day=1), rate({"data": 20.0}, origin=Origin.RESTORE, day=2)
    for rates, expected, source in [
        ([benchmark], 99.0, "the benchmark of 2026-01-11: 1 GB in 1 min 39 s"),
        ([older, benchmark], 10.0, "the verification of full_20260101_020000 of 2026-01-03: 1 GB in 10.0 s"),
        ([newer, older, benchmark], 20.0, "the restore of full_20260101_020000 of 2026-01-04: 1 GB in 20.0 s"),
    ]:
        assert told(rates) == Predicted(seconds=expected, source=source)
    itself = rate({"data": 12.0}, backup="full_20260109_020000")
    found = told([benchmark, older, newer, itself])
    assert found == Predicted(seconds=12.0, source="its own verification of 2026-01-02: 1 GB in 12.0 s")


def test_what_others_disturbed_tells_only_where_nothing_else_does() -> None:
    calm, disturbed = rate({"data": 10.0}), rate({"data": 20.0}, day=1)
    beside = {"elsewhere": 2 * DISTURBED}
    disturbed = replace(disturbed, timing=disturbed.timing.model_copy(update=beside))
    for rates, expected in [([calm, disturbed], 10.0), ([disturbed], 20.0)]:
        found = told(rates)
        assert found
        assert found.seconds == expected
        assert found.source.endswith("others used the machine") == (expected == 20.0)


def test_a_little_tells_nothing_of_much_and_a_chain_nothing_of_a_single_backup() -> None:
    assert told([rate(bytes=99_999_999)], bytes=10 * GIGABYTE) is None
    assert told([rate(bytes=99_999_999)], bytes=900_000_000)
    assert told([rate(bytes=0)], bytes=1) is None
    assert told([rate(bytes=0)], bytes=0)
    assert told([rate()], links=2) is None
    chained = told([rate({"unpack": 4.0, "prepare": 3.0, "start": 1.0}, links=3)], links=5)
    assert chained
    assert chained.seconds == pytest.approx(4.0 + 5.0 + 1.0)


def test_a_replay_is_predicted_by_transactions_and_the_rest_by_its_own_measurement() -> None:
    few = rate({"data": 1.0, REPLAY: 1.0}, day=5, transactions=ENOUGH_TRANSACTIONS - 1)
    assert told([rate(), few], transactions=500) is None
    drill = rate({"data": 70.0, REPLAY: 10.0}, origin=Origin.DRILL, way=WAY, transactions=1000)
    found = told([rate(day=1), drill], transactions=500)
    assert found
    assert found.seconds == pytest.approx(sum(PHASES.values()) + 5.0)
    assert found.source.endswith("; 100 transactions in a second by the drill of 2026-01-02")
    without = told([drill])
    assert without
    assert without.seconds == pytest.approx(70.0)


def test_phases_that_not_every_restore_has_count_where_asked_and_are_named_where_not_measured() -> None:
    drill = rate({**PHASES, COMPARE: 8.0, DUMP: 4.0}, origin=Origin.DRILL)
    of = Amounts(bytes=2 * GIGABYTE, tables=10)
    alone, both = (predicted(WAY, of, [drill, rate(day=1)], "full_1", apart=apart) for apart in ((), (COMPARE, DUMP)))
    assert alone and both  # noqa: PT018
    assert both.seconds == pytest.approx(alone.seconds + 24.0)
    lacking = predicted(WAY, of, [rate()], "full_1", apart=[COMPARE])
    assert lacking
    assert lacking.seconds == alone.seconds
    assert lacking.source.endswith("without the time to compare, which was not measured")


def test_every_way_that_was_measured_here_is_known_first_what_tells_most_of_the_backup() -> None:
    disk, away = WAY.model_copy(update={"on": "ext4"}), WAY.model_copy(update={"machine": "another"})
    rates = [rate(way=disk, origin=Origin.BENCHMARK, day=9), rate(), rate(way=away), rate(day=-1)]
    assert list(every_way(a_manifest(), WAY.machine, rates)) == [WAY, disk]
    its_own = rate(way=disk, day=-9, backup=a_manifest().id)
    assert list(every_way(a_manifest(), WAY.machine, [*rates, its_own])) == [disk, WAY]


@pytest.mark.parametrize(("took", "is_off"), [(126.0, True), (124.0, False), (76.0, False), (74.0, True)])
def test_a_quarter_beside_a_prediction_is_off(took: float, is_off: bool) -> None:  # noqa: FBT001
    foretold = Predicted(seconds=100.0, source="something")
    timing = Timing.of(WAY, Amounts(bytes=1, tables=1), {"data": took, COMPARE: 500.0, "indexes": 300.0})
    assert timing.ratio is None
    timing = timing.model_copy(update={"predicted": foretold})
    assert (timing.seconds, timing.is_off) == (took, is_off)
    assert timing.ratio == pytest.approx(took / 100)
    assert set(timing.phases) == {"data", COMPARE}


def test_a_backup_of_rows_goes_by_its_text() -> None:
    assert amounts_of([a_manifest()]) == Amounts(bytes=9, tables=1, links=1)
