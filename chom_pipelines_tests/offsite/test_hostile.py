"""Pushes over a network that loses, cuts, delays and refuses: each ends complete, or visibly not; nothing lies."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from chom_pipelines.errors import RepositoryError
from chom_pipelines.repository.part_buffer import PART
from chom_pipelines.repository.repository import Repository
from chom_pipelines.repository.stores import open_store
from chom_pipelines_tests.azurite import Azurite
from chom_pipelines_tests.offsite.hostile import KINDS, hostile
from chom_pipelines_tests.offsite.made import SERVER, back_up, copied, ids, is_whole
from chom_pipelines_tests.stores import ObjectStorage

_MOST = 30
"""Pushes of one backup until it is there: each gets further."""


@pytest.fixture(params=["s3", "azure"])
def storage(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ObjectStorage | Azurite]:
    """Each kind in turn; its library tries again once, so that much is left for the push to end with."""
    running: ObjectStorage | Azurite = request.getfixturevalue(request.param)
    monkeypatch.setattr("chom_pipelines.repository.machine_locks.cache_directory", lambda: tmp_path / "cache")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "2")
    monkeypatch.setattr("chom_pipelines.repository.azure_client._TRIES_AGAIN", 1)
    monkeypatch.setattr("azure.core.pipeline.transport.HttpTransport.sleep", lambda *_: None)
    yield running
    gc.collect()  # here, where it is known that Azure's library leaves connections that were cut to the collector


@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
@pytest.mark.parametrize("pushes", [20, pytest.param(200, marks=pytest.mark.long)])
def test_each_push_ends_complete_and_whole_or_says_that_it_did_not(
    source: Repository, storage: ObjectStorage | Azurite, pushes: int
) -> None:
    back_up(source, 0, (30, 2000, 0))
    back_up(source, 1, (PART + 1, 5))
    complete = broken = 0
    address = storage.fresh_address()
    direct = Repository(open_store(address))
    with hostile(storage.endpoint_url, seed=pushes, share=0.2) as (endpoint_url, faults):
        for number in range(pushes):
            if complete and all_there(direct, source):
                address = storage.fresh_address()
                direct = Repository(open_store(address))
            target = Repository(open_store(replace(address, endpoint_url=endpoint_url)))
            ended_well = attempt(source, target, threads=1 + number % 3)
            assert all(is_whole(entry) for entry in direct.backups(SERVER))
            if ended_well:
                assert all_there(direct, source)
            complete, broken = complete + ended_well, broken + (not ended_well)
        target = Repository(open_store(replace(address, endpoint_url=endpoint_url)))
        for _ in range(_MOST):
            if attempt(source, target, threads=1):
                break
    assert all_there(direct, source)
    assert complete
    assert broken
    assert set(faults) == set(KINDS)


def attempt(source: Repository, target: Repository, threads: int) -> bool:
    """Whether it says that it is complete; else it says why not."""
    try:
        found = copied(source, target, threads=threads)
    except RepositoryError:  # it could not even begin
        return False
    assert found.is_complete == (found.error is None)
    return found.is_complete


def all_there(direct: Repository, source: Repository) -> bool:
    return ids(direct) == ids(source)
