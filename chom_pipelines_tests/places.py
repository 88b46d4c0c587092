"""Where on this machine's disk something of a local repository is, for tests that look at, or damage, its files."""

from pathlib import Path

from chom_pipelines.repository.entry import BackupEntry, ProofRecord
from chom_pipelines.repository.repository import Repository


def path_of(place: BackupEntry | ProofRecord | Repository) -> Path:
    """Its directory or file."""
    return Path(place.where)
