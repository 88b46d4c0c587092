"""What is called what in the repository; pure.

<path>/<server>/backups/full_20260102_020000/manifest.json, RESTORE.md, schema/..., data/..., proofs/<time>.json
"""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

from chom_pipelines.errors import ConfigurationError
from chom_pipelines.repository.files import is_inside

MANIFEST = "manifest.json"
PROOFS = "proofs"
STAGING = ".incomplete-"

_ID = re.compile(r"full_\d{8}_\d{6}")
_ID_TIME = "full_%Y%m%d_%H%M%S"


def backups_directory(repository: Path, server: str) -> Path:
    """Where a server's backups are; raises ConfigurationError for a name that is no directory's."""
    if "/" in server or server.startswith(".") or not is_inside(server):
        raise ConfigurationError(
            f"the server's name {server!r} cannot name a directory", "name it by letters and digits"
        )
    return repository / server / "backups"


def backup_id(moment: datetime, taken: frozenset[str] = frozenset()) -> str:
    """The id of a full backup begun at this moment (aware); of the next free second where that one is taken."""
    moment = moment.astimezone(UTC)
    while (name := moment.strftime(_ID_TIME)) in taken:
        moment += timedelta(seconds=1)
    return name


def moment_of(backup: str) -> datetime | None:
    """When the backup of this id was begun, UTC; None where it is no backup's id."""
    if not _ID.fullmatch(backup):
        return None
    try:
        return datetime.strptime(backup, _ID_TIME).replace(tzinfo=UTC)
    except ValueError:
        return None


def proof_name(started: datetime) -> str:
    """The file of a proof that was started at this moment (aware); names sort by time."""
    return started.astimezone(UTC).strftime("%Y%m%dT%H%M%S.%fZ.json")
