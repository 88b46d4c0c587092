"""Fixtures: a repository with backups that need no server, and an empty second copy in S3."""

from pathlib import Path

import pytest

from chom_pipelines.repository.local_store import LocalStore
from chom_pipelines.repository.repository import Repository
from chom_pipelines.repository.stores import open_store
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
