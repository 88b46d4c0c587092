"""Parts of a file that is still written: searched, verified and put together again, and never across a hole."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from chom_pipelines.binlogs.archive.archiving import Archiver, LogArchive
from chom_pipelines.binlogs.archive.histories import History
from chom_pipelines.binlogs.archive.segment_objects import log_of
from chom_pipelines.binlogs.archive.segments import Segment
from chom_pipelines.binlogs.archive.server_logs import server_logs
from chom_pipelines.binlogs.recovery import searching
from chom_pipelines.binlogs.recovery.searching import Search, events, unread
from chom_pipelines.binlogs.recovery.spool import Spool
from chom_pipelines.binlogs.streaming.parts import Tail
from chom_pipelines.binlogs.streaming.wholes import remove_superseded
from chom_pipelines.errors import BinlogDamagedError, DamagedError
from chom_pipelines.outcome import Outcome
from chom_pipelines.progress import unreported
from chom_pipelines.proofs.archive import verify_archive
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.server.binlog_settings import read_binlog_settings
from chom_pipelines.server.facts import Flavour
from chom_pipelines_tests.binlogs.archives import Archive, archived_server
from chom_pipelines_tests.binlogs.streams import closed
from chom_pipelines_tests.logical.taking import NAME, Backups
from chom_pipelines_tests.places import path_of
from chom_pipelines_tests.servers import PrivateServer

FEW = Search(rows=1)


@dataclass
class Parted:
    """An archive, into which the file that the server writes comes in parts."""

    archive: Archive
    tail: Tail

    @classmethod
    def of(cls, archive: Archive) -> Parted:
        server, backups = archive.server, archive.backups
        backups.repository.create()
        with server.connect() as session:
            logs = server_logs(session, server.facts)
            settings = read_binlog_settings(session, server.facts)
        inventory = backups.inventory(server)
        endpoint = inventory.endpoint()
        into = LogArchive(inventory, backups.policy, backups.repository, None)
        archiver = Archiver(into, endpoint, server.facts, settings)
        history = archiver.continued(logs).history
        return cls(archive, Tail(archiver.writer(history, streamed=True), history, endpoint.where, logs[-1].file))

    def publish(self, rows: int = 1) -> Segment:
        """Have so many rows inserted, and all that has come published as a part."""
        for _ in range(rows):
            self.archive.work()
        self.take()
        part = self.tail.publish()
        assert part is not None
        return part

    def take(self) -> None:
        """As a stream does: the server is asked with each part, or later times of its log were not believed."""
        with self.archive.server.connect() as session:
            self.tail.asked(read_binlog_settings(session, self.archive.server.facts))
        self.tail.take(closed(self.archive.on_disk(self.tail.file))[self.tail.received :])

    def turn(self) -> None:
        """Have the server close the file; the next parts are of the next one."""
        self.archive.work("FLUSH BINARY LOGS")
        self.take()
        self.tail.publish()
        self.tail = self.tail.following(self.archive.files()[-1])


@pytest.fixture(scope="module", params=list(Flavour), ids=lambda flavour: flavour.value)
def server(request: pytest.FixtureRequest) -> Iterator[PrivateServer]:
    with archived_server(request.param) as found:
        yield found


@pytest.fixture
def parted(server: PrivateServer, tmp_path: Path) -> Parted:
    archive = Archive.from_here(server, Backups(tmp_path))
    archive.work("FLUSH BINARY LOGS")
    return Parted.of(archive)


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def log_object(history: History, segment: Segment) -> Path:
    return path_of(history.entry(segment)) / segment.file


def test_changes_of_few_rows_are_found_and_each_part_is_read_once(
    parted: Parted, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = [parted.publish(rows) for rows in (2, 1, 3)]
    read: list[str] = []

    def counting(history: History, segment: Segment, keyring: Keyring | None) -> Iterator[bytes]:
        read.append(segment.id)
        return log_of(history, segment, keyring)

    monkeypatch.setattr(searching, "log_of", counting)
    found = list(events(parted.archive.history, FEW, None, newest=True))
    assert [(each.file, each.rows[0].inserted) for each in found] == [(parted.tail.file, 1)] * 6
    assert [part.start for part in parts] == [4, *(part.end for part in parts[:-1])]
    assert read == [part.id for part in parts]


def test_damage_at_the_end_of_what_is_searched_is_noticed(parted: Parted, monkeypatch: pytest.MonkeyPatch) -> None:
    parted.publish(rows=2)  # the first is found, and the second is damaged

    def damaged(history: History, segment: Segment, keyring: Keyring | None) -> Iterator[bytes]:
        log = b"".join(log_of(history, segment, keyring))
        yield log[:-1] + bytes([log[-1] ^ 1])

    monkeypatch.setattr(searching, "log_of", damaged)
    with pytest.raises(BinlogDamagedError):
        list(events(parted.archive.history, FEW, None, newest=True))


def test_what_is_behind_a_hole_is_named_where_it_cannot_be_searched(parted: Parted) -> None:
    first, second, third = (parted.publish() for _ in range(3))
    history = parted.archive.history
    history.parts.remove(history.entry(second))
    history = parted.archive.history
    assert {each.entry.start < first.end for each in events(history, FEW, None, newest=True)} == {True}
    assert unread(history, FEW) == [third]
    assert unread(history, Search()) == []


def test_a_part_names_the_file_before_its_own(parted: Parted) -> None:
    before = parted.publish()
    parted.turn()
    part = parted.publish()
    assert part.file != before.file
    assert part.previous == before.head
    parted.turn()
    assert parted.publish().previous == part.head
    assert parted.archive.history.chain.gaps == ()


def test_a_hole_among_parts_is_never_replayed_across(parted: Parted, tmp_path: Path) -> None:
    first, second, third = (parted.publish() for _ in range(3))
    history = parted.archive.history
    history.parts.remove(history.entry(second))
    history = parted.archive.history
    assert history.chain.gaps
    (tmp_path / "spool").mkdir()
    spool = Spool(tmp_path / "spool")
    with (
        closing(spool.transactions(history, (first, third), None, lambda _: None)) as found,
        pytest.raises(DamagedError, match=rf"{third.id}\n.*the gap"),
    ):
        list(found)
    assert list(spool.directory.iterdir()) == []


def test_parts_stay_where_the_proof_of_the_whole_file_has_failed(parted: Parted) -> None:
    part = parted.publish()
    parted.turn()
    archive = parted.archive
    archive.archive(close=False)
    history = archive.history
    whole = next(each for each in history.segments if each.file == part.file)
    assert not whole.streamed
    flip(log_object(history, whole))
    proved = verify_archive(archive.backups.repository, NAME, None, unreported)
    assert proved
    assert proved.outcome is Outcome.FAILED
    remove_superseded(archive.backups.repository, NAME, None)
    assert part.id in [each.id for each in history.parts.entries()]
    assert part in archive.history.of_file(part.file)  # which is what a restore takes


def test_the_whole_file_is_proved_for_parts_that_go_while_an_archive_is_verified(parted: Parted) -> None:
    archive = parted.archive
    repository = archive.backups.repository

    def becomes_whole() -> None:
        parted.turn()
        archive.archive(close=False)
        remove_superseded(repository, NAME, None)

    parted.publish()
    becomes_whole()
    parts = [parted.publish() for _ in range(3)]

    def report(*_: object) -> None:
        """While the first file is read, the second becomes whole."""
        if parted.tail.file == parts[0].file:
            becomes_whole()

    proved = verify_archive(repository, NAME, None, report)
    assert proved
    assert proved.outcome is Outcome.PASSED, proved
    found = [each.proof.backup for each in proved.segments]
    whole = [each for each in archive.history.segments if not each.streamed]
    assert parts[0].file in [each.file for each in whole]
    assert sorted(found) == sorted(each.id for each in whole)


def test_parts_are_verified_each_by_itself(parted: Parted) -> None:
    good, bad, later = (parted.publish() for _ in range(3))
    archive = parted.archive
    flip(log_object(archive.history, bad))
    proved = verify_archive(archive.backups.repository, NAME, None, unreported)
    assert proved
    outcomes = {each.proof.backup: each.proof.outcome for each in proved.segments}
    assert outcomes == {good.id: Outcome.PASSED, bad.id: Outcome.FAILED, later.id: Outcome.PASSED}
    assert proved.chain.outcome is Outcome.FAILED
    failed = next(each.proof for each in proved.segments if each.proof.backup == bad.id)
    assert bad.file in failed.failures[0]
