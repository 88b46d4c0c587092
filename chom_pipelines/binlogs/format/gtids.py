"""GTIDs of both families: MySQL's sets, and MariaDB's positions, which have one GTID a replication domain.

A set knows each transaction by itself. A position knows the last of each domain, and what came before it follows from
the order in which a domain was written: so the two are no more alike than they look here.
"""

from __future__ import annotations

from chom_pipelines.binlogs.format.gtid_position import GtidPosition, MariadbGtid
from chom_pipelines.binlogs.format.gtid_set import GtidCollector, GtidSet
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


class Executed:
    """What is executed after each transaction of a log, from what was executed before the first one on."""

    def __init__(self, before: Gtids) -> None:
        self._collector = GtidCollector.beginning_with(before) if isinstance(before, GtidSet) else None
        self._last = dict(before.last) if isinstance(before, GtidPosition) else {}

    @property
    def gtids(self) -> Gtids:
        """All up to now."""
        return GtidPosition.of(self._last.values()) if self._collector is None else self._collector.gtids()

    def add(self, source: str, number: int) -> None:
        """A transaction of MySQL's follows; see `GtidCollector`."""
        if self._collector is not None:
            self._collector.add(source, number)

    def add_mariadb(self, gtid: MariadbGtid) -> None:
        """One of MariaDB's follows."""
        self._last[gtid.domain] = gtid

    def add_text(self, gtid: str) -> None:
        """One of that family follows of which the first ones were."""
        if self._collector is None:
            self.add_mariadb(MariadbGtid.parse(gtid))
        else:
            source, _, number = gtid.rpartition(":")
            self._collector.add(source, int(number))
