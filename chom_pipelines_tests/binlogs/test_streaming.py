"""A stream archives every transaction once, whatever ends on the way."""

from __future__ import annotations

import json
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from chom_pipelines.binlogs.archive.heads import head_of
from chom_pipelines.binlogs.archive.history_choice import why_anew
from chom_pipelines.binlogs.archive.server_logs import ServerLog
from chom_pipelines.binlogs.streaming.following import followed
from chom_pipelines.binlogs.streaming.lag import State
from chom_pipelines.binlogs.streaming.wholes import remove_superseded
from chom_pipelines.errors import ConnectionFailedError, RepositoryBusyError
from chom_pipelines.outcome import Outcome
from chom_pipelines.progress import unreported
from chom_pipelines.proofs.archive import verify_archive
from chom_pipelines.repository.log_name import LogName
from chom_pipelines.server.facts import Flavour
from chom_pipelines_tests.binlogs.archives import Archive, archived_server
from chom_pipelines_tests.binlogs.streams import (
    RESET,
    Restartable,
    Streamed,
    Writer,
    configured,
    differences,
    eventually,
    service,
    streamed,
)
from chom_pipelines_tests.logical.taking import NAME, Backups
from chom_pipelines_tests.servers import PrivateServer


@pytest.fixture(scope="module", params=list(Flavour), ids=lambda flavour: flavour.value)
def server(request: pytest.FixtureRequest) -> Iterator[PrivateServer]:
    with archived_server(request.param) as found:
        with found.connect() as session:
            session.execute("ALTER TABLE shop.t MODIFY s LONGTEXT")
        yield found


@pytest.fixture
def stream(server: PrivateServer, tmp_path: Path) -> Iterator[Streamed]:
    Archive.from_here(server, Backups(tmp_path))
    with streamed(server, tmp_path) as found:
        yield found


@pytest.fixture
def own(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Restartable]:
    found = Restartable(request.param, tmp_path)
    yield found
    found.stop()


pytestmark = pytest.mark.long
both = pytest.mark.parametrize("own", list(Flavour), ids=lambda flavour: flavour.value, indirect=True)


def test_every_transaction_is_archived_once_while_they_are_written(stream: Streamed) -> None:
    with Writer(lambda: stream.archive.server.root) as writer:
        eventually(lambda: writer.committed > 200)
        stream.rotate()
        eventually(lambda: writer.committed > 600)
        assert stream.archive.histories()
    eventually(stream.all_is_archived)
    assert sum(each.transactions for each in stream.archive.history.segments) >= writer.committed


def test_what_is_committed_is_archived_without_the_file_being_closed(stream: Streamed) -> None:
    stream.archive.work("INSERT INTO shop.t (s) VALUES ('now')")
    eventually(stream.all_is_archived)
    last = stream.archive.history.last
    assert last is not None
    assert last.streamed
    assert not last.complete
    assert stream.archive.history.chain.gaps == ()


def test_a_closed_file_is_one_segment_and_its_parts_are_gone(stream: Streamed) -> None:
    for _ in range(3):
        stream.archive.work()
        eventually(stream.all_is_archived)
    stream.rotate()
    parts = stream.archive.backups.repository.streamed(NAME, stream.archive.history.name)
    closed = stream.archive.files()[-2]
    eventually(lambda: stream.archive.history.is_whole(closed))
    eventually(lambda: not any(closed in entry.id for entry in parts.entries()))
    assert len(stream.archive.history.of_file(closed)) == 1
    eventually(stream.all_is_archived)


def test_files_that_are_closed_faster_than_they_are_read_are_followed_one_by_one(stream: Streamed) -> None:
    stream.archive.work()
    for _ in range(3):
        eventually(lambda: stream.state is State.FOLLOWING and stream.all_is_archived())
        stream.archive.work(*["FLUSH BINARY LOGS", "INSERT INTO shop.t (s) VALUES (UUID())"] * 12)
        eventually(stream.all_is_archived)
    assert State.LOST not in {each.state for each in stream.reports}, "the client never gets ahead of its pipes"


