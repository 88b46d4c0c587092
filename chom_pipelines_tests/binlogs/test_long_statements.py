"""A statement that was not committed at a moment is not in what is restored of it, whatever the log notes."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from chom_pipelines.binlogs.archive.indexing import MANY_ROWS
from chom_pipelines.binlogs.recovery.searching import Change, Search, events
from chom_pipelines.binlogs.recovery.targets import AtTime, Route
from chom_pipelines.server.facts import Flavour
from chom_pipelines_tests.binlogs.archives import Archive, archived_server
from chom_pipelines_tests.binlogs.test_replay import recovered, sums
from chom_pipelines_tests.logical.taking import Backups

LONG = "DELETE FROM shop.t WHERE SLEEP(2) = 0"
"""Of three rows, six seconds."""


@pytest.fixture(params=list(Flavour), ids=lambda flavour: flavour.value)
def archived(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Archive]:
    with archived_server(request.param) as server:
        yield Archive(server, Backups(tmp_path / "archive"))


def now(archived: Archive) -> datetime:
    with archived.server.connect() as session:
        session.execute("SET time_zone = '+00:00'")
        return datetime.fromisoformat(f"{session.value('SELECT CAST(NOW(6) AS CHAR)')}+00:00")


def test_a_second_within_a_statement_is_the_same_before_and_after_its_file_is_archived(
    archived: Archive, tmp_path: Path
) -> None:
    archived.work("INSERT INTO shop.t (s) VALUES ('a'), ('b'), ('c')")
    archived.backups.take(archived.server, "shop")
    archived.work("CREATE TABLE shop.other (id INT)", "INSERT INTO shop.other VALUES (1)")
    with archived.server.connect() as session:
        wanted = sums(session)
    with ThreadPoolExecutor(1) as others:
        began = now(archived)
        running = others.submit(archived.work, LONG)
        archived.work("DO SLEEP(3)", "FLUSH BINARY LOGS")
        archived.archive(close=False)
        running.result()
    moment = AtTime(began.replace(microsecond=0) + timedelta(seconds=1))
    found = []
    for name in ("before", "after"):
        directory = tmp_path / name
        directory.mkdir()
        recovery, rows = recovered(archived, moment, Route.REPLICATION, directory)
        assert rows == wanted
        found.append(recovery.stop.transactions)
        archived.archive()
    assert found == [2, 2]
    with archived.server.connect() as session:
        assert session.value("SELECT COUNT(*) FROM shop.t") == 0


def test_a_search_goes_by_the_time_at_which_a_statement_can_have_been_committed(archived: Archive) -> None:
    """One that was begun in one file and committed in the next; by the index, and by the log itself."""
    archived.work(f"INSERT INTO shop.t (s) VALUES {', '.join(['(1)'] * 120)}")
    with ThreadPoolExecutor(1) as others:
        running = others.submit(archived.work, "DELETE FROM shop.t WHERE SLEEP(0.04) = 0")
        archived.work("DO SLEEP(2)", "FLUSH BINARY LOGS")
        running.result()
    archived.archive()
    history = archived.history
    assert history.last
    opened = history.last.opened
    for rows in (1, MANY_ROWS):
        search = Search(changes=frozenset({Change.DELETE}), rows=rows)
        (found,) = events(history, search, archived.keyring, newest=True)
        assert (found.file, found.time >= opened) == (history.last.file, True)
        since = replace(search, begin=opened)
        assert list(events(history, since, archived.keyring, newest=True)) == [found]
        until = replace(search, end=opened - timedelta(seconds=1))
        assert list(events(history, until, archived.keyring, newest=True)) == []
