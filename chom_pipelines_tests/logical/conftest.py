"""Dumps are tested with two connections that have one snapshot."""

from pathlib import Path

import pytest

from chom_pipelines_tests.logical.taking import TOGETHER, Backups


@pytest.fixture
def backups(tmp_path: Path) -> Backups:
    """An empty repository."""
    return Backups(tmp_path, policy=TOGETHER)
