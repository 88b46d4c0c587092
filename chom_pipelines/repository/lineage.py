"""How incremental backups hang together: each names its parent, and knows which one that was. Pure."""

from __future__ import annotations

from chom_pipelines.errors import DamagedError
from chom_pipelines.repository.manifest import Manifest
from chom_pipelines.repository.payloads import Method

_REMEDY = "restore another backup: what builds on a missing or foreign one cannot be restored"


def linked(child: Manifest, parent: Manifest | None) -> Manifest:
    """The parent, of the same stream and authentic, where it is what the child was taken after.

    None: there is none of the child's parent's name. Raises DamagedError.
    """
    if parent is None:
        raise DamagedError(f"{child.id}: its parent {child.parent} is not there", _REMEDY)
    if {child.method, parent.method} != {Method.PHYSICAL}:
        raise DamagedError(f"{child.id}: it builds on {parent.id}, which only physical backups do", _REMEDY)
    if parent.id != child.parent or parent.fingerprint != child.physical.base:
        raise DamagedError(f"{child.id}: {parent.id} is not the backup after which it was taken", _REMEDY)
    if parent.physical.to_lsn != child.physical.from_lsn:
        what = (
            f"it begins at {child.physical.from_lsn} of the redo log, and {parent.id} ends at {parent.physical.to_lsn}"
        )
        raise DamagedError(f"{child.id}: {what}", _REMEDY)
    return parent
