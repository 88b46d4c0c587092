"""An hour is in the archive, once, or it is said why it is not and what that costs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from chom_pipelines.backups.archived_hours import ArchivedHour, archive_hour
from chom_pipelines.backups.archiving import archive_binary_log
from chom_pipelines.errors import ArchiveBehindError, NotArchivedError
from chom_pipelines.inventory.loading import load_inventory
from chom_pipelines.progress import unreported
from chom_pipelines.server.facts import Flavour
from chom_pipelines_tests.binlogs.archives import archived_server
from chom_pipelines_tests.binlogs.hours import Hours
from chom_pipelines_tests.deployments import Deployment
from chom_pipelines_tests.places import path_of
from chom_pipelines_tests.servers import PrivateServer


@pytest.fixture(scope="module", params=list(Flavour), ids=lambda flavour: flavour.value)
def server(request: pytest.FixtureRequest) -> Iterator[PrivateServer]:
    with archived_server(request.param) as found:
        yield found


@pytest.fixture
def deployed(server: PrivateServer, tmp_path: Path) -> Deployment:
    return Deployment.of(tmp_path, server, ("shop",))


def archived(deployed: Deployment, hours: Hours, number: int) -> ArchivedHour:
    inventory = load_inventory(deployed.config)
    server, now = inventory.server(), datetime.now(UTC)
    return archive_hour(inventory, server, server.backup, hours.hour(number), unreported, now=now)


def test_the_file_that_is_written_is_closed_where_the_archive_does_not_reach_the_hours_end(
    server: PrivateServer, deployed: Deployment
) -> None:
    hours = Hours.of(server, -3)
    hours.work(-1.5)
    found = archived(deployed, hours, -2)
    assert [each.file for each in found.segments] == ["mysql-bin.000001"]
    assert found.new == found.segments
    assert sum(each.transactions for each in found.segments) == 1


def test_a_file_that_reaches_the_hours_end_is_archived_and_no_other_is_closed(
    server: PrivateServer, deployed: Deployment
) -> None:
    hours = Hours.of(server, -3)
    hours.work(-1.5)
    hours.close(-0.9)
    hours.work(-0.8)
    found = archived(deployed, hours, -2)
    assert [each.file for each in found.new] == ["mysql-bin.000001"]
    assert hours.purge() == "mysql-bin.000002"


def test_an_hour_that_is_archived_is_told_without_the_server_and_nothing_is_added(
    server: PrivateServer, deployed: Deployment
) -> None:
    hours = Hours.of(server, -4)
    first = archived(deployed, hours, -1)
    hours.work(0)
    hours.close(0)
    (deployed.directory / "password").write_text("wrong")
    for number in (-1, -2, -3, -4):
        again = archived(deployed, hours, number)
        assert again.new == ()
        assert again.segments == first.segments


def test_a_run_that_is_to_reach_further_than_its_hour_closes_the_file_once(
    server: PrivateServer, deployed: Deployment
) -> None:
    hours = Hours.of(server, -4)
    archived(deployed, hours, -1)
    inventory = load_inventory(deployed.config)
    one, now = inventory.server(), datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=1)
    time.sleep(2)  # the log tells whole seconds
    added = [
        archive_hour(inventory, one, one.backup, hours.hour(-1), unreported, now=now, reach=now).new for _ in range(2)
    ]
    assert [len(each) for each in added] == [1, 0]


@pytest.mark.parametrize("server", [Flavour.MARIADB], indirect=True)  # MySQL notes commits by its own clock
def test_what_six_hours_without_a_run_left_out_is_archived_by_the_next_one(
    server: PrivateServer, deployed: Deployment
) -> None:
    hours = Hours.of(server, -8)
    hours.close(-7)
    archived(deployed, hours, -8)
    for number in range(-7, 0):
        hours.work(number + 0.5)
        hours.close(number + 1)
    found = archived(deployed, hours, -1)
    assert len(found.new) >= 6
    for number in range(-7, 0):
        (segment,) = (each for each in found.covering(hours.hour(number)) if each.opened == hours.moment(number))
        assert segment.transactions == 1


def test_an_hour_that_is_not_over_is_refused_and_the_server_is_left_alone(
    server: PrivateServer, deployed: Deployment
) -> None:
    hours = Hours.of(server, -1)
    with pytest.raises(NotArchivedError, match="is not over"):
        archived(deployed, hours, 0)
    assert deployed.repository.histories(deployed.name) == []


def test_an_hour_from_before_the_archive_is_refused_and_all_else_is_archived(
    server: PrivateServer, deployed: Deployment
) -> None:
    hours = Hours.of(server, -1.5)
    for number in (-2, -3):
        with pytest.raises(NotArchivedError, match="the archive begins at"):
            archived(deployed, hours, number)
    assert archived(deployed, hours, -1).segments


def test_an_hour_with_a_gap_says_what_is_missing_and_what_it_costs(server: PrivateServer, deployed: Deployment) -> None:
    hours = Hours.of(server, -6)
    hours.close(-5)
    archived(deployed, hours, -6)
    last = max(int(file.rpartition(".")[2]) for file in _archived_files(deployed))
    for number in (-5, -4, -3):
        hours.work(number + 0.5)
        hours.close(number + 1)
    hours.purge()
    assert archived(deployed, hours, -1).segments
    missing = rf"mysql-bin\.{last + 1:06d} to .* are missing; no moment after .* can be restored but from a full backup"
    for number in (-5, -4, -3):
        with pytest.raises(NotArchivedError, match=missing):
            archived(deployed, hours, number)


def test_a_segment_that_cannot_be_used_is_told_and_holds_up_no_other(
    server: PrivateServer, deployed: Deployment
) -> None:
    hours = Hours.of(server, -3)
    hours.close(-2)
    hours.close(-1.5)
    archived(deployed, hours, -3)
    (history,) = deployed.repository.histories(deployed.name)
    spoiled = deployed.repository.binlogs(deployed.name, history).entries()[0]
    (path_of(spoiled) / "manifest.json").write_text("{}")
    found = archived(deployed, hours, -1)
    assert found.segments
    assert [spoiled.id in each.why for each in found.blocked] == [True]


def test_an_archive_that_reaches_beyond_now_by_a_wrong_clock_does_not_end_the_hourly_archive(
    server: PrivateServer, deployed: Deployment
) -> None:
    hours = Hours.of(server, -3)
    hours.close(50)
    inventory = load_inventory(deployed.config)
    one = inventory.server()
    archive_binary_log(inventory, one, one.backup, unreported, close=False)
    hours.work(-0.5)
    assert sum(each.transactions for each in archived(deployed, hours, -1).new) == 1


def test_a_server_whose_clock_is_behind_is_asked_again_later(server: PrivateServer, deployed: Deployment) -> None:
    hours = Hours.of(server, -2)
    inventory = load_inventory(deployed.config)
    one = inventory.server()
    ahead = hours.hour(1)
    with pytest.raises(ArchiveBehindError, match="by the server's clock"):
        archive_hour(inventory, one, one.backup, ahead, unreported, now=ahead.end)


def _archived_files(deployed: Deployment) -> set[str]:
    return {
        entry.id.split("_")[1]
        for history in deployed.repository.histories(deployed.name)
        for entry in deployed.repository.binlogs(deployed.name, history).entries()
    }
