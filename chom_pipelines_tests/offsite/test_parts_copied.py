"""What a stream has archived of a file that is not whole yet is in the second copy, too, and restores from there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from chom_pipelines.binlogs.archive.histories import histories
from chom_pipelines.binlogs.streaming.wholes import remove_superseded
from chom_pipelines.offsite.copying import Copying
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
