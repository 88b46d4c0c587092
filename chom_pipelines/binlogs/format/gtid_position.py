"""Positions of MariaDB, which have one GTID a replication domain: what came before it follows from its order."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from chom_pipelines.errors import InvalidGtidError

_GTID = re.compile(r"(\d+)-(\d+)-(\d+)")
_LIMITS = ((1 << 32) - 1, (1 << 32) - 1, (1 << 64) - 1)


class MariadbGtid(NamedTuple):
    """One transaction of MariaDB's."""

    domain: int
    server: int
    sequence: int

    @staticmethod
    def parse(text: str) -> MariadbGtid:
        """Read `domain-server-sequence`. Raises InvalidGtidError."""
        found = _GTID.fullmatch(text.strip())
        numbers = tuple(int(number) for number in found.groups()) if found else ()
        if not numbers or any(number > limit for number, limit in zip(numbers, _LIMITS, strict=True)):
            raise InvalidGtidError(f"{text[:80]!r} is no GTID", "write it as MariaDB does: 0-1-100, or 0-1-100,1-1-7")
        return MariadbGtid(*numbers)

    def __str__(self) -> str:
        """Return it as the server writes it."""
        return f"{self.domain}-{self.server}-{self.sequence}"


@dataclass(frozen=True)
class GtidPosition:
    """Where a MariaDB server stands: the last GTID of each domain."""

    last: Mapping[int, MariadbGtid] = field(default_factory=dict)

    @staticmethod
    def parse(text: str) -> GtidPosition:
        """Read `0-1-100,1-1-7`; white space is allowed. Raises InvalidGtidError, also where a domain comes twice."""
        gtids = [MariadbGtid.parse(part) for part in text.split(",") if part.strip()]
        position = GtidPosition.of(gtids)
        if len(position.last) != len(gtids):
            what = f"{text[:200]!r} is no position: a domain comes twice in it"
            raise InvalidGtidError(what, "write one GTID for each domain")
        return position

    @staticmethod
    def of(gtids: Iterable[MariadbGtid]) -> GtidPosition:
        """Make one of GTIDs in the order in which they were written: the last of a domain counts."""
        last = {gtid.domain: gtid for gtid in gtids}
        return GtidPosition(dict(sorted(last.items())))

    def __str__(self) -> str:
        """Return the canonical text: by domain, on one line."""
        return ",".join(map(str, self.last.values()))

    def __hash__(self) -> int:
        """Equal positions have equal texts."""
        return hash(str(self))

    def __bool__(self) -> bool:
        """Whether any domain has a GTID."""
        return bool(self.last)

    def with_gtid(self, gtid: str) -> GtidPosition:
        """Advance by this transaction. Raises InvalidGtidError."""
        return GtidPosition.of([*self.last.values(), MariadbGtid.parse(gtid)])

    def covers(self, other: GtidPosition) -> bool:
        """Whether this position is at or beyond the other one in every domain of that one.

        The same sequence number of two servers is two transactions, and neither covers the other.
        """
        for domain, theirs in other.last.items():
            mine = self.last.get(domain)
            if mine is None or mine.sequence < theirs.sequence or (mine.sequence == theirs.sequence and mine != theirs):
                return False
        return True
