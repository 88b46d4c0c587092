"""The archive of a server's binary log: complete, byte for byte, once, and honest about what is not in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from chom_pipelines.backups.exposure import answers
from chom_pipelines.binlogs.archive import archiving
from chom_pipelines.binlogs.archive.archiving import LogArchive, archive
from chom_pipelines.binlogs.archive.histories import History
from chom_pipelines.binlogs.archive.segments import FIRST, Segment
from chom_pipelines.binlogs.archive.server_logs import ServerLog
from chom_pipelines.binlogs.archive.writing import SegmentWriter
from chom_pipelines.errors import (
    ConfigurationError,
    MissingPrivilegeError,
    RepositoryBusyError,
    UnknownFormatError,
    UnsupportedServerError,
)
from chom_pipelines.inventory.policies import BackupPolicy
from chom_pipelines.outcome import Outcome
from chom_pipelines.progress import unreported
from chom_pipelines.repository.codecs import Codec
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.master_keys import KeyKind
from chom_pipelines.server.facts import Flavour
from chom_pipelines.server.identifiers import account
from chom_pipelines_tests.binlogs.archives import Archive, archived_server
from chom_pipelines_tests.logical.taking import Backups
from chom_pipelines_tests.places import path_of
from chom_pipelines_tests.servers import PrivateServer


@pytest.fixture(scope="module", params=list(Flavour), ids=lambda flavour: flavour.value)
def server(request: pytest.FixtureRequest) -> Iterator[PrivateServer]:
    with archived_server(request.param) as found:
        yield found


@pytest.fixture
def archived(server: PrivateServer, tmp_path: Path) -> Archive:
    """A server that several tests share, and an archive of this one's."""
    return Archive.from_here(server, Backups(tmp_path))


@pytest.fixture(params=list(Flavour), ids=lambda flavour: flavour.value)
def own(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Archive]:
    """A server whose binary log may be spoiled."""
    with archived_server(request.param) as found:
        yield Archive(found, Backups(tmp_path))


def test_every_closed_file_is_archived_byte_for_byte_and_the_open_one_is_not(archived: Archive) -> None:
    for _ in range(3):
        archived.work()
        archived.work("FLUSH BINARY LOGS")
    done = archived.archive(close=False)
    assert [each.file for each in done.new] == archived.files()[:-1]
    for segment in archived.history.segments:
        assert archived.stored(archived.history, segment) == archived.on_disk(segment.file)
        assert segment.start == FIRST
        assert segment.complete
    assert len(done.chain.runs) == 1
    assert done.chain.gaps == ()


def test_closing_archives_what_was_committed_until_now(archived: Archive) -> None:
    archived.work()
    before = datetime.now(UTC)
    done = archived.archive()
    assert done.until is not None
    assert done.until >= before.replace(microsecond=0) - timedelta(seconds=1)
    assert sum(each.transactions for each in done.new) >= 1


def test_a_run_that_has_nothing_to_do_adds_nothing(archived: Archive) -> None:
    archived.work()
    first = archived.archive()
    again = archived.archive(close=False)
    assert again.new == ()
    assert again.until == first.until
    assert [each.id for each in archived.history.segments] == [each.id for each in first.new]


def test_hours_without_a_run_are_made_up_for_by_the_next_one(archived: Archive) -> None:
    archived.archive()
    for _ in range(6):
        archived.work()
        archived.work("FLUSH BINARY LOGS")
    done = archived.archive()
    assert len(done.new) == 7
    assert done.chain.gaps == ()


def test_records_tell_gtids_times_and_transactions(archived: Archive) -> None:
    archived.archive()
    archived.work(*["INSERT INTO shop.t (s) VALUES ('x')"] * 5)
    with archived.server.connect() as session:
        executed = session.value(f"SELECT @@global.{archived.server.facts.gtid_variable}").replace("\n", "")
    (new,) = archived.archive().new
    assert new.transactions == 5
    assert new.after == executed
    assert new.before != new.after
    assert new.following == archived.files()[-1]
    assert new.opened <= new.as_of


def test_encrypted_segments_share_one_key_and_can_be_read_with_it(archived: Archive, tmp_path: Path) -> None:
    keyring = Keyring().generate("first", KeyKind.AES_256)
    policy = BackupPolicy(encrypt=True, compression=Codec.ZSTD)
    encrypted = Archive(archived.server, Backups(tmp_path, keyring, policy))
    for _ in range(2):
        encrypted.work()
        encrypted.archive()
    history = encrypted.history
    assert len({each.stream_key for each in history.segments}) == 1
    for segment in history.segments:
        assert encrypted.stored(history, segment) == encrypted.on_disk(segment.file)


