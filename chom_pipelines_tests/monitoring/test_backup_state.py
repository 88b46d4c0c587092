"""What is told of backups is what the repository says, read now or before, and no failure is a success."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prometheus_client.core import Metric

from chom_pipelines.binlogs.archive.histories import usable_manifest
from chom_pipelines.inventory.models import Inventory, Server
from chom_pipelines.monitoring.exporting import known_backups, known_segments, scraping
from chom_pipelines.monitoring.exporting.backup_state import BackupState
from chom_pipelines.monitoring.exporting.exposition import Exposition, add_backups
from chom_pipelines.monitoring.exporting.scraping import Scraper
from chom_pipelines.offsite.copies import push
from chom_pipelines.outcome import Outcome
from chom_pipelines.progress import unreported
from chom_pipelines.repository.drill import Drill, keep_drill
from chom_pipelines.repository.entry import BackupEntry
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.layout import MANIFEST, Kind
from chom_pipelines.repository.listing import OpenedEntry, opened_all
from chom_pipelines.repository.manifest import Manifest
from chom_pipelines.repository.master_keys import KeyKind
from chom_pipelines.repository.proof import Level
from chom_pipelines.restores.measured import keep_measured
from chom_pipelines.server.machine import cpu_and_cores, machine
from chom_pipelines_tests.monitoring.kept import HISTORY, HOUR, SERVER, Kept, prove, unix
from chom_pipelines_tests.places import path_of
from chom_pipelines_tests.repository.chains import published
from chom_pipelines_tests.repository.samples import AES, KEY, NOON
from chom_pipelines_tests.restores.test_measured import TIMINGS

OTHERS = Keyring().generate("others", KeyKind.AES_256)


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    return Kept.at(tmp_path)


def told(state: BackupState, now: datetime) -> dict[str, float]:
    """Every sample of the metrics, as `name{labels}` without the server."""
    exposition = Exposition()
    add_backups(exposition, SERVER, state, now)
    families: list[Metric] = list(exposition.families())
    return {
        sample.name + "".join(f" {value}" for name, value in sample.labels.items() if name != "server"): sample.value
        for family in families
        for sample in family.samples
    }


def drilled(hours: float, backup: str, outcome: Outcome = Outcome.PASSED) -> Drill:
    """One of a moment, begun so many hours after NOON."""
    passed = outcome is Outcome.PASSED
    return Drill(
        server=SERVER,
        backup=backup,
        moment=NOON + HOUR,
        transactions=1,
        ways=("replication", "the client"),
        replayed=(1, 1) if passed else (),
        outcome=outcome,
        reason="" if passed else "a row differs",
        started=NOON + timedelta(hours=hours),
        tables=1,
        scratch="MariaDB 10.11.19",
    )


def test_every_moment_is_in_unix_seconds_and_every_span_in_seconds(kept: Kept) -> None:
    """An exporter of the field takes nanoseconds for seconds, and its test agrees: so these are written out."""
    entry = kept.back_up(0)
    prove(entry, Outcome.PASSED, hours=1)
    prove(entry, Outcome.PASSED, Level.FULL, hours=2)
    keep_drill(entry, drilled(4, entry.id), KEY)
    for hour in range(3):
        kept.archive(hour)
    end = unix(3) - 1  # the seconds of a log are whole ones: another event may have come in the last
    assert told(kept.state(), NOON + 5 * HOUR) == {
        "chom_backup_last_success_timestamp full": 1767355260,
        "chom_backup_last_success_timestamp_seconds full": 1767355260,
        "chom_backup_last_success_timestamp binlog": 1767366000,
        "chom_backup_last_success_timestamp_seconds binlog": 1767366000,
        "chom_backup_duration_seconds full": 300,
        "chom_backup_size_bytes full": 16,  # one block of AES
        "chom_backup_size_bytes binlog": 12,
        "chom_backups full": 1,
        "chom_backups incremental": 0,
        "chom_backups binlog": 3,
        "chom_backups_unusable": 0,
        "chom_backup_last_verified_timestamp_seconds basic": unix(1),
        "chom_backup_last_verified_timestamp_seconds full": unix(2),
        "chom_recoverable_window_start_timestamp_seconds": unix(0) + 60,
        "chom_recoverable_window_end_timestamp_seconds": end,
        "chom_recoverable_window_gaps": 0,
        "chom_recovery_exposure_seconds": 2 * 3600 + 1,
        "chom_binlog_archive_last_timestamp_seconds": end,
        "chom_pitr_drill_last_success_timestamp_seconds": unix(4),
    }
    assert datetime.fromtimestamp(1767355260, UTC) == NOON + timedelta(minutes=1)


def test_a_server_of_which_there_is_nothing_has_counts_and_no_moment(kept: Kept) -> None:
    assert told(kept.state(), NOON) == {
        "chom_backups full": 0,
        "chom_backups incremental": 0,
        "chom_backups_unusable": 0,
        "chom_recoverable_window_gaps": 0,
    }


def test_a_backup_that_failed_its_verification_is_no_success(kept: Kept) -> None:
    good, bad = kept.back_up(0), kept.back_up(24)
    assert kept.state().last[Kind.FULL].taken == NOON + timedelta(hours=24, minutes=1)
    prove(bad, Outcome.FAILED, hours=25)
    found = kept.state()
    assert found.last[Kind.FULL].taken == NOON + timedelta(minutes=1)
    assert (found.count[Kind.FULL], found.unusable) == (2, 1)
    prove(good, Outcome.FAILED, hours=26)
    assert kept.state().last == {}


def test_one_that_is_damaged_or_of_a_foreign_key_is_no_success(kept: Kept) -> None:
    kept.back_up(0, OTHERS)
    path = path_of(kept.back_up(24)) / MANIFEST
    path.write_bytes(path.read_bytes().replace(b"2026", b"2027", 1))
    found = kept.state()
    assert found.last == {}
    assert (found.count[Kind.FULL], found.unusable) == (2, 2)


def test_what_builds_on_a_failed_backup_is_no_success(kept: Kept) -> None:
    full = published(kept.repository)
    published(kept.repository, full)
    assert set(kept.state().last) == {Kind.FULL, Kind.INCREMENTAL}
    prove(full, Outcome.FAILED)
    assert (kept.state().last, kept.state().unusable) == ({}, 2)


def test_a_proof_that_failed_is_not_when_it_was_verified(kept: Kept) -> None:
    entry = kept.back_up(0)
    prove(entry, Outcome.PASSED, hours=1)
    prove(entry, Outcome.FAILED, hours=2)
    keep_drill(entry, drilled(3, entry.id, Outcome.FAILED), KEY)
    found = kept.state()
    assert found.verified == {Level.BASIC: NOON + HOUR}
    assert found.log
    assert found.log.drilled is None


def test_a_gap_is_counted_until_a_full_backup_follows(kept: Kept) -> None:
    kept.back_up(0)
    for hour in (0, 1, 3):
        kept.archive(hour)
    found = kept.state().log
    assert found
    assert (found.open_gaps, found.latest) == (1, NOON + 2 * HOUR - timedelta(seconds=1))
    kept.back_up(3)
    found = kept.state().log
    assert found
    assert (found.open_gaps, found.latest) == (0, NOON + 4 * HOUR - timedelta(seconds=1))


def test_where_the_log_cannot_be_read_no_window_is_told_and_the_backups_are(kept: Kept) -> None:
    """A window without the log behind it would be one that is too short, and what is at stake too much."""
    kept.back_up(0)
    kept.archive(0, OTHERS)
    found = kept.state()
    assert found.problem
    assert "others" in found.problem.what
    assert {name.split()[0] for name in told(found, NOON)} == {
        *("chom_backup_last_success_timestamp", "chom_backup_last_success_timestamp_seconds"),
        *("chom_backup_duration_seconds", "chom_backup_size_bytes", "chom_backups", "chom_backups_unusable"),
    }


def _back_up(kept: Kept) -> None:
    kept.back_up(48)


def _archive(kept: Kept) -> None:
    kept.archive(2)


def _verify(kept: Kept) -> None:
    prove(kept.repository.backups(SERVER)[0], Outcome.PASSED, hours=1)


def _fail(kept: Kept) -> None:
    prove(kept.repository.backups(SERVER)[1], Outcome.FAILED, hours=30)


def _drill(kept: Kept) -> None:
    entry = kept.repository.backups(SERVER)[0]
    keep_drill(entry, drilled(3, entry.id), KEY)


def _measure(kept: Kept) -> None:
    keep_measured(kept.repository.backups(SERVER)[0], AES, NOON, TIMINGS)


def _prune(kept: Kept) -> None:
    kept.repository.stream(SERVER).remove(kept.repository.backups(SERVER)[0])


def _lose_a_segment(kept: Kept) -> None:
    (path_of(kept.repository.binlogs(SERVER, HISTORY).entries()[1]) / "log").unlink()


def _lose_a_manifest(kept: Kept) -> None:
    (path_of(kept.repository.backups(SERVER)[0]) / MANIFEST).unlink()


def _forge(kept: Kept) -> None:
    path = path_of(kept.repository.backups(SERVER)[0]) / MANIFEST
    path.write_bytes(path.read_bytes().replace(b"2026", b"2027", 1))


def _lose_the_keys(kept: Kept) -> None:
    OTHERS.save(kept.directory / "keys.json")


CHANGES = (
    *(_back_up, _archive, _verify, _fail, _drill, _measure, _prune),
    *(_lose_a_segment, _lose_a_manifest, _forge, _lose_the_keys),
)


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_what_changes_is_seen_at_once(kept: Kept, change: Callable[[Kept], None]) -> None:
    kept.back_up(0)
    kept.back_up(24)
    kept.archive(0)
    kept.archive(1)
    kept.grow_old()
    watch = kept.watch()
    before = watch.state()
    assert watch.state() is before
    change(kept)
    after = watch.state()
    assert _facts(after) == _facts(kept.state())
    if change is not _measure:  # of another machine
        assert _facts(after) != _facts(before)
    change = _archive if change is not _archive else _verify
    if after.problem is None:
        change(kept)
        assert _facts(watch.state()) == _facts(kept.state()) != _facts(after)


def _facts(state: BackupState) -> tuple[object, ...]:
    problem = state.problem.what if state.problem else None
    return (state.last, state.count, state.unusable, state.verified, state.log, state.predicted, problem)


def test_what_has_not_changed_is_not_read_again(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []

    def counted(entries: list[BackupEntry], keyring: Keyring | None) -> list[OpenedEntry]:
        read.extend(each.id for each in entries)
        return opened_all(entries, keyring)

    def counted_segment(entry: BackupEntry, keyring: Keyring | None) -> Manifest:
        read.append(entry.id)
        return usable_manifest(entry, keyring)

    monkeypatch.setattr(known_backups, "opened_all", counted)
    monkeypatch.setattr(known_segments, "usable_manifest", counted_segment)
    first = kept.back_up(0)
    second = kept.back_up(24)
    segment = kept.archive(0)
    kept.grow_old()
    watch = kept.watch()
    watch.state()
    assert read == [first.id, second.id, segment.id]
    watch.state()
    with kept.repository.stream(SERVER).begin(Kind.FULL, NOON + 48 * HOUR) as draft:
        draft.folder.write("data/a", b"rows")
        watch.state()  # a backup that is being taken, for hours perhaps
        draft.folder.write("data/b", b"rows")
        watch.state()
    assert len(read) == 3
    prove(second, Outcome.PASSED)
    watch.state()
    assert read[3:] == [second.id]
    kept.grow_old()
    watch.state()
    third = kept.archive(1)
    del read[:]
    watch.state()
    assert read == [third.id]


def test_a_change_in_the_same_tick_of_the_clock_is_seen(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    """The times of directories are those of the tick: two changes in one may leave the same."""
    entry = kept.back_up(0)
    watch = kept.watch()
    tick = time.time()
    monkeypatch.setattr(time, "time", lambda: tick)
    for number in range(3):
        prove(entry, Outcome.PASSED, hours=number)
        kept.grow_old(0)
        assert watch.state().verified == {Level.BASIC: NOON + number * HOUR}


def test_how_long_a_restore_takes_here_is_foretold_of_the_newest_backup_that_is_good(kept: Kept) -> None:
    entry, bad = kept.back_up(0), kept.back_up(1)
    here = TIMINGS[0].model_copy(
        update={"way": TIMINGS[0].way.model_copy(update={"machine": machine(*cpu_and_cores())})}
    )
    keep_measured(entry, AES, NOON, [here])
    prove(bad, Outcome.FAILED)
    found = kept.state().predicted
    assert set(found) == {"logical"}
    assert 0 < found["logical"] < here.seconds  # of fewer bytes


def test_the_second_copy_is_told_from_its_first_answer_on_and_not_forgotten(kept: Kept) -> None:
    name = "chom_offsite_last_backup_timestamp_seconds"
    for hours in (0, 24):
        kept.back_up(hours)
    inventory = kept.inventory
    push(inventory, inventory.server(), unreported)
    kept.back_up(48)
    scraper = Scraper(inventory)
    asked: dict[str, float] = {}
    give_up = time.monotonic() + 30
    while name not in asked and time.monotonic() < give_up:
        asked = series_of(scraper)
    assert asked[name] == unix(24)  # the newest is not there
    backups = kept.directory / "second" / SERVER / "backups"
    backups.rename(kept.directory / "elsewhere")
    backups.symlink_to(kept.directory / "elsewhere")  # which cannot be believed
    scraper._offsite[SERVER]._ended = -float("inf")  # as if ten minutes had passed
    series_of(scraper)
    assert scraper._offsite[SERVER].latest(give_up).failure
    assert series_of(scraper)[name] == unix(24)


def test_a_second_copy_that_does_not_answer_keeps_nobody_waiting(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = threading.Event()

    def waits(_inventory: Inventory, _server: Server) -> None:
        answers.wait(30)

    monkeypatch.setattr(scraping, "standing_of", waits)
    monkeypatch.setattr(scraping, "_READ_AT_ONCE", 1)
    kept.back_up(0)
    scraper = Scraper(kept.inventory)
    try:
        for _ in range(2):
            found = series_of(scraper)
            assert found["chom_backups_unusable"] == 0
            assert found["chom_collector_success"] == 1
            assert "chom_offsite_last_backup_timestamp_seconds" not in found
    finally:
        answers.set()


def series_of(scraper: Scraper) -> dict[str, float]:
    """By the names of the metrics."""
    found = scraper.scrape([SERVER], 5)
    return {sample.name: sample.value for family in found.families() for sample in family.samples}
