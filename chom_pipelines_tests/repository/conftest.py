"""Fixtures: empty stores of every kind, and a repository with a stream."""

from collections.abc import Callable
from pathlib import Path

import pytest

from chom_pipelines.repository.local_store import LocalStore
from chom_pipelines.repository.repository import Repository
from chom_pipelines.repository.store import Store, StoreAddress
from chom_pipelines.repository.stores import open_store
from chom_pipelines.repository.streams import Stream
from chom_pipelines_tests.azurite import Azurite
from chom_pipelines_tests.google_storage import GoogleStorage
from chom_pipelines_tests.stores import ObjectStorage

FreshStore = Callable[[], Store]


@pytest.fixture(params=["local", "s3", "azure", "google"])
def fresh_store(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> FreshStore:
    """Makes another empty store of this kind."""
    if request.param == "azure":
        request.getfixturevalue("azure")  # found in the cache, before that is another one
    monkeypatch.setenv("CHOM_CACHE", str(tmp_path / "cache"))  # where some stores have their locks

    def fresh() -> Store:
        if request.param == "local":
            store = open_store(StoreAddress((tmp_path_factory.mktemp("store") / "a räpository").as_uri()))
            store.create()
            return store
        kept_by: ObjectStorage | Azurite | GoogleStorage = request.getfixturevalue(request.param)
        return open_store(kept_by.fresh_address())

    return fresh


@pytest.fixture
def store(fresh_store: FreshStore) -> Store:
    """An empty store: each kind in turn."""
    return fresh_store()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Where the repository is."""
    return tmp_path / "repository"


@pytest.fixture
def repository(root: Path) -> Repository:
    """An empty one."""
    repository = Repository(LocalStore(root))
    repository.create()
    return repository


@pytest.fixture
def stream(repository: Repository) -> Stream:
    """The backups of one server."""
    return repository.stream("chom")