def test_who_holds_only_a_public_key_can_archive_and_not_read(archived: Archive, tmp_path: Path) -> None:
    keyring = Keyring().generate("pair", KeyKind.RSA)
    encrypted = Archive(archived.server, Backups(tmp_path, keyring, BackupPolicy(encrypt=True)))
    for _ in range(2):
        encrypted.work()
        encrypted.archive(keyring=keyring.without_private())
    history = encrypted.history
    assert history.chain.gaps == ()
    assert len({each.stream_key for each in history.segments}) == 2
    assert encrypted.stored(history, history.segments[-1]) == encrypted.on_disk(history.segments[-1].file)


def test_a_purge_before_the_archive_is_a_gap_with_its_name(archived: Archive) -> None:
    archived.archive()
    for _ in range(3):
        archived.work()
        archived.work("FLUSH BINARY LOGS")
    archived.purge()
    done = archived.archive()
    (gap,) = done.chain.gaps
    last = done.new[-1].number
    assert gap.why == f"mysql-bin.{last - 3:06d} to mysql-bin.{last - 1:06d} are missing"


def test_files_that_were_purged_after_they_were_archived_are_no_gap(archived: Archive) -> None:
    archived.work()
    archived.archive()
    archived.purge()
    archived.work()
    assert archived.archive().chain.gaps == ()


def test_a_reset_begins_a_new_history_and_no_backup_of_before_leads_into_it(own: Archive) -> None:
    own.work()
    before = own.backups.take(own.server, "shop")
    own.archive()
    reset = "RESET MASTER" if own.server.facts.is_mariadb else "RESET BINARY LOGS AND GTIDS"
    own.work(reset)
    for _ in range(4):
        own.work()
        own.work("FLUSH BINARY LOGS")
    done = own.archive()
    assert done.began_anew
    assert [each.name for each in own.histories()] == [
        str(own.server.facts.server_id),
        f"{own.server.facts.server_id}.2",
    ]
    found = own.recoverable()
    (interval,) = found.windows.intervals
    assert interval.fulls[0].id == before.id
    assert interval.last is None or interval.last.history == str(own.server.facts.server_id)
    assert len(found.windows.unreachable) >= 1
    after = own.backups.take(own.server, "shop")
    own.archive()
    last = own.recoverable().windows.intervals[-1]
    assert [each.id for each in last.fulls] == [after.id]
    assert last.last is not None
    assert last.last.history == done.history


def test_a_full_backup_and_the_log_since_are_an_interval(archived: Archive) -> None:
    full = archived.backups.take(archived.server, "shop")
    archived.work()
    archived.archive()
    found = archived.recoverable()
    (interval,) = found.windows.intervals
    assert [each.id for each in interval.fulls] == [full.id]
    assert interval.last is not None
    assert interval.earliest <= interval.latest
    verdicts = answers(found, archived.backups.inventory(archived.server), datetime.now(UTC))
    assert {verdict.outcome for verdict in verdicts.values()} == {Outcome.PASSED}, verdicts


def test_two_runs_at_a_time_are_one(archived: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archiving, "PATIENCE", 0)
    archived.archive()
    folder = archived.backups.repository.binlogs_of("source")
    with folder.lock("writing", "another run"), pytest.raises(RepositoryBusyError, match="another run"):
        archived.archive()


def test_a_server_without_a_binary_log_is_refused_by_name(tmp_path: Path) -> None:
    with archived_server(Flavour.MARIADB, ("--skip-log-bin",)) as server:
        unlogged = Archive(server, Backups(tmp_path))
        with pytest.raises(UnsupportedServerError, match="log_bin"):
            unlogged.archive()
        assert unlogged.histories() == []


def test_the_privilege_that_is_missing_is_named(archived: Archive) -> None:
    user = account(archived.server.backup.user, "%")
    archived.work(f"REVOKE REPLICATION SLAVE ON *.* FROM {user}")
    try:
        with pytest.raises(MissingPrivilegeError, match="REPLICATION SLAVE"):
            archived.archive()
    finally:
        archived.work(f"GRANT REPLICATION SLAVE ON *.* TO {user}")
    assert archived.histories() == []


def test_nothing_is_archived_plain_that_is_to_be_encrypted(archived: Archive) -> None:
    server, repository = archived.backups.inventory(archived.server), archived.backups.repository
    with pytest.raises(ConfigurationError, match="no keys"):
        archive(LogArchive(server, BackupPolicy(encrypt=True), repository, None), unreported, close=True)


