"""Files are begun and closed by sessions, whose clocks may be wrong: that costs no log, and hides no gap."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

import pytest

from chom_pipelines.binlogs.archive.heads import head_if_known
from chom_pipelines.binlogs.recovery.choosing import way_to
from chom_pipelines.binlogs.recovery.targets import AtTime, BeforePlace
from chom_pipelines.errors import RestoreRefusedError
from chom_pipelines.logical.dump import take_backup
from chom_pipelines.outcome import Outcome
from chom_pipelines.progress import unreported
from chom_pipelines.proofs.archive import verify_archive
from chom_pipelines.server.facts import Flavour
from chom_pipelines_tests.binlogs.archives import Archive, archived_server
from chom_pipelines_tests.binlogs.test_long_statements import now
from chom_pipelines_tests.logical.taking import NAME, Backups

SMALL = ("--max-binlog-size=4096",)
FILLS = "INSERT INTO shop.t (s) SELECT REPEAT('x', 6000)"
"""It fills a file, and so its session closes that."""


@pytest.fixture(params=list(Flavour), ids=lambda flavour: flavour.value)
def archived(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Archive]:
    with archived_server(request.param, SMALL) as server:
        yield Archive(server, Backups(tmp_path))


def lose_what_is_closed(archived: Archive) -> datetime:
    """Have the server delete all that it has closed, after a row was written; returns when that was there."""
    archived.work("INSERT INTO shop.t (s) VALUES ('in the file that is lost')")
    time.sleep(2)  # times in a log are cut off to whole seconds
    written = now(archived)
    archived.work("FLUSH BINARY LOGS")
    archived.purge()
    return written


@pytest.mark.parametrize(("ahead", "waits"), [(60, 0), (3, 4)])
def test_a_moment_in_a_gap_is_refused_though_a_clock_that_was_ahead_closed_the_file_before_it(
    archived: Archive, ahead: int, waits: int
) -> None:
    archived.work("FLUSH BINARY LOGS")
    archived.work()
    archived.backups.take(archived.server, "shop")
    archived.work(f"SET timestamp = UNIX_TIMESTAMP() + {ahead}", FILLS)
    time.sleep(waits)  # a time that was still to come when the file is archived is no riddle
    archived.archive(close=False)
    moment = lose_what_is_closed(archived)
    archived.archive()
    found = archived.recoverable()
    (gap,) = found.windows.gaps
    assert gap.why.endswith("is missing")
    (interval,) = found.windows.intervals
    assert interval.latest < moment
    assert interval.latest <= max(interval.earliest, gap.after.as_of)
    assert gap.after.as_of <= now(archived)
    for target in (moment, gap.before.opened):
        with pytest.raises(RestoreRefusedError):
            way_to(AtTime(target), found)


def test_a_gap_behind_the_place_of_a_full_backup_is_open_whatever_the_file_behind_it_says(tmp_path: Path) -> None:
    """A long statement of MariaDB's closes the file: it says that the next one was begun before the backup."""
    with archived_server(Flavour.MARIADB, SMALL) as server:
        archived = Archive(server, Backups(tmp_path))
        archived.work()
        archived.archive()
        with ThreadPoolExecutor(1) as others:
            running = others.submit(archived.work, f"{FILLS} FROM (SELECT SLEEP(6)) AS q")
            time.sleep(2)  # times in a log are cut off to whole seconds
            full = archived.backups.manifest(archived.backups.take(server, "shop"))
            running.result()
        archived.work()
        archived.work("FLUSH BINARY LOGS")
        assert full.coordinates.end
        next_file = archived.files()[archived.files().index(full.coordinates.end.file) + 1]
        while archived.files()[0] < next_file:
            archived.work(f"PURGE BINARY LOGS TO '{next_file}'")
        archived.archive()
        found = archived.recoverable()
        (gap,) = found.open_gaps
        assert gap.before.opened < full.as_of
        proof = verify_archive(archived.backups.repository, NAME, None, unreported)
        assert proof
        assert (proof.chain.outcome, proof.chain.mended) == (Outcome.FAILED, 0)
        archived.backups.take(server, "shop")
        assert archived.recoverable().open_gaps == ()
        archived.archive()
        assert archived.recoverable().open_gaps == ()


