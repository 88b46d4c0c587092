"""The asset `recoverable_windows` of each server: its button, for whoever wants to know at this moment."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from chom_pipelines.backups.exposure import answers
from chom_pipelines.defs.backups.assets import FULL_BACKUP
from chom_pipelines.defs.binlogs.assets import BINLOG_ARCHIVE, LATE
from chom_pipelines.defs.binlogs.reporting import ASKED, RECOVERABLE_WINDOWS, read_windows, windows_metadata
from chom_pipelines.defs.checks import check_result, specs
from chom_pipelines.defs.kinds import RESULT, asset_key, asset_of, server_of
from chom_pipelines.defs.resources import Chom
from chom_pipelines.defs.retries import failures
from chom_pipelines.defs.schedules import freshness
from chom_pipelines.inventory.models import Server


@dg.op(
    name=RECOVERABLE_WINDOWS,
    ins={name: dg.In(dg.Nothing) for name in (FULL_BACKUP, BINLOG_ARCHIVE)},
    out={name: dg.Out() for name in (RESULT, *ASKED)},
    config_schema={},
)
def _look(context: dg.AssetExecutionContext, chom: Chom) -> Iterator[dg.AssetCheckResult | dg.MaterializeResult[Any]]:
    """Reads of one server what the repository has."""
    key, now = context.asset_key_for_output(RESULT), datetime.now(UTC)
    with failures(context):
        inventory = chom.inventory()
        server = inventory.server(server_of(key))
        found = read_windows(inventory, server)
    results = [check_result(key, name, verdict) for name, verdict in answers(found, server, now).items()]
    yield dg.MaterializeResult(metadata=windows_metadata(found, server, now), check_results=results)


def recoverable_windows(server: Server) -> dg.AssetsDefinition:
    """The asset of one server."""
    return asset_of(
        _look,
        server,
        description=(
            f"To which moments `{server.name}` can be restored, and the gaps between: what the repository's full "
            "backups and archived binary logs allow. Every run that archives, backs up or verifies tells it anew."
        ),
        pool=None,
        freshness=freshness(server.schedules.binlogs, server.schedules.timezone, LATE),
        checks=specs(asset_key(server.name, RECOVERABLE_WINDOWS), ASKED),
        partitions=None,
    )
