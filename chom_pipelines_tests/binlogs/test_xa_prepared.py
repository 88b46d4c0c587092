"""An XA transaction that is prepared while a backup is taken is named, and no restore claims to have it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from chom_pipelines.binlogs.recovery.point_in_time import point_in_time, recovered_server
from chom_pipelines.binlogs.recovery.replay_plan import PreparedBeforeError
from chom_pipelines.binlogs.recovery.targets import BeforePlace, Route
from chom_pipelines.errors import RestoreFailedError
from chom_pipelines.progress import unreported
from chom_pipelines.repository.entry import BackupEntry
from chom_pipelines.repository.streams import LATEST
from chom_pipelines.server.connection import Session
from chom_pipelines.server.facts import Flavour
from chom_pipelines.server.identifiers import account
from chom_pipelines.server.preflight import ask_server
from chom_pipelines_tests.binlogs.archives import Archive, archived_server
from chom_pipelines_tests.logical.taking import NAME, Backups

XID, LOGGED = "0xff27,'b',7", "X'ff27',X'62',7"
"""An id with a quote that is no text, as a session says it and as the log does."""


@pytest.fixture(params=list(Flavour), ids=lambda flavour: flavour.value)
def archived(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Archive]:
    with archived_server(request.param) as server:
        yield Archive(server, Backups(tmp_path))


def prepare(archived: Archive) -> None:
    archived.work(
        *(f"XA START {XID}", "INSERT INTO shop.t (s) VALUES ('prepared')", f"XA END {XID}", f"XA PREPARE {XID}")
    )


def end_of_log(archived: Archive) -> BeforePlace:
    archived.archive()
    last = archived.history.last
    assert last
    return BeforePlace(last.file, last.end)


def restored(archived: Archive, target: BeforePlace, backup: str = LATEST, route: Route = Route.REPLICATION) -> int:
    """How many rows are there after that."""
    with (
        point_in_time(
            archived.backups.repository, NAME, target, keyring=None, report=unreported, threads=1, backup=backup
        ) as ready,
        recovered_server(ready, ready.recoverer(route, accounts=False, report=unreported)) as (server, _),
        Session(server.endpoint) as session,
    ):
        return int(session.value("SELECT COUNT(*) FROM shop.t"))


def warnings(archived: Archive, entry: BackupEntry) -> str:
    return "; ".join(archived.backups.manifest(entry).warnings)


@pytest.mark.parametrize("ends", ["COMMIT", "ROLLBACK"])
def test_no_replay_goes_past_its_end_and_an_older_backup_is_named(archived: Archive, ends: str) -> None:
    older = archived.backups.take(archived.server)
    assert not warnings(archived, older)
    prepare(archived)
    backup = archived.backups.take(archived.server)
    assert (
        f"prepared XA transactions are not in this backup, and a replay onto it cannot go on where one of them is "
        f"committed or rolled back: {LOGGED}" in warnings(archived, backup)
    )
    archived.work()
    before = end_of_log(archived)
    assert restored(archived, before) == 1
    archived.work(f"XA {ends} {XID}")
    behind = end_of_log(archived)
    with pytest.raises(PreparedBeforeError) as error:
        restored(archived, behind)
    assert error.value.what.startswith(f"{backup.id} cannot be brought past ")
    assert f"{ends.lower()}s" in error.value.what.replace("rolls back", "rollbacks")
    assert LOGGED in error.value.what
    assert f"chom restore {older.id}" in error.value.remedy
    assert restored(archived, behind, older.id) == (2 if ends == "COMMIT" else 1)
    (interval,) = archived.recoverable().windows.intervals
    assert [full.prepared for full in interval.fulls] == [(), (LOGGED,)]


@pytest.mark.parametrize("route", list(Route))
def test_where_the_account_may_not_ask_the_backup_and_the_replay_say_so(tmp_path: Path, route: Route) -> None:
    """MySQL tells the ids to few."""
    with archived_server(Flavour.MYSQL) as server:
        archived = Archive(server, Backups(tmp_path))
        archived.work(f"REVOKE XA_RECOVER_ADMIN ON *.* FROM {account(server.backup.user, '%')}")
        (found,) = (
            one for one in ask_server(server.backup, None).findings if one.subject == "privileges" and one.remedy
        )
        assert found.is_warning
        assert found.remedy.startswith("GRANT XA_RECOVER_ADMIN ON *.* TO ")
        prepare(archived)
        backup = archived.backups.take(server)
        assert "is not known" in warnings(archived, backup)
        assert "XA_RECOVER_ADMIN" in warnings(archived, backup)
        archived.work(f"XA COMMIT {XID}")
        with pytest.raises(RestoreFailedError, match="XAER_NOTA") as error:
            restored(archived, end_of_log(archived), route=route)
        assert "an XA transaction was prepared before the backup was taken" in error.value.remedy
