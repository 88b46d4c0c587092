"""An hour of the archive as Dagster has it: its partition, its metadata, and the hours that no run was made for.

After an outage of the daemon only the last hour gets a run, and that archives the others as well. So it reports them.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import dagster as dg

from chom_pipelines.backups.archived_hours import ArchivedHour
from chom_pipelines.binlogs.archive.coverage import Span
from chom_pipelines.binlogs.archive.segments import Segment
from chom_pipelines.defs.binlogs.metadata import covering, segment_rows
from chom_pipelines.defs.kinds import HOURS
from chom_pipelines.errors import NotArchivedError

HOUR = timedelta(hours=1)
LOOKED_BACK = 7 * 24
"""Hours before a run's own one that it reports: longer outages are seldom, and each hour is an event."""

_SEGMENTS = dg.TableSchema(
    [
        dg.TableColumn("file", "string"),
        dg.TableColumn("from", "int", description="position of the first event"),
        dg.TableColumn("to", "int", description="position after the last event"),
        dg.TableColumn("transactions", "int"),
        dg.TableColumn("begun", "string", description="when the server began the file, UTC"),
        dg.TableColumn("until", "string", description="time of the last event, UTC"),
        dg.TableColumn("stored_bytes", "int"),
    ],
)


def partition_of(start: datetime) -> str:
    """The key of the hour that begins then; `start` is in UTC."""
    return f"{start:%Y-%m-%d-%H:%M}"


def covered(segments: Sequence[Segment], run: str) -> dict[str, Any]:
    """The metadata of an hour that these segments have; `run` is the one that says so."""
    return {
        **covering(segments),
        "segments": dg.MetadataValue.table([dg.TableRecord(row) for row in segment_rows(segments)], schema=_SEGMENTS),
        "told_by": dg.MetadataValue.dagster_run(run),
    }


def report_missed(instance: dg.DagsterInstance, key: dg.AssetKey, run: str, hour: ArchivedHour, start: datetime) -> int:
    """Materialise hours before `start` that the archive has and that are not yet; how many those were.

    An hour that is not in the archive is left as it is.
    """
    known = instance.get_materialized_partitions(key)
    count = 0
    for missed in _before(start):
        if partition_of(missed) in known:
            continue
        try:
            segments = hour.covering(Span(missed, missed + HOUR))
        except NotArchivedError:
            continue
        event = dg.AssetMaterialization(key, partition=partition_of(missed), metadata=covered(segments, run))
        instance.report_runless_asset_event(event)
        count += 1
    return count


def _before(start: datetime) -> Iterator[datetime]:
    """Oldest first, and none from before the partitions begin."""
    for number in range(LOOKED_BACK, 0, -1):
        missed = start - number * HOUR
        if missed >= HOURS.start:
            yield missed
