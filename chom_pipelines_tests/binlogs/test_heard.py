"""What a stream has heard of an idle server counts as archived, and nothing that cannot be believed does."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from chom_pipelines.binlogs.archive.heard import NAME as HEARD
from chom_pipelines.binlogs.archive.heard import keep_heard
from chom_pipelines.binlogs.recovery.point_in_time import point_in_time
from chom_pipelines.binlogs.recovery.targets import AtTime
from chom_pipelines.binlogs.streaming import connection
from chom_pipelines.progress import unreported
from chom_pipelines.repository.data_keys import StreamKey, add_stream_key
from chom_pipelines.repository.encryption import DataKey
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.master_keys import KeyKind
from chom_pipelines.server.binlog_settings import SettingsNow
from chom_pipelines.server.facts import Flavour
from chom_pipelines_tests.binlogs.archives import Archive, archived_server
from chom_pipelines_tests.binlogs.streams import eventually, streamed
from chom_pipelines_tests.binlogs.test_parts import Parted
from chom_pipelines_tests.logical.taking import NAME, Backups
from chom_pipelines_tests.servers import PrivateServer

KEYRING = Keyring().generate("first", KeyKind.AES_256)
SECOND = timedelta(seconds=1)


@pytest.fixture(scope="module", params=list(Flavour), ids=lambda flavour: flavour.value)
def server(request: pytest.FixtureRequest) -> Iterator[PrivateServer]:
    with archived_server(request.param) as found:
        yield found


@pytest.fixture
def archived(server: PrivateServer, tmp_path: Path) -> Archive:
    found = Archive.from_here(server, Backups(tmp_path, KEYRING))
    found.backups.take(server)
    found.archive()
    return found


def test_of_a_server_that_writes_nothing_seconds_are_at_stake(
    server: PrivateServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "NOTED", 0)
    with streamed(server, tmp_path) as stream:
        archive = stream.archive
        archive.backups.take(server)
        archive.work()
        eventually(stream.all_is_archived)

        def is_behind(seconds: float) -> bool:
            exposure = archive.recoverable().windows.exposure(datetime.now(UTC))
            return exposure is not None and exposure > seconds * SECOND

        for rotated in (False, True):
            if rotated:
                stream.rotate()
            idle = time.monotonic()
            eventually(lambda idle=idle: time.monotonic() > idle + 5)  # type: ignore[misc]
            eventually(lambda: not is_behind(4))
            last = archive.history.last
            latest = archive.recoverable().windows.latest
            assert last
            assert latest
            assert latest > last.as_of + SECOND
            with point_in_time(
                archive.backups.repository, NAME, AtTime(latest), keyring=None, report=unreported, threads=1
            ) as ready:
                assert ready.recovery.stop.following is None
                assert ready.recovery.stop.transactions == 1
    eventually(lambda: is_behind(5))


def test_of_a_replica_that_logs_no_more_what_it_replicates_nothing_is_noted(
    server: PrivateServer, tmp_path: Path
) -> None:
    """Its log is empty then, whatever changes."""
    archive = Archive(server, Backups(tmp_path))
    archive.work("FLUSH BINARY LOGS")
    parted = Parted.of(archive)
    part = parted.publish()
    assert part.logging
    folder, now = archive.history.parts.folder, datetime.now(UTC)
    parted.tail.heard(now, SettingsNow(replace(part.logging, updates_off="log_slave_updates"), now, now))
    assert not folder.exists(HEARD)
    parted.tail.heard(now, SettingsNow(part.logging, now, now))
    assert folder.exists(HEARD)


def note(archived: Archive, time: datetime, key: tuple[StreamKey, DataKey] | None) -> None:
    last = archived.history.last
    assert last
    keep_heard(archived.history, last, time, key)


def latest(archived: Archive) -> datetime | None:
    return archived.recoverable().windows.latest


def test_a_note_counts_where_its_seal_and_its_place_are_right(archived: Archive) -> None:
    before, later = latest(archived), datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)
    parts = archived.history.parts.folder
    key = add_stream_key(parts, KEYRING)
    note(archived, later, key)
    assert latest(archived) == later - SECOND
    assert HEARD not in " ".join(archived.recoverable().unusable_backups)
    whole = json.loads(parts.read(HEARD))

    def is_refused(data: bytes, why: str) -> bool:
        parts.replace(HEARD, data)
        found = archived.recoverable()
        return found.windows.latest == before and why in found.unusable_backups[f"{archived.history.name}/{HEARD}"]

    sealed = parts.read(HEARD)
    assert is_refused(sealed.replace(f"{later:%Y}".encode(), b"2099"), "its seal does not match")
    assert is_refused(sealed[: len(sealed) // 2], "is not JSON")
    note(archived, later, None)
    assert is_refused(parts.read(HEARD), "is not encrypted")
    note(archived, later, (key[0], DataKey.generate()))
    assert is_refused(parts.read(HEARD), "its seal does not match")
    assert whole["file"] == archived.history.last.file  # type: ignore[union-attr]


def test_a_note_of_a_place_that_is_not_in_the_archive_says_nothing(archived: Archive) -> None:
    later = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)
    key = add_stream_key(archived.history.parts.folder, KEYRING)
    archived.work()
    archived.archive()
    note(archived, later, key)
    assert latest(archived) == later - SECOND
    last = archived.history.last
    assert last
    archived.history.stream.remove(archived.history.entry(last))
    found = latest(archived)
    assert found
    assert found < later - SECOND
    assert archived.recoverable().unusable_backups == {}
