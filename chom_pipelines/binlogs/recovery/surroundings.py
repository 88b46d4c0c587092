"""What statements of a log depend on and the log does not say: settings of the source, and its machine's time zone."""

from __future__ import annotations

import os
import time
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from chom_pipelines.binlogs.recovery.stop_place import Located
from chom_pipelines.errors import ConnectionFailedError, RestoreRefusedError, ServerError
from chom_pipelines.repository.manifest import SourceServer
from chom_pipelines.restores.likeness import zones_of
from chom_pipelines.server.connection import Session
from chom_pipelines.server.facts import ServerFacts
from chom_pipelines.server.identifiers import literal

_NOT_LOGGED = (
    "default_storage_engine",
    "innodb_default_row_format",
    "innodb_strict_mode",
    "old_mode",
    "default_regex_flags",
    "block_encryption_mode",
    "default_week_format",
    "div_precision_increment",
    "group_concat_max_len",
)
"""Of each the log has neither the global value nor that of the session; all can be changed while a server runs."""


def take_settings(session: Session, facts: ServerFacts, source: SourceServer) -> None:
    """Give a private server the source's global settings that a log lacks, as far as both have them.

    Raises RestoreRefusedError where it does not take one.
    """
    for name in _NOT_LOGGED:
        value, here = source.variables.get(name), facts.variables.get(name)
        if value is None or here is None or value == here:
            continue
        try:
            session.execute(f"SET GLOBAL {name} = {value if value.isdecimal() else literal(value)}")
        except ConnectionFailedError:
            raise
        except ServerError as error:
            what = f"the source had {name}={value}, on which the log may depend, and {facts.label} refuses it"
            remedy = "use a server of the source's version, with its plugins, or restore the backup alone"
            raise RestoreRefusedError(f"{what}: {error.what}", remedy) from error


def _is_zone(name: str) -> bool:
    """Of what is no zone the C library makes UTC, and calls it so."""
    try:
        return bool(name) and bool(ZoneInfo(name))
    except (ZoneInfoNotFoundError, ValueError):
        return False


def refuse_unknown_zone(source: SourceServer, first: Located | None) -> None:
    """Raise RestoreRefusedError where a statement depends on the time zone of the source's machine, which is not known.

    A backup of an earlier version tells its abbreviation alone, which zones share: then a person names the zone in TZ,
    in which private servers are, and it has to have that abbreviation.
    """
    if first is None or zones_of(source).system is not None:
        return
    abbreviation = source.variables.get("system_time_zone", "")
    name = os.environ.get("TZ", "")
    if name != abbreviation and _is_zone(name) and abbreviation in time.tzname:  # EST is a zone without summer time
        return
    zone = f"the time zone of the source's machine, of which the backup tells the abbreviation alone: {abbreviation}"
    what = f"the statement at {first.label} depends on {zone}"
    remedy = "name that zone, as in `TZ=Europe/Berlin chom …`; or restore from a backup that this version has taken"
    raise RestoreRefusedError(what, remedy)
