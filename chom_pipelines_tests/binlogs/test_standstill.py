"""A stream goes on past what it cannot archive, says so, and ends when it is asked to."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from chom_pipelines.binlogs.archive.segments import Segment
from chom_pipelines.binlogs.streaming import silence
from chom_pipelines.binlogs.streaming.connection import Connection
from chom_pipelines.binlogs.streaming.lag import Lag, Place, State
from chom_pipelines.binlogs.streaming.parts import Tail
from chom_pipelines.binlogs.streaming.silence import Silence
from chom_pipelines.errors import BinlogDamagedError
from chom_pipelines.repository.layout import MANIFEST
from chom_pipelines.repository.log_name import LogName
from chom_pipelines.server.facts import Flavour
from chom_pipelines_tests.binlogs.archives import Archive, archived_server
from chom_pipelines_tests.binlogs.streams import Streamed, Writer, eventually, streamed
from chom_pipelines_tests.logical.taking import Backups
from chom_pipelines_tests.places import path_of
from chom_pipelines_tests.servers import PrivateServer

both = pytest.mark.parametrize("own", list(Flavour), ids=lambda flavour: flavour.value, indirect=True)
long = pytest.mark.long


@pytest.fixture
def own(request: pytest.FixtureRequest) -> Iterator[PrivateServer]:
    with archived_server(request.param) as found:
        with found.connect() as session:
            session.execute("ALTER TABLE shop.t MODIFY s LONGTEXT")
        yield found


def now_is_archived(stream: Streamed) -> Callable[[], bool]:
    """Whether what the server has written until this is called is in the archive, in the newest history."""
    stream.archive.work()
    file = stream.archive.files()[-1]
    size = len(stream.archive.on_disk(file))

    def reached() -> bool:
        found = stream.archive.histories()
        last = found[-1].last if found else None
        return last is not None and (last.file, last.end) >= (file, size)

    return reached


@long
@both
def test_a_segment_that_cannot_be_used_keeps_a_stream_neither_from_following_nor_from_ending(
    own: PrivateServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    archive = Archive(own, Backups(tmp_path))
    archive.archive()
    archive.work()
    (spoiled,) = archive.archive().new
    manifest = path_of(archive.history.entry(spoiled)) / MANIFEST
    manifest.write_bytes(manifest.read_bytes()[:-40])
    archive.work("FLUSH BINARY LOGS")
    with caplog.at_level(logging.WARNING), streamed(own, tmp_path) as stream:
        eventually(now_is_archived(stream))
    assert stream.state is State.STOPPED
    assert f"{spoiled.file} is not archived: " in caplog.text


@long
@both
def test_a_stream_goes_on_behind_a_closed_file_that_is_unsound(
    own: PrivateServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    archive = Archive(own, Backups(tmp_path))
    archive.archive()
    file = archive.spoil()
    with caplog.at_level(logging.WARNING), streamed(own, tmp_path) as stream:
        eventually(now_is_archived(stream))
        assert archive.files()[-1] == LogName.of(file).following
    assert f"{file} is not archived: " in caplog.text
    assert [gap.why for gap in archive.history.chain.gaps] == [f"{file} is missing"]


@long
@both
@pytest.mark.parametrize("verifying", [False, True], ids=["sent", "refused"])
def test_a_file_that_is_written_and_unsound_is_left_for_the_next_one(
    own: PrivateServer, tmp_path: Path, *, verifying: bool
) -> None:
    archive = Archive(own, Backups(tmp_path))
    archive.archive()
    file = archive.spoil(closing=False, verifying=verifying)
    with streamed(own, tmp_path) as stream:
        eventually(lambda: archive.files()[-1] == LogName.of(file).following)
        eventually(now_is_archived(stream))
        assert archive.files()[-1] == LogName.of(file).following
    assert [gap.why for gap in archive.history.chain.gaps] == [f"{file} is missing"]


@long
@both
def test_a_part_that_cannot_be_used_is_replaced_by_the_whole_file(own: PrivateServer, tmp_path: Path) -> None:
    with streamed(own, tmp_path) as stream:
        for _ in range(3):
            eventually(now_is_archived(stream))
    archive = stream.archive
    spoiled = sorted(archive.history.segments, key=lambda each: each.start)[1]
    manifest = path_of(archive.history.entry(spoiled)) / MANIFEST
    manifest.write_bytes(manifest.read_bytes()[:-40])
    archive.work()
    with streamed(own, tmp_path) as again:
        eventually(again.all_is_archived)
    assert archive.history.is_whole(spoiled.file)
    assert archive.files()[-1] == LogName.of(spoiled.file).following


@long
@pytest.mark.parametrize("own", [Flavour.MARIADB], indirect=True)
def test_damage_that_is_not_there_again_ends_no_stream_and_closes_no_file(
    own: PrivateServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, times = Connection.run, count()

    def damaged_at_first(connection: Connection) -> None:
        if (number := next(times)) < 3:
            raise BinlogDamagedError(f"mysql-bin.000001, position {number}: as RESET may have it")
        run(connection)

    monkeypatch.setattr(Connection, "run", damaged_at_first)
    before = Archive(own, Backups(tmp_path)).files()
    with streamed(own, tmp_path) as stream:
        eventually(now_is_archived(stream))
        assert stream.archive.files() == before
    assert next(times) > 3


@long
@pytest.mark.parametrize("own", [Flavour.MARIADB], indirect=True)
def test_a_store_that_is_slow_is_not_taken_for_a_network_that_is_cut(
    own: PrivateServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(silence, "SILENCE", 3.0)
    publish = Tail.publish

    def slow(tail: Tail) -> Segment | None:
        time.sleep(4)  # longer than the silence after which a server is taken for lost
        return publish(tail)

    monkeypatch.setattr(Tail, "publish", slow)
    with streamed(own, tmp_path) as stream:
        with Writer(lambda: own.root, pause=0.05):
            eventually(lambda: len({each.published for each in stream.reports if each.published}) > 3)
        assert State.LOST not in {each.state for each in stream.reports}


@long
@both
def test_an_event_that_takes_long_on_the_wire_gets_through(
    own: PrivateServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(silence, "SILENCE", 2.0)
    with streamed(own, tmp_path) as stream:
        eventually(now_is_archived(stream))
        stream.relay.slowness = 1 / (2 << 20)
        stream.archive.work("INSERT INTO shop.t (s) VALUES (REPEAT('x', 12000000))")
        eventually(now_is_archived(stream))
        assert State.LOST not in {each.state for each in stream.reports}


def test_silence_counts_from_when_the_server_is_ahead_and_only_while_it_is_read() -> None:
    quiet = Silence()
    quiet.read_in_vain(1000)  # an idle server, for long
    quiet.ahead(100, 1001)
    told = [quiet.is_too_long]
    quiet.read_in_vain(1001.2)
    quiet.ahead(5_000_000, 1030)  # a part was published for long, and nobody read
    told.append(quiet.is_too_long)
    quiet.read_in_vain(1030.2)
    told.append(quiet.is_too_long)
    quiet.end()
    assert [*told, quiet.is_too_long] == [False, False, True, False]


def test_a_large_event_has_the_time_that_it_takes() -> None:
    quiet, told = Silence(), []
    quiet.ahead(512 << 20, 0)
    for now in (500, 530):
        quiet.read_in_vain(now)
        told.append(quiet.is_too_long)
    assert told == [False, True]


def test_what_is_published_was_written_so_that_no_lag_is_negative() -> None:
    lag = Lag()
    lag.asked(Place("mysql-bin.000001", 500), Place("mysql-bin.000001", 500))
    told = lag.report(State.STOPPED, Place("mysql-bin.000001", 900), None)
    assert (told.bytes, told.server) == (0, Place("mysql-bin.000001", 900))
