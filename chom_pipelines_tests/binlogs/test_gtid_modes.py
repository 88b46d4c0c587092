"""A MySQL whose gtid_mode is changed while it runs is archived and recovered, and what it does not send is told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from chom_pipelines.binlogs.recovery.targets import BeforePlace, Route
from chom_pipelines.server.facts import Flavour
from chom_pipelines_tests.binlogs.archives import Archive, archived_server
from chom_pipelines_tests.binlogs.test_replay import made, recovered, sums
from chom_pipelines_tests.logical.taking import Backups

_MODES = ["OFF", "OFF_PERMISSIVE", "ON_PERMISSIVE", "ON"]


@pytest.fixture
def anonymous(tmp_path: Path) -> Iterator[Archive]:
    """A server without GTIDs, and a full backup of it."""
    options = ("--gtid-mode=OFF", "--enforce-gtid-consistency=ON")
    with archived_server(Flavour.MYSQL, options) as server:
        archived = Archive(server, Backups(tmp_path))
        archived.work()
        archived.backups.take(server, "shop")
        yield archived


def _switched(archived: Archive, modes: list[str]) -> None:
    """Have the server change its gtid_mode in steps, and write a row in each."""
    for mode in modes:
        archived.work(f"SET GLOBAL gtid_mode = {mode}")
        archived.work()


def _end(archived: Archive) -> tuple[BeforePlace, tuple[object, ...]]:
    with archived.server.connect() as session:
        (file, position, *_) = session.rows(archived.server.facts.binlog_status_statement)[0]
        return BeforePlace(file, int(position)), sums(session)


@pytest.mark.parametrize("route", list(Route))
def test_a_replay_goes_on_where_gtids_are_switched_on_and_off(anonymous: Archive, route: Route, tmp_path: Path) -> None:
    _switched(anonymous, _MODES[1:3])
    anonymous.archive()
    _switched(anonymous, [_MODES[1]])
    anonymous.archive()
    place, there = _end(anonymous)
    anonymous.archive()
    assert recovered(anonymous, place, route, made(tmp_path))[1] == there
    anonymous.backups.take(anonymous.server, "shop")
    _switched(anonymous, _MODES[2:])
    place, there = _end(anonymous)
    anonymous.work(f"SET GLOBAL gtid_mode = {_MODES[2]}")
    anonymous.archive()
    assert recovered(anonymous, place, route, made(tmp_path))[1] == there


def test_a_file_that_its_server_does_not_send_any_more_is_told_and_what_follows_is_archived(anonymous: Archive) -> None:
    anonymous.work()
    _switched(anonymous, _MODES[1:])
    withheld = anonymous.archive()
    files = [each.file for each in withheld.blocked]
    assert files == anonymous.files()[: len(files)]
    assert "gtid_mode = ON_PERMISSIVE" in withheld.blocked[0].remedy
    assert [each.file for each in withheld.new] == anonymous.files()[len(files) : -1]
    anonymous.backups.take(anonymous.server, "shop")
    anonymous.work()
    followed = anonymous.archive()
    (interval,) = anonymous.recoverable().windows.intervals[-1:]
    assert interval.last
    assert interval.last.id == followed.new[-1].id


def test_what_is_not_sent_is_archived_once_the_mode_allows_it(anonymous: Archive) -> None:
    _switched(anonymous, _MODES[1:])
    assert anonymous.archive().blocked
    anonymous.work("SET GLOBAL gtid_mode = ON_PERMISSIVE")
    done = anonymous.archive()
    assert not done.blocked
    assert not done.chain.gaps