def test_a_file_without_a_pipe_is_removed_when_it_is_found(server: PrivateServer) -> None:
    file = Archive(server, Backups(Path("/nowhere"))).files()[-1]
    with followed(server.backup, server.flavour, file, 1 << 31) as follower:
        eventually(lambda: bool(follower.read(1)))
        while follower.read(1):
            pass
        plain = follower.pipes / LogName.of(LogName.of(LogName.of(file).following).following).following
        plain.write_bytes(b"plain")  # as a client would that did not wait for its pipe
        with pytest.raises(ConnectionFailedError, match=f"goes on with {plain.name}"):
            follower.read(1)
        assert not plain.exists()


def test_parts_stay_while_somebody_reads_them(server: PrivateServer, tmp_path: Path) -> None:
    archive = Archive(server, Backups(tmp_path))
    with streamed(server, tmp_path) as stream:
        archive.work()
        eventually(stream.all_is_archived)
    history = archive.history
    before = history.parts.entries()
    assert before
    verified = verify_archive(archive.backups.repository, NAME, None, unreported)
    assert verified
    assert verified.outcome is Outcome.PASSED
    archive.archive()
    with history.reading("a restore"):
        with pytest.raises(RepositoryBusyError, match="a restore"):
            remove_superseded(archive.backups.repository, NAME, None)
        assert history.parts.entries() == before
    remove_superseded(archive.backups.repository, NAME, None)
    assert history.parts.entries() == []
    assert archive.history.chain.gaps == ()


