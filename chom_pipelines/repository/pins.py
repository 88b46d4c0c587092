"""Backups that somebody has stay, whatever retention says: the reason stands beside the manifest."""

from __future__ import annotations

import json
from datetime import datetime

from chom_pipelines.errors import DamagedError, ObjectMissingError
from chom_pipelines.repository.entry import BackupEntry
from chom_pipelines.repository.layout import MANIFEST, PINNED


def pin(entry: BackupEntry, reason: str, now: datetime) -> None:
    """Have it stay, or change why; raises DamagedError where it has no manifest, DiskFullError, RepositoryError."""
    with entry.reading("pinning"):
        if not entry.folder.exists(MANIFEST):  # or the pin would be all that there is of it
            raise DamagedError(f"{entry.folder.where(MANIFEST)}: No such file or directory")
        entry.folder.replace(PINNED, (json.dumps({"reason": reason, "since": now.isoformat()}) + "\n").encode())


def unpin(entry: BackupEntry) -> bool:
    """Let retention decide again, and say whether it was pinned; raises RepositoryError."""
    was = entry.folder.exists(PINNED)
    if was:
        entry.folder.delete(PINNED)
    return was


def pinned(entry: BackupEntry) -> str:
    """Why it is to stay; "" where nobody said so. Not sealed: who forges one keeps a backup. Raises RepositoryError."""
    try:
        found = json.loads(entry.folder.read(PINNED))
        return str(found["reason"])
    except ObjectMissingError:
        return ""
    except (ValueError, KeyError, TypeError):
        return f"{entry.folder.where(PINNED)} cannot be read"
