"""Backups that somebody has stay, whatever retention says: the reason stands beside the manifest."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime

from chom_pipelines.errors import ConfigurationError, DamagedError, ObjectMissingError, RepositoryError
from chom_pipelines.repository.entry import BackupEntry
from chom_pipelines.repository.layout import MANIFEST, PINNED


def pin(entry: BackupEntry, reason: str, now: datetime) -> None:
    """Have it stay, or change why.

    Raises ConfigurationError where no reason is given, in one line; DamagedError where there is no manifest;
    DiskFullError, RepositoryError.
    """
    if not reason.strip() or not reason.isprintable():
        raise ConfigurationError("the reason of a pin is one line of text", "say why the backup is to stay")
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


def pins_of(entries: Iterable[BackupEntry]) -> dict[str, str]:
    """Which of these backups are to stay, and why."""
    found = {entry.id: pinned(entry) for entry in entries}
    return {backup: why for backup, why in found.items() if why is not None}


def pinned(entry: BackupEntry) -> str | None:
    """Why it is to stay; None where nobody said so. Not sealed: who forges one keeps a backup.

    Whatever stands under its name is a pin.
    """
    unreadable = f"{entry.folder.where(PINNED)} cannot be read"
    try:
        return str(json.loads(entry.folder.read(PINNED))["reason"])
    except ObjectMissingError:
        return unreadable if PINNED in entry.folder.folders() else None
    except (RepositoryError, ValueError, KeyError, TypeError, RecursionError):
        return unreadable
