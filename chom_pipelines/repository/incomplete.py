"""The mark of a folder that is not a backup yet, or not one any more: what is going on there, and who does it."""

from __future__ import annotations

import json
import os
import socket
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from chom_pipelines.errors import ObjectMissingError
from chom_pipelines.repository.layout import INCOMPLETE
from chom_pipelines.repository.store import Folder

_LONGEST_RUN = timedelta(days=7)


class State(StrEnum):
    """What there is of objects is not a backup yet, lacks nothing but the manifest, or is not a backup any more."""

    TAKING = "taking"
    PUBLISHING = "publishing"
    DELETING = "deleting"


@dataclass(frozen=True)
class Mark:
    """What a folder's mark says; `state` is None where there is none of ours: then nothing there may be removed."""

    state: State | None
    manifest: bytes | None
    """The sealed manifest that was to be put, of a mark that says so."""
    is_left: bool
    """By a run that is over: made by this user of this machine, whose locks would show, or older than any run gets."""

    @classmethod
    def of(cls, folder: Folder) -> Mark:
        """Read it; raises RepositoryError where the folder cannot be read."""
        found = _read(folder)
        state, manifest = found.get("state"), found.get("manifest")
        return cls(
            State(state) if isinstance(state, str) and state in set(State) else None,
            manifest.encode() if isinstance(manifest, str) else None,
            is_left=_is_left(found),
        )


def mark(state: State, manifest: bytes | None = None) -> bytes:
    """The content of a mark that this process makes."""
    who = {"host": socket.gethostname(), "user": os.geteuid(), "process": os.getpid()}
    body = {"state": state, **who, "since": datetime.now(UTC).isoformat()}
    if manifest is not None:
        body["manifest"] = manifest.decode()
    return (json.dumps(body) + "\n").encode()


def _read(folder: Folder) -> dict[str, Any]:
    try:
        found = json.loads(folder.read(INCOMPLETE))
    except (ObjectMissingError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _is_left(found: dict[str, Any]) -> bool:
    if (found.get("host"), found.get("user")) == (socket.gethostname(), os.geteuid()):
        return True
    try:
        return datetime.now(UTC) - datetime.fromisoformat(found["since"]) > _LONGEST_RUN
    except (ValueError, KeyError, TypeError):
        return False
