"""The assets `table_growth` and `index_usage` of each server."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import dagster as dg

from chom_pipelines.defs.kinds import RESULT, asset_key, asset_of
from chom_pipelines.defs.resources import Chom
from chom_pipelines.defs.schedules import freshness
from chom_pipelines.inventory.models import Server

TABLE_GROWTH, INDEX_USAGE = "table_growth", "index_usage"
EVERY_TABLE, ROOM, READS = "every_table_seen", "room_to_grow", "reads_are_counted"
_LATE = timedelta(hours=6)
_OTHER_DAYS = (
    "Only today's can be measured; of an earlier day, a materialisation shows what was measured then, where the "
    "repository has it, and measures nothing."
)


@dg.op(name=TABLE_GROWTH, out={name: dg.Out() for name in (RESULT, EVERY_TABLE, ROOM)}, config_schema={})
def _tables(context: dg.AssetExecutionContext, chom: Chom) -> Iterator[dg.MaterializeResult[Any]]:
    """Reads the sizes of all tables, and tells how they grow."""
    from chom_pipelines.defs.monitoring.measuring import tables_measured

    yield tables_measured(context, chom)


@dg.op(name=INDEX_USAGE, out={name: dg.Out() for name in (RESULT, READS)}, config_schema={})
def _indexes(context: dg.AssetExecutionContext, chom: Chom) -> Iterator[dg.MaterializeResult[Any]]:
    """Reads how often indexes were read, and tells which are unused."""
    from chom_pipelines.defs.monitoring.measuring import indexes_measured

    yield indexes_measured(context, chom)


def table_growth(server: Server) -> dg.AssetsDefinition:
    """The asset of one server."""
    key = asset_key(server.name, TABLE_GROWTH)
    return asset_of(
        _tables,
        server,
        description=(
            f"The size of every table of `{server.name}` on that day (UTC), how they have grown since, and when there "
            f"is no room left if it goes on like that; what else fills the same disk is not counted. {_OTHER_DAYS}"
        ),
        pool=None,
        freshness=freshness(server.schedules.monitoring, server.schedules.timezone, _LATE),
        checks=(
            dg.AssetCheckSpec(EVERY_TABLE, asset=key, description="The server has told the size of every table."),
            dg.AssetCheckSpec(
                ROOM, asset=key, description="The data directory has room for more than `days_to_full` days of growth."
            ),
        ),
    )


def index_usage(server: Server) -> dg.AssetsDefinition:
    """The asset of one server."""
    key = asset_key(server.name, INDEX_USAGE)
    return asset_of(
        _indexes,
        server,
        description=(
            f"Which indexes of `{server.name}` were read up to that day (UTC), counted over restarts and changes of "
            "tables. An index that is unique, or that a foreign key rests on, is never called unused; neither is one "
            "that was watched for less than 30 days. What only a replica's queries read, this server does not count. "
            f"The statements that took most time are kept beside. {_OTHER_DAYS}"
        ),
        pool=None,
        freshness=freshness(server.schedules.monitoring, server.schedules.timezone, _LATE),
        checks=(dg.AssetCheckSpec(READS, asset=key, description="The server counts the reads of every index."),),
    )
