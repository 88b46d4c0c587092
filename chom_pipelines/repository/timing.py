"""How long a restore took: each phase, of how much, by which way. Proofs, drills and records of restores have it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Annotated

from pydantic import Field, NonNegativeInt, PositiveInt

from chom_pipelines.repository.manifest import Manifest
from chom_pipelines.repository.payloads import LogicalPayload, Method
from chom_pipelines.repository.records import Record

REPLAY = "replay"
"""The phase in which the binary log is replayed."""

COMPARE, READ_FIRST, DUMP = "compare", "read first", "dump"
"""Phases that not every restore has: what was loaded is compared, was read before anything made room for it, or is
dumped from a private server, for another one."""

APART = (COMPARE, READ_FIRST, DUMP)

_RESTORING = frozenset({"start", "schema", "data", "programs", "unpack", "prepare", "finish", REPLAY, *APART})
"""Phases of the clock; what else is timed meanwhile is not, as keys over several connections, or proves something."""

ENOUGH_TRANSACTIONS = 100
"""With fewer, how many are replayed in a second is not known."""

DISTURBED = 0.1
"""Part of all cores' time: where others take more, times tell of them, too."""

_TOLERANCE = 0.25
"""Of a prediction, either way."""

Seconds = Annotated[float, Field(ge=0)]


class Into(StrEnum):
    """What is restored into, and so with which settings."""

    PRIVATE = "a private server"
    DIRECTORY = "a directory"
    SERVER = "a running server"


class Way(Record):
    """How a restore is made, as far as its time depends on that: by what is equal, the same takes the same time."""

    flavour: str = Field(description="of the server, in small letters")
    method: Method = Field(description="of the backup")
    into: Into
    on: str = Field(description="`memory`, the file system, or where a running server is reached")
    machine: str = Field(description="on which the restore runs, as `2 cores of AMD EPYC`")
    threads: PositiveInt = Field(description="that load or unpack at the same time")

    @property
    def said(self) -> str:
        """For people: `into a private server in memory`."""
        if self.into is Into.SERVER:
            return f"into the server at {self.on}"
        return f"into {self.into.value} " + (f"in {self.on}" if self.on == "memory" else f"on {self.on}")


class Amounts(Record):
    """What the phases of a restore go by."""

    bytes: NonNegativeInt = Field(description="text of rows, or the streams of files")
    tables: NonNegativeInt
    links: PositiveInt = Field(default=1, description="backups that are restored one onto the other")
    transactions: NonNegativeInt = Field(default=0, description="of the binary log that are replayed")


class Predicted(Record):
    """How long a restore takes, by what was measured before it."""

    seconds: Seconds
    source: str = Field(min_length=1, description="what was measured, and when")


class Timing(Record):
    """One restore that came to its end."""

    way: Way
    amounts: Amounts
    phases: dict[str, Seconds] = Field(min_length=1)
    elsewhere: Annotated[float, Field(ge=0, le=1)] | None = Field(
        default=None, description="part of all cores' time that other processes took meanwhile; None: it was not asked"
    )
    predicted: Predicted | None = Field(
        default=None, description="beforehand, without the phases apart; None: nothing like it was measured"
    )

    @classmethod
    def of(cls, way: Way, amounts: Amounts, phases: Mapping[str, float], elsewhere: float | None = None) -> Timing:
        """Of all phases that were timed, those that a restore has."""
        kept = {name: seconds for name, seconds in phases.items() if name in _RESTORING}
        return cls(way=way, amounts=amounts, phases=kept, elsewhere=elsewhere)

    @property
    def was_disturbed(self) -> bool:
        """Whether others took so much of the machine that it may have taken longer than it takes."""
        return self.elsewhere is not None and self.elsewhere > DISTURBED

    @property
    def seconds(self) -> float:
        """How long it took without the phases apart."""
        return sum(seconds for name, seconds in self.phases.items() if name not in APART)

    @property
    def ratio(self) -> float | None:
        """What it took, by what was predicted; None: nothing was."""
        return self.seconds / self.predicted.seconds if self.predicted and self.predicted.seconds else None

    @property
    def is_off(self) -> bool:
        """It took over 25 % more than was predicted, or less."""
        return self.ratio is not None and abs(self.ratio - 1) > _TOLERANCE


def amounts_of(chain: Sequence[Manifest]) -> Amounts:
    """Of a backup, the last one, with all that it builds on."""
    last = chain[-1]
    rows = isinstance(last.payload, LogicalPayload)
    count = sum(table.bytes for table in last.logical.tables) if rows else sum(each.raw_bytes for each in chain)
    return Amounts(bytes=count, tables=last.tables, links=len(chain))
