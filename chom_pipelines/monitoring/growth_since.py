"""What the records of earlier days add to a look at tables and indexes now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from chom_pipelines.inventory.models import Inventory, Server
from chom_pipelines.monitoring.redundant import Place
from chom_pipelines.monitoring.screen_tables import Grown
from chom_pipelines.monitoring.tables import TableSize

NONE_YET = "no sizes of earlier days are kept: the asset table_growth keeps them, once a day"


def growth_since(
    inventory: Inventory, server: Server, now: Sequence[TableSize], at: datetime
) -> Mapping[tuple[str, str], Grown] | str:
    del inventory, server, now, at
    return NONE_YET


def index_evidence(inventory: Inventory, server: Server, at: datetime) -> Mapping[Place, str]:
    del inventory, server, at
    return {}
