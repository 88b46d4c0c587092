"""Retention on real backups and binary logs: what goes is gone for good, and what stays restores as before."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from chom_pipelines.binlogs.archive.pruned import DOCUMENT, NAME, Pruned, keep_pruned, read_pruned
from chom_pipelines.errors import DiskFullError, RepositoryBusyError
from chom_pipelines.inventory.models import Server
from chom_pipelines.inventory.policies import Retention, Thresholds
from chom_pipelines.outcome import Outcome
from chom_pipelines.progress import unreported
from chom_pipelines.proofs.verification import verify
from chom_pipelines.repository.data_keys import opened_key
from chom_pipelines.repository.entry import BackupEntry
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.layout import MANIFEST
from chom_pipelines.repository.local_store import LocalStore
from chom_pipelines.repository.master_keys import KeyKind
from chom_pipelines.repository.pins import pin
from chom_pipelines.repository.proof import Level
from chom_pipelines.retention import pruning
from chom_pipelines.retention.decisions import Plan
from chom_pipelines.retention.planning import planned
from chom_pipelines.retention.pruning import Applied, prune
from chom_pipelines.server.facts import Flavour
from chom_pipelines_tests.binlogs.archives import Archive, archived_server
from chom_pipelines_tests.binlogs.streams import eventually, streamed
from chom_pipelines_tests.binlogs.test_parts import Parted
from chom_pipelines_tests.logical.taking import Backups
from chom_pipelines_tests.repository.samples import a_proof
from chom_pipelines_tests.servers import PrivateServer

KEYRING = Keyring().generate("first", KeyKind.AES_256)
LATER = datetime.now(UTC) + timedelta(days=40)
"""When all that these tests make is old; nothing of the moment matters but that."""


@pytest.fixture(scope="module", params=list(Flavour), ids=lambda flavour: flavour.value)
def server(request: pytest.FixtureRequest) -> Iterator[PrivateServer]:
    with archived_server(request.param) as found:
        yield found


@dataclass(frozen=True)
class Kept:
    """An archive with two full backups, two files of the log before the second, and one after it."""

    archive: Archive
    first: BackupEntry
    second: BackupEntry

    @classmethod
    def of(cls, archive: Archive) -> Kept:
        first = archive.backups.take(archive.server)
        for _ in range(2):
            archive.work()
            archive.archive()
        second = archive.backups.take(archive.server)
        archive.work()
        archive.archive()
        for each in (first, second):
            verify(each, Level.BASIC, archive.keyring, unreported, threads=1)
        return cls(archive, first, second)

    @property
    def policy(self) -> Server:
        found = self.archive.backups.inventory(self.archive.server)
        never_late = Thresholds(backup_age_hours=10_000)
        return found.model_copy(update={"retention": Retention(), "thresholds": never_late})

    def plan(self) -> Plan:
        return planned(self.archive.backups.repository, self.policy, self.archive.keyring, LATER).plan

    def prune(self) -> Applied:
        return prune(self.archive.backups.repository, self.policy, self.archive.keyring, LATER)

    def backups(self) -> list[str]:
        return [each.id for each in self.archive.backups.entries()]

    def files(self) -> list[str]:
        """What is archived."""
        return sorted(each.file for history in self.archive.histories() for each in history.segments)


@pytest.fixture
def kept(server: PrivateServer, tmp_path: Path) -> Kept:
    return Kept.of(Archive.from_here(server, Backups(tmp_path, KEYRING)))


def test_what_goes_is_gone_what_stays_restores_and_nothing_is_archived_anew(kept: Kept) -> None:
    before, files = kept.archive.recoverable().windows, kept.files()
    plan = kept.plan()
    assert kept.files() == files
    applied = kept.prune()
    assert (applied.plan, applied.gone, applied.problem) == (plan, frozenset(plan.goes), None)
    assert applied.reach.now == before.intervals[0].bounds[0]
    assert applied.reach.afterwards == kept.archive.recoverable().windows.intervals[0].bounds[0]
    assert kept.backups() == [kept.second.id]
    assert kept.files() == files[2:]
    (interval,) = kept.archive.recoverable().windows.intervals
    assert interval.last == before.intervals[-1].last
    assert [each.id for each in interval.fulls] == [kept.second.id]
    assert set(files[:2]) < set(kept.archive.files())  # the server has them, and they are not wanted any more
    kept.archive.work()
    assert [each.file for each in kept.archive.archive().new] == [kept.archive.files()[-2]]
    assert set(files[:2]).isdisjoint(kept.files())
    assert not kept.prune().gone


@pytest.mark.long_on_mysql
def test_a_record_of_what_was_deleted_that_anybody_could_have_written_is_not_believed(kept: Kept) -> None:
    files = kept.files()
    kept.prune()
    stays = kept.archive.history.segments[0]
    forged = Pruned(
        server="source", history=stays.history, key=None, deleted=files[1], stays=stays.file, head=stays.head
    )
    kept.archive.history.stream.folder.replace(NAME, DOCUMENT.seal(forged, None))
    assert {each.file for each in kept.archive.archive().new} > set(files[:2])


def test_a_server_that_counts_its_files_anew_has_all_of_them_archived(kept: Kept) -> None:
    kept.prune()
    kept.archive.work("RESET MASTER" if kept.archive.server.facts.is_mariadb else "RESET BINARY LOGS AND GTIDS")
    for _ in range(2):
        kept.archive.work()
        kept.archive.archive()
    assert len(kept.archive.histories()) == 2
    assert len(kept.archive.histories()[-1].segments) == 2
    assert kept.plan().goes == ()


@pytest.mark.long_on_mysql
def test_a_note_of_an_earlier_server_of_the_same_name_holds_no_file_up(kept: Kept) -> None:
    kept.prune()
    history, (stays, *_) = kept.archive.history.stream, kept.archive.history.segments
    note = read_pruned(history, KEYRING)
    assert note
    later = note.model_copy(update={"deleted": "mysql-bin.009998", "stays": "mysql-bin.009999"})
    key = opened_key(note.key, history.folder, KEYRING, "") if note.key else None
    history.folder.replace(NAME, DOCUMENT.seal(later, key.mac if key else None))
    kept.archive.work()
    assert {each.file for each in kept.archive.archive().new} > {kept.archive.files()[-2]}
    assert stays in kept.archive.history.segments


@pytest.mark.long_on_mysql
def test_a_pinned_backup_stays(kept: Kept) -> None:
    pin(kept.first, "the audit", LATER)
    kept.prune()
    assert kept.backups() == [kept.first.id, kept.second.id]


@pytest.mark.long_on_mysql
def test_while_somebody_reads_backups_nothing_goes_and_while_the_log_is_read_all_else(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pruning, "READERS", 0.1)
    files = kept.files()
    with kept.first.reading("a restore"), pytest.raises(RepositoryBusyError, match="a restore"):
        kept.prune()
    assert (kept.backups(), kept.files()) == ([kept.first.id, kept.second.id], files)
    with kept.archive.history.reading("a replay"):
        applied = kept.prune()
    assert {each.id for each in applied.gone} == {kept.first.id}
    assert "a replay" in str(applied.problem)
    assert applied.reach.afterwards == kept.archive.recoverable().windows.intervals[0].bounds[0]
    assert (kept.backups(), kept.files()) == ([kept.second.id], files)


@pytest.mark.long_on_mysql
def test_the_plan_is_of_what_is_known_when_nobody_verifies_any_more(kept: Kept) -> None:
    verifies, goes_on = threading.Event(), threading.Event()

    def verification() -> None:
        with kept.second.reading("a verification"):
            verifies.set()
            goes_on.wait(30)
            fails = a_proof(kept.second.server, kept.second.id, datetime.now(UTC)).model_copy(
                update={"outcome": Outcome.FAILED, "reason": "a row differs", "failures": ("a row",)}
            )
            kept.second.add_proof(fails, kept.second.data_key(kept.archive.keyring))

    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(verification)
        verifies.wait(30)
        applied = threads.submit(kept.prune)
        goes_on.set()
        first.result()
        assert applied.result().gone == frozenset()
    assert f"{kept.second.id}, has failed" in applied.result().plan.nothing_because


@pytest.mark.long_on_mysql
def test_a_file_of_the_log_that_retention_has_not_deleted_is_tried_again(kept: Kept) -> None:
    """Though it is before one that stays: the segment of it is damaged, and a person moves it away."""
    files, stream = kept.files(), kept.archive.history.stream
    needed = next(each for each in kept.archive.history.segments if each.file == files[2])
    stream.folder.replace(f"{needed.id}/{MANIFEST}", b"{}")
    (decision,) = (each for each in kept.prune().plan.decisions if each.id == needed.id)
    assert decision.stays
    assert "it cannot be used" in decision.why
    (stream.folder / needed.id).delete_all()
    assert files[2] in {each.file for each in kept.archive.archive().new}


@pytest.mark.long_on_mysql
def test_a_full_disk_is_no_reason_to_keep_the_log(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    files, tried = kept.files(), []

    def full_at_first(*arguments: object) -> None:
        tried.append(arguments)
        if len(tried) == 1:
            raise DiskFullError("the disk is full", "")
        keep_pruned(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(pruning, "keep_pruned", full_at_first)
    assert kept.prune().problem is None
    assert kept.files() == files[2:]
    assert len(tried) == 2
    assert set(files[:2]).isdisjoint(each.file for each in kept.archive.archive().new)


@pytest.mark.long_on_mysql
def test_a_deletion_that_is_cut_off_at_any_place_leaves_whole_what_is_listed_and_the_next_run_ends_it(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    files, delete = kept.files(), LocalStore.delete

    def is_cut_off_after(allowed: int) -> bool:
        left = iter(range(allowed))

        def cut_off(self: LocalStore, name: str) -> None:
            if next(left, None) is None:
                raise KeyboardInterrupt
            delete(self, name)

        with monkeypatch.context() as patched:
            patched.setattr(LocalStore, "delete", cut_off)
            try:
                kept.prune()
            except KeyboardInterrupt:
                return True
        return False

    places = 0
    while is_cut_off_after(places):
        places += 1
        found = kept.archive.recoverable()
        assert not found.unusable_backups
        assert not found.unusable_segments
        assert not found.windows.gaps
        assert kept.second.id in kept.backups()
        assert set(kept.files()) >= set(files[2:])
    assert places > 2
    assert kept.backups() == [kept.second.id]
    assert kept.files() == files[2:]
    assert [each.name for each in kept.first.folder.below()] == []


def test_parts_of_files_that_were_never_whole_go_as_well(server: PrivateServer, tmp_path: Path) -> None:
    archive = Archive.from_here(server, Backups(tmp_path))
    parted = Parted.of(archive)
    gone = [parted.publish(), parted.publish()]
    parted.turn()
    second = archive.backups.take(server)
    stays = parted.publish()
    verify(second, Level.BASIC, None, unreported, threads=1)
    kept = Kept(archive, second, second)
    assert {each.id for each in kept.prune().gone} >= {each.id for each in gone}
    left = [each.id for history in archive.histories() for each in history.segments]
    assert stays.id in left
    assert {each.id for each in gone}.isdisjoint(left)


def test_a_stream_goes_on_from_where_the_log_was_cut_off(server: PrivateServer, tmp_path: Path) -> None:
    kept = Kept.of(Archive.from_here(server, Backups(tmp_path)))
    files = kept.files()
    kept.prune()
    with streamed(server, tmp_path):
        kept.archive.work()
        eventually(lambda: any(each.streamed for each in kept.archive.history.segments))
    assert set(files[:2]) < set(kept.archive.files())
    assert set(files[:2]).isdisjoint(kept.files())
