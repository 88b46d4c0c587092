"""Retention on real backups and binary logs: what goes is gone for good, and what stays restores as before."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from chom_pipelines.binlogs.archive.pruned import DOCUMENT, NAME, Pruned
from chom_pipelines.errors import RepositoryBusyError
from chom_pipelines.inventory.models import Server
from chom_pipelines.inventory.policies import Retention, Thresholds
from chom_pipelines.progress import unreported
from chom_pipelines.proofs.verification import verify
from chom_pipelines.repository.entry import BackupEntry
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.local_store import LocalStore
from chom_pipelines.repository.master_keys import KeyKind
from chom_pipelines.repository.pins import pin
from chom_pipelines.repository.proof import Level
from chom_pipelines.retention import pruning
from chom_pipelines.retention.decisions import Plan
from chom_pipelines.retention.planning import planned
from chom_pipelines.retention.pruning import prune
from chom_pipelines.server.facts import Flavour
from chom_pipelines_tests.binlogs.archives import Archive, archived_server
from chom_pipelines_tests.logical.taking import Backups
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

    def prune(self) -> Plan:
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
    assert kept.prune() == plan
    assert kept.backups() == [kept.second.id]
    assert kept.files() == files[2:]
    (interval,) = kept.archive.recoverable().windows.intervals
    assert interval.last == before.intervals[-1].last
    assert [each.id for each in interval.fulls] == [kept.second.id]
    assert set(files[:2]) < set(kept.archive.files())  # the server has them, and they are not wanted any more
    kept.archive.work()
    assert [each.file for each in kept.archive.archive().new] == [kept.archive.files()[-2]]
    assert set(files[:2]).isdisjoint(kept.files())
    assert kept.prune().goes == ()


def test_a_record_of_what_was_deleted_that_anybody_could_have_written_is_not_believed(kept: Kept) -> None:
    files = kept.files()
    kept.prune()
    stays = kept.archive.history.segments[0]
    forged = Pruned(server="source", history=stays.history, key=None, file=stays.file, head=stays.head)
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
    assert kept.plan().goes == ()  # no full backup leads into the new history


def test_a_pinned_backup_stays(kept: Kept) -> None:
    pin(kept.first, "the audit", LATER)
    kept.prune()
    assert kept.backups() == [kept.first.id, kept.second.id]


def test_what_somebody_reads_stays_and_all_else_goes(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pruning, "READERS", 0.1)
    files = kept.files()
    with kept.first.reading("a restore"), pytest.raises(RepositoryBusyError, match="a restore"):
        kept.prune()
    assert kept.backups() == [kept.first.id, kept.second.id]
    assert kept.files() == files[2:]
    with kept.archive.history.reading("a restore"):
        kept.prune()
    assert kept.backups() == [kept.second.id]


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