def test_a_transaction_that_takes_longer_than_a_part_is_never_cut_in_two(
    stream: Streamed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chom_pipelines.binlogs.streaming.parts.HELD", 1 << 20)
    eventually(stream.all_is_archived)
    with stream.archive.server.connect() as session:
        session.execute("BEGIN")
        for _ in range(8):
            session.execute("INSERT INTO shop.t (s) VALUES (REPEAT('0123456789', 100000))")
        stream.archive.work()
        session.execute("COMMIT")
        large = stream.archive.files()[-1]
    stream.archive.work()
    eventually(stream.all_is_archived)
    segments = stream.archive.history.of_file(large)
    assert max(each.end - each.start for each in segments) > 8_000_000


def test_a_reset_begins_a_new_history_and_the_stream_goes_on(stream: Streamed) -> None:
    stream.archive.work()
    eventually(stream.all_is_archived)
    facts = stream.archive.server.facts
    stream.archive.work(RESET[facts.flavour])
    with Writer(lambda: stream.archive.server.root):
        eventually(lambda: len(stream.archive.histories()) == 2)
    eventually(stream.all_is_archived)
    assert [each.name for each in stream.archive.histories()] == [str(facts.server_id), f"{facts.server_id}.2"]


def test_a_cut_connection_is_made_again_and_nothing_is_lost_or_doubled(stream: Streamed) -> None:
    with Writer(lambda: stream.archive.server.root) as writer:
        for _ in range(3):
            before = writer.committed
            eventually(lambda before=before: writer.committed > before + 100)  # type: ignore[misc]
            stream.relay.cut()
            eventually(lambda: stream.state is State.LOST)
            stream.rotate()
            stream.relay.mend()
            eventually(lambda: stream.state is State.FOLLOWING)
    eventually(stream.all_is_archived)


def test_a_network_that_goes_silent_is_noticed(stream: Streamed) -> None:
    with Writer(lambda: stream.archive.server.root, pause=0.05):
        eventually(lambda: stream.state is State.FOLLOWING)
        stream.relay.silence()
        eventually(lambda: stream.state is State.LOST)
        assert stream.reports[-1].seconds > 0
        stream.relay.mend()
    eventually(stream.all_is_archived)


def test_archiving_by_the_hour_and_streaming_go_together(stream: Streamed) -> None:
    with Writer(lambda: stream.archive.server.root) as writer:
        for _ in range(4):
            before = writer.committed
            eventually(lambda before=before: writer.committed > before + 100)  # type: ignore[misc]
            done = stream.archive.archive()
            assert done.chain.gaps == ()
    eventually(stream.all_is_archived)


def test_a_file_of_many_parts_is_closed_so_that_they_stay_few(server: PrivateServer, tmp_path: Path) -> None:
    with streamed(server, tmp_path, parts=3) as stream:
        eventually(lambda: stream.state is State.FOLLOWING)
        before = len(stream.archive.files())
        with Writer(lambda: server.root, pause=0.05):
            eventually(lambda: len(stream.archive.files()) >= before + 2)
        eventually(stream.all_is_archived)


def test_a_file_that_lost_its_end_is_told_from_one_that_was_begun_anew(stream: Streamed) -> None:
    stream.archive.work()
    eventually(stream.all_is_archived)
    last = stream.archive.history.last
    assert last is not None
    lost = [ServerLog(last.file, last.end - 100), ServerLog(LogName.of(last.file).following, 500)]
    server = stream.archive.server

    def why() -> str:
        return why_anew(
            stream.archive.histories(), last.identity, lost, lambda file: head_of(server.backup, server.facts, file)
        )

    assert "lost what it wrote before a crash" in why()
    time.sleep(1.1)  # by the second in which it was begun, a file is told from another one
    stream.archive.work(RESET[server.flavour], *["FLUSH BINARY LOGS"] * LogName.of(last.file).number)
    assert "is another file than the one that was archived: it was begun anew, as by RESET" in why()


def test_two_streams_of_a_server_are_refused(stream: Streamed) -> None:
    eventually(lambda: bool(stream.reports))
    with pytest.raises(RepositoryBusyError, match="stream of source"):
        stream.streaming.run()


def test_a_full_backup_and_a_stream_reach_up_to_now(stream: Streamed) -> None:
    with Writer(lambda: stream.archive.server.root) as writer:
        eventually(lambda: writer.committed > 100)
        full = stream.archive.backups.take(stream.archive.server, "shop")
        eventually(lambda: writer.committed > 300)
    eventually(stream.all_is_archived)
    (interval,) = stream.archive.recoverable().windows.intervals
    assert [each.id for each in interval.fulls] == [full.id]
    assert interval.last == stream.archive.history.last


@both
@pytest.mark.parametrize("how", ["stop", "kill"])
def test_a_server_that_restarts_is_followed_on(own: Restartable, how: str, tmp_path: Path) -> None:
    with streamed(own.server, tmp_path) as stream, Writer(lambda: own.server.root) as writer:
        for _ in range(2):
            before = writer.committed
            eventually(lambda before=before: writer.committed > before + 100)  # type: ignore[misc]
            getattr(own, how)()
            eventually(lambda: stream.state is State.LOST)
            own.start()
            eventually(lambda: stream.state is State.FOLLOWING)
        writer.__exit__()
        archive = Archive(own.server, stream.archive.backups)
        eventually(lambda: differences(archive) == [])
        assert len(archive.histories()) == 1


@both
def test_a_stream_that_is_killed_at_any_moment_goes_on_when_it_is_started_again(
    own: Restartable, tmp_path: Path
) -> None:
    config = configured(tmp_path, own.backup, own.backup.port)
    chance = random.Random(9)  # noqa: S311
    archive = Archive(own.server, Backups(tmp_path))
    with Writer(lambda: own.server.root) as writer:
        for turn in range(8):
            with service(config) as process:
                eventually(lambda: bool(archive.histories()))
                time.sleep(chance.uniform(0, 2))  # it is killed at any moment
                process.send_signal(signal.SIGKILL)
            assert not [gap for each in archive.histories() for gap in each.chain.gaps]
            if turn % 3 == 2:
                archive.work("FLUSH BINARY LOGS")
    assert writer.committed
    with service(config) as process:
        eventually(lambda: differences(archive) == [])
        process.terminate()
        assert process.wait() == 0
    assert len(archive.histories()) == 1


@both
def test_sigterm_publishes_what_is_whole_and_ends_in_order(own: Restartable, tmp_path: Path) -> None:
    config = configured(tmp_path, own.backup, own.backup.port)
    status = tmp_path / "status.json"
    archive = Archive(own.server, Backups(tmp_path))
    with service(config, "--every", "3600", "--status", str(status)) as process:
        eventually(lambda: status.exists() and json.loads(status.read_text())["state"] == "following")
        archive.work("INSERT INTO shop.t (s) VALUES ('last words')")
        time.sleep(1)  # it comes, and is not published: that is for an hour later
        assert differences(archive) != []
        process.terminate()
        assert process.wait() == 0
    assert differences(archive) == []
    assert json.loads(status.read_text())["state"] == "stopped"