def test_a_backup_that_a_long_statement_ran_across_keeps_its_log(tmp_path: Path) -> None:
    """MariaDB notes as the file's end when the statement began that filled it: before the backup."""
    with archived_server(Flavour.MARIADB, SMALL) as server:
        archived = Archive(server, Backups(tmp_path))
        archived.work("FLUSH BINARY LOGS")
        archived.work()
        with ThreadPoolExecutor(1) as others:
            running = others.submit(archived.work, f"{FILLS} FROM (SELECT SLEEP(6)) AS q")
            time.sleep(2)  # times in a log are cut off to whole seconds
            full = archived.backups.manifest(archived.backups.take(server, "shop"))
            running.result()
        time.sleep(2)  # times in a log are cut off to whole seconds
        archived.work()
        archived.archive()
        assert full.coordinates.end
        (file,) = (each for each in archived.history.segments if each.file == full.coordinates.end.file)
        assert file.closed
        assert file.closed < full.as_of
        (interval,) = archived.recoverable().windows.intervals
        assert interval.last == archived.history.last


def test_a_file_that_a_clock_of_an_hour_ago_closed_costs_a_backup_nothing(archived: Archive) -> None:
    archived.work("FLUSH BINARY LOGS")
    archived.work()
    full = archived.backups.manifest(archived.backups.take(archived.server, "shop"))
    archived.work("SET timestamp = UNIX_TIMESTAMP() - 3600", FILLS)
    time.sleep(2)  # times in a log are cut off to whole seconds
    archived.work()
    archived.archive()
    segments = sorted(archived.history.segments, key=lambda each: each.order)
    assert any(each.closed and each.closed < full.as_of < segments[-1].as_of for each in segments)
    assert all(each.opened <= each.as_of for each in segments)
    found = archived.recoverable()
    (interval,) = found.windows.intervals
    assert interval.last == segments[-1]
    for target in (AtTime(segments[-1].until), BeforePlace(segments[-1].file, segments[-1].end)):
        assert way_to(target, found).full.id == full.id


def test_without_gtids_files_that_nothing_proves_to_follow_begin_a_new_history(tmp_path: Path) -> None:
    """After a RESET, the numbers grew past those of the archive, whose last file the server has no more."""
    with archived_server(Flavour.MYSQL, ("--gtid-mode=OFF", "--enforce-gtid-consistency=OFF")) as server:
        archived = Archive(server, Backups(tmp_path))
        archived.work()
        archived.backups.take(server, "shop")
        archived.archive()
        archived.work()
        archived.archive()
        archived.purge()
        archived.work()
        assert archived.archive().began_anew == "", "it follows: one session closed the last and began this one"
        last = archived.history.last
        assert last
        time.sleep(2)  # times in a log are cut off to whole seconds
        archived.work("INSERT INTO shop.t (s) VALUES ('lost')", "RESET BINARY LOGS AND GTIDS")
        for _ in range(last.number + 1):
            archived.work("FLUSH BINARY LOGS")
        archived.work(f"PURGE BINARY LOGS TO 'mysql-bin.{last.number + 1:06d}'")
        done = archived.archive()
        assert f"nothing proves that the server's mysql-bin.{last.number + 1:06d}" in done.began_anew
        assert f"follows the {last.file} that was archived" in done.began_anew
        assert len(archived.recoverable().open_gaps) == 1


def test_a_backup_knows_its_file_and_keeps_its_log_though_that_was_begun_in_the_future(archived: Archive) -> None:
    server, backups = archived.server, archived.backups
    archived.work("SET timestamp = UNIX_TIMESTAMP() + 3600", FILLS)
    backups.repository.create()
    policy = backups.policy.model_copy(update={"encrypt": False})
    source = backups.inventory(server, "shop")
    _, full = take_backup(source, policy, backups.repository, None, unreported, head_of=head_if_known)
    archived.work()
    archived.archive()
    last = archived.history.last
    assert last
    assert (last.head, full.as_of < last.opened) == (full.coordinates.head, True)
    (interval,) = archived.recoverable().windows.intervals
    assert interval.last == last
    assert interval.latest <= now(archived)
