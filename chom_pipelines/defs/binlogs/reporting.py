"""What can be recovered of a server, told to Dagster by whichever run has changed it: also by one that failed.

A step of its own would be left out where the archive failed, and that is when the answer matters most.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from chom_pipelines.backups.exposure import EXPOSURE, UNBROKEN, answers
from chom_pipelines.backups.verdicts import Verdict
from chom_pipelines.binlogs.recovery.recoverable import Recoverable, recoverable
from chom_pipelines.defs.binlogs.metadata import Row, gap_rows, interval_rows, numbers, timeline, unlogged_rows
from chom_pipelines.defs.checks import check_evaluation
from chom_pipelines.defs.kinds import asset_key
from chom_pipelines.errors import ChomError
from chom_pipelines.inventory.models import Inventory, Server
from chom_pipelines.inventory.opening import existing_repository, keyring_of

RECOVERABLE_WINDOWS = "recoverable_windows"
ASKED = (EXPOSURE, UNBROKEN)
"""Its checks."""

_INTERVALS = dg.TableSchema(
    [
        dg.TableColumn("from", "string", description="UTC"),
        dg.TableColumn("to", "string", description="UTC; every moment in between can be restored"),
        dg.TableColumn("hours", "float"),
        dg.TableColumn("full_backups", "int"),
        dg.TableColumn("begins_with", "string"),
        dg.TableColumn("last_proof", "string", description="of a full backup of it"),
        dg.TableColumn("last_drill", "string", description="of a moment of it that was restored"),
    ],
)
_GAPS = dg.TableSchema(
    [
        dg.TableColumn("from", "string", description="UTC"),
        dg.TableColumn("to", "string", description="UTC"),
        dg.TableColumn("why", "string"),
        dg.TableColumn("mended", "bool", description="whether a full backup was taken after it"),
    ],
)
_UNLOGGED = dg.TableSchema(
    [
        dg.TableColumn("from", "string", description="UTC"),
        dg.TableColumn("to", "string", description="UTC"),
        dg.TableColumn("what", "string"),
        dg.TableColumn("remedy", "string"),
        dg.TableColumn("certain", "bool", description="whether it is of anything that is backed up for certain"),
        dg.TableColumn("mended", "bool", description="whether a full backup was taken after it"),
    ],
)


def read_windows(inventory: Inventory, server: Server) -> Recoverable:
    """What the repository says now; raises RepositoryError, KeyUnavailableError, ConfigurationError."""
    repository = existing_repository(inventory.repository)
    return recoverable(repository, server.name, keyring_of(inventory.repository, server.backup))


def report_windows(instance: dg.DagsterInstance, server: Server, inventory: Inventory) -> Mapping[str, Verdict]:
    """Materialise the asset and its checks outside of its own runs; where the windows cannot be read, only the checks.

    What keeps them from being read is in the checks, and does not fail the run that has done its own work.
    """
    key, now = asset_key(server.name, RECOVERABLE_WINDOWS), datetime.now(UTC)
    try:
        found = read_windows(inventory, server)
    except ChomError as error:
        verdicts = dict.fromkeys(ASKED, Verdict(error.outcome, error.what))
    else:
        verdicts = answers(found, server, now)
        instance.report_runless_asset_event(dg.AssetMaterialization(key, metadata=windows_metadata(found, server, now)))
    for name, verdict in verdicts.items():
        instance.report_runless_asset_event(check_evaluation(key, name, verdict))
    return verdicts


def windows_metadata(found: Recoverable, server: Server, now: datetime) -> dict[str, Any]:
    """Of a materialisation."""
    latest = found.windows.latest
    return {
        "timeline": dg.MetadataValue.md(timeline(found, now)),
        **({"latest": dg.MetadataValue.timestamp(latest)} if latest else {}),
        **numbers(found, now),
        "windows": _table(interval_rows(found), _INTERVALS),
        "gaps_in_the_archive": _table(gap_rows(found), _GAPS),
        **({"not_in_the_log": _table(rows, _UNLOGGED)} if (rows := unlogged_rows(found, server.databases)) else {}),
        **({"cannot_be_used": dg.MetadataValue.json(unusable)} if (unusable := _unusable(found)) else {}),
    }


def _unusable(found: Recoverable) -> dict[str, str]:
    return {**found.unusable_backups, **found.unusable_segments}


def _table(rows: list[Row], schema: dg.TableSchema) -> dg.TableMetadataValue:
    return dg.MetadataValue.table([dg.TableRecord(row) for row in rows], schema=schema)
