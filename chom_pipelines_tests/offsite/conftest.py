"""Fixtures: a repository with backups that need no server, and an empty second copy in S3."""

from pathlib import Path

import pytest

from chom_pipelines.inventory.models import Inventory
from chom_pipelines.repository.local_store import LocalStore
from chom_pipelines.repository.repository import Repository
from chom_pipelines.repository.stores import open_store
from chom_pipelines_tests.offsite.made import SERVER
from chom_pipelines_tests.places import path_of
from chom_pipelines_tests.repository.samples import AES
from chom_pipelines_tests.stores import ObjectStorage


@pytest.fixture
def source(tmp_path: Path) -> Repository:
    """An empty repository in a directory."""
    repository = Repository(LocalStore(tmp_path / "repository"))
    repository.create()
    return repository


@pytest.fixture
def target(s3: ObjectStorage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """An empty repository in a bucket."""
    monkeypatch.setenv("CHOM_CACHE", str(tmp_path / "cache"))
    return Repository(open_store(s3.fresh_address()))


@pytest.fixture
def inventory(source: Repository, tmp_path: Path) -> Inventory:
    """Of `source`, with keys, and a second copy in a directory: what a store does with bytes, every one does."""
    AES.save(tmp_path / "keys.json")
    return Inventory.model_validate(
        {
            "repository": {
                "path": str(path_of(source)),
                "offsite": {"url": (tmp_path / "second").as_uri()},
                "encryption": {"keys": {"file": str(tmp_path / "keys.json")}},
            },
            "servers": [{"name": SERVER, "socket": "/s", "user": "u", "retention": {"monthly_archives": 2}}],
        }
    )


@pytest.fixture
def second(tmp_path: Path) -> Repository:
    """The second copy of `inventory`."""
    return Repository(LocalStore(tmp_path / "second"))
