"""GTIDs of both families: MySQL's sets, and MariaDB's positions, which have one GTID a replication domain.

A set knows each transaction by itself. A position knows the last of each domain, and what came before it follows from
the order in which a domain was written: so the two are no more alike than they look here.
"""

from __future__ import annotations

from chom_pipelines.binlogs.format.gtid_position import GtidPosition
from chom_pipelines.binlogs.format.gtid_set import GtidSet
from chom_pipelines.server.facts import Flavour

Gtids = GtidSet | GtidPosition
"""What a server has executed, of either family."""


def parse_gtids(text: str, flavour: Flavour) -> Gtids:
    """Read them as servers of the family write them; raises InvalidGtidError."""
    return GtidSet.parse(text) if flavour is Flavour.MYSQL else GtidPosition.parse(text)


def covers(flavour: Flavour, one: str, other: str) -> bool:
    """Whether all transactions of the other GTIDs are among these; raises InvalidGtidError."""
    if flavour is Flavour.MARIADB:
        return GtidPosition.parse(one).covers(GtidPosition.parse(other))
    return GtidSet.parse(one).covers(GtidSet.parse(other))
