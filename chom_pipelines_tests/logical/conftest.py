"""Dumps are tested with two connections that have one snapshot."""

from pathlib import Path

import pytest

from chom_pipelines_tests.logical.taking import TOGETHER, Backups
from chom_pipelines_tests.logical.tasks import three_tables
from chom_pipelines_tests.servers import PrivateServer


@pytest.fixture
def backups(tmp_path: Path) -> Backups:
    """An empty repository."""
    return Backups(tmp_path, policy=TOGETHER)


@pytest.fixture
def database(server: PrivateServer) -> str:
    """The name of one that holds three tables."""
    return three_tables(server)
