"""What statements of a log depend on and the log does not say: the time zone of the source's machine."""

from __future__ import annotations

import os
import time

from chom_pipelines.binlogs.recovery.stopping import Located
from chom_pipelines.errors import RestoreRefusedError
from chom_pipelines.repository.manifest import SourceServer
from chom_pipelines.restores.likeness import zones_of


def refuse_unknown_zone(source: SourceServer, first: Located | None) -> None:
    """Raise RestoreRefusedError where a statement depends on the time zone of the source's machine, which is not known.

    A backup of an earlier version tells its abbreviation alone, which zones share: then a person names the zone in TZ,
    in which private servers are, and it has to have that abbreviation.
    """
    if first is None or zones_of(source).system is not None:
        return
    abbreviation = source.variables.get("system_time_zone", "")
    if os.environ.get("TZ") and abbreviation in time.tzname:
        return
    zone = f"the time zone of the source's machine, of which the backup tells the abbreviation alone: {abbreviation}"
    what = f"the statement at {first.label} depends on {zone}"
    remedy = "name that zone, as in `TZ=Europe/Berlin chom …`; or restore from a backup that this version has taken"
    raise RestoreRefusedError(what, remedy)