@pytest.mark.parametrize("verifying", [False, True], ids=["sent", "refused"])
def test_a_file_that_is_unsound_is_told_and_what_follows_is_archived(own: Archive, *, verifying: bool) -> None:
    own.work()
    own.archive()
    file = own.spoil(verifying=verifying)
    own.work("FLUSH BINARY LOGS")
    done = own.archive()
    assert [each.file for each in done.new] == own.files()[-3:-1]
    assert [each.file for each in done.blocked] == [file]
    assert [gap.why for gap in done.gaps] == [f"{file} is missing"]
    own.backups.take(own.server, "shop")
    own.work()
    again = own.archive()
    assert len(again.new) == 1
    assert (again.gaps, [each.file for each in again.blocked]) == ((), [file])
    found = own.recoverable()
    assert [gap.why for gap in found.windows.gaps] == [f"{file} is missing"]
    assert found.windows.intervals[-1].last == again.new[-1]


def test_a_file_that_is_not_understood_is_told_and_what_follows_is_archived(
    archived: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    archived.archive()
    archived.work("CREATE TABLE shop.of_the_future (id INT)", "FLUSH BINARY LOGS")
    file = archived.files()[-2]
    archived.work("DROP TABLE shop.of_the_future")
    write = SegmentWriter.write

    def written(writer: SegmentWriter, history: History, log: ServerLog, report: Callable[[int], None]) -> Segment:
        if log.file == file:
            raise UnknownFormatError(f"{file}, position 4: events of kind 200 are not known")
        return write(writer, history, log, report)

    monkeypatch.setattr(SegmentWriter, "write", written)
    done = archived.archive()
    assert [(each.file, "kind 200" in each.why) for each in done.blocked] == [(file, True)]
    assert [each.file for each in done.new] == archived.files()[-2:-1]
    monkeypatch.undo()  # by a newer version
    after = archived.archive()
    assert file in [each.file for each in after.new]
    assert (after.blocked, after.chain.gaps) == ((), ())


def test_a_segment_that_cannot_be_used_keeps_nothing_younger_from_being_archived(archived: Archive) -> None:
    archived.archive()
    archived.work()
    (spoiled,) = archived.archive().new
    manifest = path_of(archived.history.entry(spoiled)) / "manifest.json"
    manifest.write_bytes(manifest.read_bytes().replace(b'"transactions": 1', b'"transactions": 2'))
    archived.work()
    done = archived.archive()
    assert [spoiled.id in each.why for each in done.blocked] == [True]
    (gap,) = done.chain.gaps
    assert spoiled.id in gap.why
    assert done.chain.runs[-1].last.number == spoiled.number + 1
    assert archived.archive().chain.runs[-1].last.number == spoiled.number + 2


def test_where_encryption_is_switched_on_or_off_the_archive_goes_on(archived: Archive, tmp_path: Path) -> None:
    keyring = Keyring().generate("first", KeyKind.AES_256)
    plain = Archive(archived.server, Backups(tmp_path, keyring.accepting_plain(), BackupPolicy(encrypt=False)))
    server, repository = plain.backups.inventory(plain.server), plain.backups.repository
    repository.create()
    unencrypted = LogArchive(server, BackupPolicy(encrypt=False), repository, keyring.accepting_plain())
    archive(unencrypted, unreported, close=True)
    first = archive(LogArchive(server, BackupPolicy(encrypt=True), repository, keyring), unreported, close=True)
    assert "no segment of the history" in first.began_anew  # a plain one is not believed
    assert all(each.stream_key for each in first.new)
    back = archive(unencrypted, unreported, close=True)
    assert back.history == first.history
    assert back.chain.gaps == ()
    assert [each.stream_key for each in back.new] == [None]


def test_a_session_that_sets_its_clock_has_no_say_in_how_far_the_archive_goes(archived: Archive) -> None:
    archived.archive()
    archived.work("SET timestamp = UNIX_TIMESTAMP('2037-01-01')", "INSERT INTO shop.t (s) VALUES ('from the future')")
    archived.work("SET timestamp = UNIX_TIMESTAMP('2001-01-01')", "INSERT INTO shop.t (s) VALUES ('from the past')")
    done = archived.archive()
    assert done.until is not None
    assert abs(datetime.now(UTC) - done.until) < timedelta(minutes=1)
    assert abs(datetime.now(UTC) - done.new[-1].opened) < timedelta(minutes=1)
