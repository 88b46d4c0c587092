"""What retention decides of each thing in a server's repository, and of all of them; pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import groupby


@dataclass(frozen=True)
class Decision:
    """Whether a backup, or a segment of the binary log, stays, and why; `stream` is its folder below the server's."""

    stream: str
    id: str
    stays: bool
    why: str
    bytes: int | None
    """As stored; None: its manifest cannot be read."""


@dataclass(frozen=True)
class Plan:
    """What becomes of everything that a server has: its backups, oldest first, then its binary log.

    Where there is a reason to delete `nothing_because`, everything stays; `refused` is what would have gone.
    """

    decisions: tuple[Decision, ...] = ()
    nothing_because: str = ""
    refused: tuple[Decision, ...] = ()

    @classmethod
    def of(cls, decisions: Iterable[Decision], nothing_because: str) -> Plan:
        """With every deletion taken back where there is a reason for that."""
        decided = tuple(decisions)
        if not nothing_because:
            return cls(decided)
        refused = tuple(each for each in decided if not each.stays)
        return cls(tuple(_taken_back(each) for each in decided), nothing_because, refused)

    @property
    def goes(self) -> tuple[Decision, ...]:
        """What is to be deleted."""
        return tuple(each for each in self.decisions if not each.stays)

    @property
    def stays(self) -> tuple[Decision, ...]:
        """All else."""
        return tuple(each for each in self.decisions if each.stays)


@dataclass(frozen=True)
class Group:
    """Neighbours of one stream about which the same was decided, for the same reason; at least one."""

    decisions: tuple[Decision, ...]

    @property
    def first(self) -> Decision:
        """Where it begins."""
        return self.decisions[0]

    @property
    def last(self) -> Decision:
        """Where it ends."""
        return self.decisions[-1]


def grouped(decisions: Iterable[Decision], gone: Collection[Decision] = ()) -> Iterator[Group]:
    """So that a person can read a plan: of segments there are hundreds. What is `gone` is told from what is not."""
    for _, alike in groupby(decisions, key=lambda each: (each.stream, each.stays, each.why, each in gone)):
        yield Group(tuple(alike))


def total(decisions: Iterable[Decision]) -> int:
    """Bytes as stored, of those whose manifests can be read."""
    return sum(each.bytes for each in decisions if each.bytes is not None)


def _taken_back(decision: Decision) -> Decision:
    return decision if decision.stays else replace(decision, stays=True, why=f"due, as it is {decision.why}")
