"""Growth and forecasts, of days whose truth is known."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
import yaml

from chom_pipelines.errors import DamagedError
from chom_pipelines.monitoring import history
from chom_pipelines.monitoring.growth.charts import drawn
from chom_pipelines.monitoring.growth.growth import Total, changes, earlier_day, filling, forecast, gone, total_of
from chom_pipelines.monitoring.growth.kept import TABLE_SIZES, days_kept, keep, record_of
from chom_pipelines.monitoring.growth.report import growth_of
from chom_pipelines.monitoring.growth.trend import trend
from chom_pipelines.monitoring.readers.room import free_at
from chom_pipelines.repository.local_store import LocalStore
from chom_pipelines.repository.repository import Repository
from chom_pipelines_tests.monitoring.growth_made import BEGAN, FILES, MEGABYTE, SOURCE, ninety_days, table, tables_of

DAY = timedelta(days=1)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made = Repository(LocalStore(tmp_path / "repository"))
    made.create()
    return made


def test_a_forecast_of_ninety_noisy_days_with_a_drop_and_a_rename_is_within_three_percent() -> None:
    totals = [total_of(record) for record in ninety_days()]
    found = forecast(totals, SOURCE)
    assert found.per_day == pytest.approx(12 * MEGABYTE, rel=0.03)
    (step,) = found.steps
    assert step.day == BEGAN + 40 * DAY
    assert step.bytes == pytest.approx(-1500 * MEGABYTE, rel=0.02)
    assert found.words.endswith("since 2026-01-01, without the jump of -1.49 GB on 2026-02-10")
    full = filling(found, 1200 * MEGABYTE, "a disk")
    assert full.days == pytest.approx(100, rel=0.03)


@pytest.mark.parametrize("days", [8, 20, 45])
def test_a_forecast_of_fewer_days_is_near_too(days: int) -> None:
    found = forecast([total_of(record) for record in ninety_days(noise=MEGABYTE)][40 : 40 + days], SOURCE)
    assert found.per_day == pytest.approx(12 * MEGABYTE, rel=0.1)


def test_what_is_purged_every_week_is_part_of_the_trend() -> None:
    weekly = [10.0 * (number % 7) + number for number in range(84)]
    assert trend(list(range(84)), weekly).slope == pytest.approx(1, abs=0.2)
    assert trend(list(range(84)), weekly).steps == ()


def test_one_wild_value_moves_no_line() -> None:
    values = [5.0 * number for number in range(30)]
    values[12] = 1e6
    assert trend(list(range(30)), values).slope == pytest.approx(5)


def test_it_is_too_early_with_less_than_a_week_and_without_whole_days() -> None:
    few = [total_of(record) for record in ninety_days()][:6]
    assert forecast(few, SOURCE).per_day is None
    assert "6 days known, and it takes 7" in forecast(few, SOURCE).words
    partial = [total_of(tables_of(BEGAN + number * DAY, table("a", 1), lacks=("GRANT",))) for number in range(30)]
    assert forecast(partial, SOURCE).per_day is None


def test_without_a_known_room_nobody_says_when_it_is_full() -> None:
    growth = forecast([total_of(record) for record in ninety_days()], SOURCE)
    unknown = filling(growth, None, "not known: it is elsewhere")
    assert (unknown.days, unknown.is_known) == (None, False)
    assert unknown.reason == "how much room is left is not known: it is elsewhere"
    shrinking = forecast(
        [total_of(tables_of(BEGAN + n * DAY, table("a", 10**9 - n * 10**6))) for n in range(9)], SOURCE
    )
    assert (filling(shrinking, 10**9, "").days, filling(shrinking, 10**9, "").is_known) == (None, True)


def test_changes_of_new_dropped_and_renamed_tables() -> None:
    before = tables_of(BEGAN, table("a", 100), table("dropped", 50), table("old_name", 30))
    now = tables_of(BEGAN + DAY, table("a", 160), table("fresh", 40), table("new_name", 30))
    found = {each.size.table: (each.before, each.is_new) for each in changes(now, {1: before, 7: None})}
    assert found == {
        "a": ((60, None, None), False),
        "fresh": ((40, None, None), True),
        "new_name": ((30, None, None), True),
    }
    assert [each.table for each in gone(now, before)] == ["dropped", "old_name"]


def test_what_is_not_seen_is_neither_new_nor_gone() -> None:
    whole, partial = tables_of(BEGAN, table("a", 1), table("b", 2)), tables_of(BEGAN + DAY, table("a", 1), lacks=("x",))
    assert gone(partial, whole) == ()
    later = tables_of(BEGAN + 2 * DAY, table("a", 1), table("b", 2))
    found = {each.size.table: (each.before[0], each.is_new) for each in changes(later, {1: partial})}
    assert found == {"a": (0, False), "b": (None, False)}


def test_a_week_before_may_be_eight_days_before_and_a_day_before_is_one() -> None:
    days = [BEGAN, BEGAN + 7 * DAY]
    assert earlier_day(days, BEGAN + 8 * DAY, 7) == BEGAN
    assert earlier_day(days, BEGAN + 9 * DAY, 7) is None
    assert earlier_day(days, BEGAN + 9 * DAY, 1) is None
    assert earlier_day(days, BEGAN + 8 * DAY, 1) == BEGAN + 7 * DAY


def test_free_space_is_that_of_the_nearest_mount_point() -> None:
    disks = [("/", 5), ("/var/lib/mysql", 7), ("/var/lib/mysql2", 9), ("/boot", 1)]
    assert free_at("/var/lib/mysql/", disks) == 7 * 1024
    assert free_at("/srv/x", disks) == 5 * 1024
    assert free_at("/srv/x", disks[1:]) is None


def test_records_are_found_again_and_a_second_one_of_a_day_replaces_the_first(repository: Repository) -> None:
    first, second = tables_of(BEGAN, table("a", 1)), tables_of(BEGAN, table("a", 2), table("b", 3, file=7))
    assert keep(repository, TABLE_SIZES, first).endswith("chom-1/growth/tables_20260101.json.zst")
    keep(repository, TABLE_SIZES, second)
    assert record_of(repository, TABLE_SIZES, "chom-1", BEGAN) == second
    assert [each.name for each in repository.growth_of("chom-1").below()] == ["tables_20260101.json.zst"]


def test_a_report_leaves_out_a_damaged_day_and_says_so(repository: Repository) -> None:
    for record in ninety_days():
        keep(repository, TABLE_SIZES, record)
    folder, name = repository.growth_of("chom-1"), TABLE_SIZES.file(BEGAN + 20 * DAY)
    folder.replace(name, folder.read(name)[:-9])
    folder.replace(TABLE_SIZES.file(BEGAN + 21 * DAY), folder.read(TABLE_SIZES.file(BEGAN + 22 * DAY)))
    report = growth_of(repository, "chom-1")
    assert report is not None
    assert [type(each) for each in report.problems] == [DamagedError] * 2
    assert len(report.totals) == 88
    assert report.forecast.per_day == pytest.approx(12 * MEGABYTE, rel=0.03)
    assert report.grown(30) == report.total.bytes - report.totals[-31].bytes
    assert [each.size.table for each in report.fastest] == ["orders", "people"]  # which was renamed within 30 days
    assert report.largest[0].size.table == "orders"
    on_the_drop = growth_of(repository, "chom-1", BEGAN + 40 * DAY)
    assert on_the_drop is not None
    assert [each.table for each in on_the_drop.gone] == ["old_log"]
    assert growth_of(repository, "chom-1", BEGAN + 99 * DAY) is None


def test_a_forecast_is_of_the_files_where_their_sizes_are_known_throughout(repository: Repository) -> None:
    for number in range(10):
        row = table("a", 10**9, 0, file=10**9 + number * 4 * MEGABYTE)
        keep(repository, TABLE_SIZES, tables_of(BEGAN + number * DAY, row, free=40 * MEGABYTE))
    report = growth_of(repository, "chom-1")
    assert report is not None
    assert (report.forecast.source, report.forecast.per_day) == (FILES, 4 * MEGABYTE)
    assert report.filling.days == pytest.approx(10)
    keep(repository, TABLE_SIZES, tables_of(BEGAN + 10 * DAY, table("a", 10**9)))
    later = growth_of(repository, "chom-1")
    assert later is not None
    assert (later.forecast.source, later.forecast.per_day) == (SOURCE, 0)


def test_tables_that_share_a_file_have_the_files_sizes_not_known_and_never_too_small() -> None:
    own, shared = table("a", 100, file=500), table("b", 100)
    other = ("shop", "c", "MyISAM", 30, 10, 0, 1, None)
    told = tables_of(BEGAN, own, other).model_copy(update={"file_source": FILES})
    assert total_of(told).files == 540
    partly = tables_of(BEGAN, own, shared).model_copy(update={"file_source": FILES})
    assert total_of(partly).files is None


def test_history_is_a_frame_of_every_table_of_every_day(repository: Repository, tmp_path: Path) -> None:
    server = {"name": "chom-1", "host": "db.invalid", "user": "u", "password": {"env": "NOT_SET"}}
    config = tmp_path / "chom.yaml"
    config.write_text(yaml.safe_dump({"repository": {"path": "repository"}, "servers": [server]}))
    assert history(config=config).empty
    for record in ninety_days():
        keep(repository, TABLE_SIZES, record)
    frame = history("chom-1", config)
    assert len(frame) == 40 * 3 + 50 * 2
    orders = frame[frame["table"] == "orders"].set_index("day")["total"]
    assert (orders.iloc[-1] - orders.iloc[0]) / 89 == pytest.approx(12 * MEGABYTE, rel=0.05)
    assert str(frame["time"].dt.tz) == "UTC"
    assert frame["file"].isna().all()


def test_a_chart_is_an_image_that_the_ui_shows_without_scaling() -> None:
    totals = [total_of(record) for record in ninety_days()]
    image = drawn("chom-1", totals, forecast(totals, SOURCE))
    assert image is not None
    assert image.startswith(b"\x89PNG\r\n\x1a\n")
    assert int.from_bytes(image[16:20], "big") == 900
    assert drawn("chom-1", totals[:1], forecast(totals[:1], SOURCE)) is None


def test_days_with_other_files_beside_are_listed_in_order(repository: Repository) -> None:
    for number in (3, 1, 2):
        keep(repository, TABLE_SIZES, tables_of(BEGAN + number * DAY, table("a", 1)))
    repository.growth_of("chom-1").write("notes.txt", b"x")
    assert days_kept(repository, TABLE_SIZES, "chom-1") == [BEGAN + number * DAY for number in (1, 2, 3)]


def total(day: int, megabytes: float) -> Total:
    return total_of(tables_of(BEGAN + day * DAY, table("orders", megabytes * MEGABYTE)))


@pytest.mark.parametrize(("days", "pace"), [(40, 1_000), (90, 1_000), (90, 2_000)])
def test_a_table_that_has_begun_to_grow_fast_is_warned_of_within_days(days: int, pace: int) -> None:
    """By the trend of ninety days alone it would be told on the day before the disk is full."""
    totals = [total(day, 2000 + 12 * day + max(0, day - days) * pace) for day in range(days + 8)]
    found = filling(forecast(totals, SOURCE), 12 * pace * MEGABYTE, "a disk")
    assert found.days == pytest.approx(12, rel=0.05)
    assert "days of growth as in the last days" in found.reason


def test_a_table_that_was_loaded_once_this_week_is_no_pace() -> None:
    totals = [total(day, 2000 + 12 * day + (50_000 if day > 60 else 0)) for day in range(64)]
    found = filling(forecast(totals, SOURCE), 1_200 * MEGABYTE, "a disk")
    assert found.days == pytest.approx(100, rel=0.05)


def test_what_is_purged_every_week_is_no_pace_either() -> None:
    totals = [total(day, 2000 + 100 * (day % 7) + 12 * day) for day in range(90)]
    found = filling(forecast(totals, SOURCE), 1_200 * MEGABYTE, "a disk")
    assert found.days == pytest.approx(100, rel=0.3)
