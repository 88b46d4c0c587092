"""What a stream has archived of a file that is not whole yet is in the second copy, too, and restores from there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from chom_pipelines.binlogs.archive.histories import histories
from chom_pipelines.binlogs.streaming.wholes import remove_superseded
from chom_pipelines.offsite.copying import Copying
from chom_pipelines.offsite.standing import Standing
from chom_pipelines.offsite.transfer import compare, copy_server
from chom_pipelines.progress import unreported
from chom_pipelines.repository.local_store import LocalStore
from chom_pipelines.repository.repository import Repository
from chom_pipelines.server.facts import Flavour
from chom_pipelines_tests.binlogs.archives import Archive, archived_server
from chom_pipelines_tests.binlogs.test_parts import Parted
from chom_pipelines_tests.logical.taking import NAME, Backups
from chom_pipelines_tests.servers import PrivateServer


@pytest.fixture(scope="module")
def server() -> Iterator[PrivateServer]:
    with archived_server(Flavour.MARIADB) as found:
        yield found


def test_parts_are_copied_and_go_when_the_whole_file_is_there(server: PrivateServer, tmp_path: Path) -> None:
    archive = Archive.from_here(server, Backups(tmp_path))
    parted = Parted.of(archive)
    parts = [parted.publish(), parted.publish()]
    here, second = archive.backups.repository, Repository(LocalStore(tmp_path / "second"))
    second.create()
    copied = copy_server(here, second, NAME, Copying(None), unreported)
    assert (copied.is_complete, len(copied.copied)) == (True, 2)
    (there,) = histories(second, NAME, None)
    assert [each.id for each in there.segments] == [each.id for each in parts]
    archive.archive()  # closes the file
    remove_superseded(here, NAME, None)
    assert copy_server(here, second, NAME, Copying(None), unreported).is_complete
    (there,) = histories(second, NAME, None)
    assert len(there.parts.entries()) == 2
    assert there.segments[-1].streamed is False
    assert remove_superseded(second, NAME, None) == 2
    assert there.parts.entries() == []
    assert compare(here, second, NAME).lacking == {}


def test_the_second_copy_reaches_as_far_as_it_has_the_log_without_a_gap(server: PrivateServer, tmp_path: Path) -> None:
    archive = Archive.from_here(server, Backups(tmp_path))
    full = archive.backups.take(server)
    archive.work()
    (first,) = archive.archive().new
    archive.work()
    (second,) = archive.archive().new
    found = archive.recoverable()
    (interval,) = (each for each in found.windows.intervals if each.last)

    def reach(backups: set[str], segments: set[str]) -> object:
        there = {"backups": frozenset(backups), first.stream: frozenset(segments)}
        return Standing("there", there).reach(interval, found)

    assert reach({full.id}, {first.id, second.id}) == interval.latest
    assert reach({full.id}, {first.id}) == max(first.until, interval.earliest)
    assert reach({full.id}, {second.id}) == reach({full.id}, set()) == interval.earliest
    assert reach(set(), {first.id, second.id}) is None
