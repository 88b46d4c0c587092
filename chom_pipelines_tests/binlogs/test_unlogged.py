"""What a server does not write to its binary log is not called recoverable: it is named, and what mends it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from chom_pipelines.backups.exposure import UNBROKEN, answers
from chom_pipelines.backups.verdicts import Verdict
from chom_pipelines.binlogs.archive.log_settings import settings_when_written
from chom_pipelines.binlogs.archive.segments import FIRST, Segment
from chom_pipelines.binlogs.archive.unlogged import unlogged
from chom_pipelines.binlogs.format.events import Checksum, FormatDescription
from chom_pipelines.binlogs.recovery.point_in_time import point_in_time
from chom_pipelines.binlogs.recovery.targets import BeforePlace
from chom_pipelines.outcome import Outcome
from chom_pipelines.progress import unreported
from chom_pipelines.repository.layout import BackupId, Kind
from chom_pipelines.repository.payloads import BinlogPayload
from chom_pipelines.server.binlog_settings import BinlogSettings, SettingsNow, lacks
from chom_pipelines.server.facts import Flavour
from chom_pipelines.server.findings import Finding
from chom_pipelines.server.preflight import ask_server
from chom_pipelines_tests.binlogs.archives import Archive, archived_server
from chom_pipelines_tests.binlogs.segments import at, segment
from chom_pipelines_tests.binlogs.streams import eventually, streamed
from chom_pipelines_tests.binlogs.test_no_false_alarm import started
from chom_pipelines_tests.logical.taking import NAME, Backups
from chom_pipelines_tests.logical.test_replication import pair
from chom_pipelines_tests.servers import PrivateServer

ROWS = BinlogSettings(("ROW",))
SHOP_IGNORED = BinlogSettings(("ROW",), ignored=("shop",))


@pytest.fixture(params=list(Flavour), ids=lambda flavour: flavour.value)
def flavour(request: pytest.FixtureRequest) -> Flavour:
    found: Flavour = request.param
    return found


def unbroken(archived: Archive, *databases: str) -> Verdict:
    server = archived.backups.inventory(archived.server, *databases)
    return answers(archived.recoverable(), server, datetime.now(UTC))[UNBROKEN]


def checked(server: PrivateServer, *databases: str) -> list[Finding]:
    """What `chom check` says of the binary log, but for what it always says."""
    found = ask_server(server.backup, databases or None, proved=False).findings
    return [each for each in found if each.subject == "binary log" and not each.message.startswith("on, with GTIDs")]


def here(archived: Archive) -> BeforePlace:
    with archived.server.connect() as session:
        (file, position, *_) = session.rows(archived.server.facts.binlog_status_statement)[0]
    return BeforePlace(file, int(position))


def warned(archived: Archive, target: BeforePlace) -> tuple[str, ...]:
    """What is said of a restore to there before it begins."""
    repository, keyring = archived.backups.repository, archived.keyring
    with point_in_time(repository, NAME, target, keyring=keyring, report=unreported, threads=1) as ready:
        return ready.warnings


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("--binlog-do-db=other",), "binlog_do_db = other keeps rows of every database but other"),
        (("--binlog-ignore-db=shop", "--binlog-ignore-db=mysql"), "binlog_ignore_db = shop, mysql keeps rows of shop"),
        (("--binlog-format=STATEMENT",), "binlog_format = STATEMENT"),
    ],
    ids=["do_db", "ignore_db", "statement"],
)
def test_a_setting_that_keeps_writes_out_of_the_log_fails_until_it_is_mended_and_a_full_backup_taken(
    flavour: Flavour, options: Sequence[str], named: str, tmp_path: Path
) -> None:
    backups, data = Backups(tmp_path), tmp_path / "data"
    with started(flavour, data, options) as server:
        archived = Archive(server, backups)
        backups.take(server)
        for _ in range(2):
            archived.work()
            archived.archive()
        verdict = unbroken(archived)
        assert verdict.outcome is Outcome.FAILED
        assert verdict.reason.startswith("not in the log from ")
        assert named in verdict.reason
        assert "a full backup" in verdict.reason
        (failed,) = checked(server)
        assert failed.outcome is Outcome.FAILED
        assert failed.message.startswith(named)
        archived.work()
        inside = here(archived)
    with started(flavour, data) as server:
        archived = Archive(server, backups)
        archived.work()
        archived.archive()
        (before,) = archived.recoverable().unlogged(None)
        assert before.last.file == inside.file, "what was written before the restart was written with the setting"
        assert unbroken(archived).outcome is Outcome.FAILED
        assert checked(server) == []
        time.sleep(1)  # the log tells whole seconds, and the backup is to be of after it
        backups.take(server)
        archived.work()
        mended = here(archived)
        archived.archive()
        (after,) = archived.recoverable().unlogged(None)
        assert after == before, "the old interval keeps its mark"
        assert unbroken(archived) == Verdict(
            Outcome.PASSED, "no gap", {"gaps": 0, "mended": 0, "unusable": 0, "unlogged": 0, "settings_unknown": 0}
        )
        assert warned(archived, mended) == ()
        (warning,) = warned(archived, inside)
        assert named in warning


def test_default_settings_give_no_finding(flavour: Flavour, tmp_path: Path) -> None:
    no_updates = "--log-slave-updates=OFF" if flavour is Flavour.MARIADB else "--log-replica-updates=OFF"
    for number, options in enumerate([(), ("--binlog-format=MIXED",), (no_updates,)]):
        (tmp_path / str(number)).mkdir()
        with archived_server(flavour, options) as server:
            archived = Archive(server, Backups(tmp_path / str(number)))
            archived.backups.take(server)
            archived.work()
            archived.archive()
            assert checked(server) == []
            assert archived.recoverable().unlogged(None) == ()
            verdict = unbroken(archived)
            assert (verdict.outcome, verdict.reason) == (Outcome.PASSED, "no gap")
            assert verdict.details["settings_unknown"] == 0


def test_a_replica_that_does_not_log_what_it_replicates_is_found(flavour: Flavour, tmp_path: Path) -> None:
    name = "log_slave_updates" if flavour is Flavour.MARIADB else "log_replica_updates"
    for value, outcome in (("OFF", Outcome.FAILED), ("ON", Outcome.PASSED)):
        (tmp_path / value).mkdir()
        with pair(flavour, (f"--{name.replace('_', '-')}={value}",)) as both:
            archived = Archive(both.replica, Backups(tmp_path / value))
            archived.backups.take(both.replica)
            archived.archive()
            assert unbroken(archived).outcome is outcome
            found = [each.message for each in checked(both.replica)]
            if outcome is Outcome.PASSED:
                assert found == []
            else:
                wanted = f"{name} = OFF keeps all that this replica gets from its source out of its binary log"
                assert wanted in unbroken(archived).reason
                assert found == [f"{wanted}: no restore to a point in time has that"]


def test_what_is_kept_out_of_databases_that_are_not_backed_up_leaves_a_doubt(flavour: Flavour, tmp_path: Path) -> None:
    with archived_server(flavour, ("--binlog-ignore-db=scratch",)) as server:
        archived = Archive(server, Backups(tmp_path))
        archived.backups.take(server, "shop")
        archived.work()
        place = here(archived)
        archived.archive()
        verdict = unbroken(archived, "shop")
        assert verdict.outcome is Outcome.NOT_VERIFIED
        assert verdict.reason.startswith("not in the log from ")
        assert "whether the log has all that was done to what is backed up is not certain" in verdict.reason
        assert "binlog_ignore_db = scratch" in verdict.reason
        (finding,) = checked(server, "shop")
        assert finding.outcome is Outcome.NOT_VERIFIED
        assert len(warned(archived, place)) == 1
        assert unbroken(archived).outcome is Outcome.FAILED, "without a list of databases all are backed up"


def test_rows_are_left_out_by_their_table_and_text_by_the_default_database(flavour: Flavour) -> None:
    """What the sentences about filters say."""
    with archived_server(flavour, ("--binlog-ignore-db=scratch",)) as server, server.connect() as session:
        session.execute("CREATE DATABASE scratch")
        session.execute("CREATE TABLE scratch.t (id INT AUTO_INCREMENT PRIMARY KEY)")

        def is_logged(database: str, statement: str, log_format: str = "ROW") -> bool:
            session.execute(f"SET binlog_format = {log_format}")
            session.execute(f"USE {database}")
            before = session.rows(server.facts.binlog_status_statement)
            session.execute(statement)
            return session.rows(server.facts.binlog_status_statement) != before

        assert is_logged("scratch", "INSERT INTO shop.t (s) VALUES ('x')")
        assert not is_logged("shop", "INSERT INTO scratch.t VALUES ()")
        assert not is_logged("scratch", "TRUNCATE shop.t")
        assert not is_logged("scratch", "INSERT INTO shop.t (s) VALUES ('x')", "MIXED")
        assert is_logged("shop", "TRUNCATE scratch.t")


def test_a_format_that_changes_while_a_file_is_written_marks_that_file(flavour: Flavour, tmp_path: Path) -> None:
    with archived_server(flavour) as server:
        archived = Archive(server, Backups(tmp_path))
        archived.archive()
        archived.work("SET GLOBAL binlog_format = 'STATEMENT'")
        archived.archive()
        archived.work("SET GLOBAL binlog_format = 'ROW'")
        archived.archive()
        archived.work()
        archived.archive()
        formats = [each.logging.formats if each.logging else None for each in archived.history.segments]
        assert formats[-3:] == [("ROW", "STATEMENT"), ("STATEMENT", "ROW"), ("ROW",)]
        archived.backups.take(server)
        archived.archive()
        assert unbroken(archived).outcome is Outcome.PASSED


def test_a_stream_records_it_in_its_parts(flavour: Flavour, tmp_path: Path) -> None:
    with archived_server(flavour, ("--binlog-ignore-db=scratch",)) as server, streamed(server, tmp_path) as stream:
        stream.archive.work()
        eventually(lambda: any(each.streamed for one in stream.archive.histories() for each in one.segments))
        for each in stream.archive.history.segments:
            assert each.logging == BinlogSettings(("ROW",), ignored=("scratch",))


def test_a_stream_notices_a_format_that_changes_while_it_is_connected(flavour: Flavour, tmp_path: Path) -> None:
    with archived_server(flavour) as server, streamed(server, tmp_path) as stream:
        work = stream.archive.work

        def formats() -> list[tuple[str, ...] | None]:
            segments = (each for one in stream.archive.histories() for each in one.segments)
            found = sorted(segments, key=lambda each: (each.number, each.start))
            return [each.logging.formats if each.logging else None for each in found]

        for change in ("DO 0", "SET GLOBAL binlog_format = 'STATEMENT'", "SET GLOBAL binlog_format = 'ROW'", "DO 0"):
            known = len(formats())
            work(change, "INSERT INTO shop.t (s) VALUES (1)")
            eventually(lambda known=known: len(formats()) > known)  # type: ignore[misc]
        assert formats() == [("ROW",), ("ROW", "STATEMENT"), ("STATEMENT", "ROW"), ("ROW",)]
        stream.rotate()
        eventually(lambda: formats() == [("STATEMENT", "ROW")])


def test_changes_that_a_session_logs_as_text_leave_a_doubt_where_rows_are_logged(
    flavour: Flavour, tmp_path: Path
) -> None:
    with archived_server(flavour) as server:
        archived = Archive(server, Backups(tmp_path))
        archived.backups.take(server)
        archived.work("CREATE TABLE shop.u (s TEXT)", "INSERT INTO shop.u VALUES (1)", "TRUNCATE shop.u")
        archived.archive()
        assert unbroken(archived).outcome is Outcome.PASSED
        as_text = ("SET binlog_format = 'STATEMENT'", "INSERT INTO shop.u VALUES (UUID())")
        archived.work("SET GLOBAL binlog_format = 'STATEMENT'", *as_text, "SET GLOBAL binlog_format = 'ROW'")
        inside = here(archived)
        archived.archive()
        assert [each.logging for each in archived.history.segments][-1] == ROWS, "nobody has seen the setting"
        verdict = unbroken(archived)
        assert verdict.outcome is Outcome.NOT_VERIFIED
        assert "sessions with a binlog_format of their own had logged as text" in verdict.reason
        (warning,) = warned(archived, inside)
        assert "logged as text" in warning
        time.sleep(1)  # the log tells whole seconds, and the backup is to be of after it
        archived.backups.take(server)
        archived.archive()
        assert unbroken(archived).outcome is Outcome.PASSED


def test_changes_as_text_before_the_backup_leave_no_doubt(flavour: Flavour, tmp_path: Path) -> None:
    with archived_server(flavour) as server:
        archived = Archive(server, Backups(tmp_path))
        archived.work("SET binlog_format = 'STATEMENT'", "INSERT INTO shop.t (s) VALUES (UUID())")
        archived.backups.take(server)
        archived.work()
        inside = here(archived)
        archived.archive()
        assert archived.history.segments[-1].textual
        assert unbroken(archived).outcome is Outcome.PASSED
        assert warned(archived, inside) == ()


def test_changes_as_text_are_expected_of_a_mixed_log(flavour: Flavour, tmp_path: Path) -> None:
    with archived_server(flavour, ("--binlog-format=MIXED",)) as server:
        archived = Archive(server, Backups(tmp_path))
        archived.backups.take(server)
        archived.work("INSERT INTO shop.t (s) VALUES (1)")
        archived.archive()
        assert any(each.textual for each in archived.history.segments)
        assert unbroken(archived).outcome is Outcome.PASSED


def test_what_a_server_itself_logs_as_text_leaves_no_doubt(flavour: Flavour, tmp_path: Path) -> None:
    """It empties a table in memory in the log, when that is opened after a restart."""
    backups, data = Backups(tmp_path), tmp_path / "data"
    with started(flavour, data) as server:
        archived = Archive(server, backups)
        archived.work("CREATE TABLE shop.m (a INT) ENGINE=MEMORY", "INSERT INTO shop.m VALUES (1)")
        backups.take(server)
        archived.archive()
    with started(flavour, data) as server:
        archived = Archive(server, backups)
        archived.work("SELECT * FROM shop.m")
        archived.archive()
        assert unbroken(archived).outcome is Outcome.PASSED


def test_a_file_from_before_the_servers_start_has_what_was_known_then() -> None:
    def written(number: int, begin: FormatDescription, opened: datetime, archived: list[Segment]) -> object:
        now = SettingsNow(ROWS, since=at(2), asked=at(3))
        return settings_when_written(now, whole(number), begin, opened, archived)

    before, last = segment(0, logging=SHOP_IGNORED), segment(1, logging=SHOP_IGNORED)
    begins, follows = head(created=1), head(created=0)
    assert written(1, follows, at(1), [before]) == SHOP_IGNORED
    assert written(1, follows, at(1), []) is None
    assert written(1, begins, at(1), [before]) is None, "nobody asked between two starts"
    assert written(1, begins, at(2) - timedelta(seconds=1), [before]) == ROWS
    assert written(2, begins, at(2), [before, last]) == ROWS
    assert written(2, follows, at(2), [before, last]) == SHOP_IGNORED, "in the same second"
    assert written(2, follows, at(3), [before, last]) == ROWS
    assert written(9, follows, at(1), [before]) is None, "the one between is not known"


def test_a_part_has_what_held_at_its_begin_and_end_and_a_file_what_held_in_its_parts() -> None:
    replicating = BinlogSettings(("STATEMENT",), updates_off="log_slave_updates")
    parts = [
        segment(1, end=200, complete=False, logging=BinlogSettings(("STATEMENT", "MIXED"), ignored=("shop",))),
        segment(1, start=200, end=400, complete=False, logging=BinlogSettings(("MIXED", "STATEMENT"))),
        segment(1, start=400, end=600, complete=False, logging=replicating),
    ]
    now, follows = SettingsNow(ROWS, since=at(0), asked=at(3)), head(created=0)

    def settings(piece: BackupId, archived: Sequence[Segment]) -> BinlogSettings | None:
        return settings_when_written(now, piece, follows, at(1), archived)

    assert settings(whole(1, start=200), parts[:1]) == BinlogSettings(("MIXED", "ROW"))
    assert settings(whole(1, start=400), parts[:2]) == BinlogSettings(("STATEMENT", "ROW"))
    assert settings(whole(1, start=600), parts) == BinlogSettings(("STATEMENT", "ROW"))
    assert settings(whole(1), parts) == BinlogSettings(("MIXED", "STATEMENT", "ROW"), updates_off="log_slave_updates")
    assert settings(whole(2), parts) == BinlogSettings(("STATEMENT", "ROW"))


def whole(number: int, start: int = FIRST) -> BackupId:
    return BackupId(Kind.BINLOG, file=f"mysql-bin.{number:06d}", start=start)


def head(created: int) -> FormatDescription:
    event = bytes(19 + 2 + 50) + created.to_bytes(4, "little") + bytes(40)
    return FormatDescription(event, 4, "10.11.19-MariaDB", 11, Checksum.CRC32, in_use=False)


def test_each_interval_is_told_from_its_begin_to_its_end() -> None:
    logging = [ROWS, SHOP_IGNORED, SHOP_IGNORED, None, SHOP_IGNORED]
    segments = [segment(number, logging=each) for number, each in enumerate(logging)]
    second = timedelta(seconds=1)
    assert [(each.start, each.last.as_of) for each in unlogged(segments, None)] == [
        (at(1), at(3) + second),
        (at(4), at(5) + second),
    ]
    assert list(unlogged(segments[:1], None)) == []


@pytest.mark.parametrize(
    ("settings", "databases", "matters"),
    [
        (BinlogSettings(("ROW",), only=("shop",)), ("shop",), False),
        (BinlogSettings(("ROW",), only=("shop",)), ("shop", "crm"), True),
        (BinlogSettings(("ROW",), only=("shop",)), None, True),
        (BinlogSettings(("MIXED",), only=("shop",)), ("shop",), True),
        (BinlogSettings(("ROW",), ignored=("mysql",)), None, False),
        (BinlogSettings(("ROW",), ignored=("scratch",)), None, True),
        (BinlogSettings(("ROW",), ignored=("Scratch",)), ("scratch",), True),
        (BinlogSettings(("MIXED",), ignored=("scratch",)), ("shop",), True),
    ],
)
def test_a_filter_matters_where_it_may_leave_out_what_is_backed_up(
    settings: BinlogSettings, databases: tuple[str, ...] | None, *, matters: bool
) -> None:
    (lack,) = lacks(settings, databases)
    assert lack.matters is matters


def test_a_segment_of_an_earlier_version_opens_and_says_nothing_of_it(server: PrivateServer, tmp_path: Path) -> None:
    archived = Archive(server, Backups(tmp_path))
    archived.archive()
    history = archived.history
    manifest = history.entry(history.segments[0]).manifest(None)
    older = BinlogPayload.model_validate(manifest.payload.model_dump(exclude={"logging"}))
    found = Segment.of(manifest.model_copy(update={"payload": older}), history.name)
    assert found.logging is None
    assert list(unlogged([found], None)) == []


def test_settings_that_nobody_asked_for_leave_a_doubt(flavour: Flavour, tmp_path: Path) -> None:
    with archived_server(flavour) as server:
        archived = Archive(server, Backups(tmp_path))
        archived.backups.take(server)
        archived.work()
        archived.archive()
        known = archived.recoverable()
    (history,) = known.histories
    silent = tuple(replace(each, logging=None) for each in history.segments)
    unknown = replace(known, histories=(replace(history, segments=silent),))
    assert (known.settings_unknown, unknown.settings_unknown) == (0, len(silent))
    verdict = answers(unknown, archived.backups.inventory(server), datetime.now(UTC))[UNBROKEN]
    assert verdict.outcome is Outcome.NOT_VERIFIED
    assert "is not known; take a full backup" in verdict.reason
