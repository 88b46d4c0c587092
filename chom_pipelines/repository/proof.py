"""The record of one verification of a backup: what was compared with what and how, how it ended, and how long it took.

It is sealed as the backup's manifest is, so that an edited or copied record is not believed.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated

from pydantic import AwareDatetime, Field, NonNegativeInt, model_validator

from chom_pipelines.outcome import Outcome
from chom_pipelines.repository.records import Record
from chom_pipelines.repository.sealing import SealedDocument
from chom_pipelines.repository.timing import Timing

FORMAT = 2

SKEW = timedelta(minutes=5)
"""By which clocks may differ."""


class Level(StrEnum):
    """How far a verification goes: every byte authenticated and decoded, or also restored and compared."""

    BASIC = "basic"
    FULL = "full"


class Subject(StrEnum):
    """What can be compared."""

    OBJECTS = "objects"
    FILES = "files"
    TABLES = "tables"
    ROWS = "rows"
    DEFINITIONS = "definitions"
    PAGES = "pages"
    TRANSACTIONS = "transactions"


class Means(StrEnum):
    """How it is compared.

    `read`: stored bytes are authenticated, decoded and hashed, against what was hashed when they were written.
    `restored`: a private server holds the restored backup, and is read again.
    `replayed`: a private server has replayed the binary log up to a point, and is read there.
    """

    READ = "read"
    RESTORED = "restored"
    REPLAYED = "replayed"


class Comparison(Record):
    """How many things of one kind were compared, and in which way; those that differ are in the proof's failures."""

    subject: Subject
    means: Means
    against: str = Field(description="what they were compared with, as 'the digests of the dump'")
    count: NonNegativeInt


class Proof(Record):
    """One verification of one backup; the combinations that would be a false green cannot be built."""

    format: int = FORMAT
    server: str = Field(description="its name in the inventory")
    backup: str = Field(description="the id")
    number: NonNegativeInt = Field(
        default=0, description="what orders those of a backup, as clocks may be wrong: see BackupEntry.add_proof"
    )
    level: Level
    outcome: Outcome
    reason: str = Field(default="", description="why it is not passed; empty where it is")
    started: AwareDatetime
    source: str = Field(description="the server that was backed up, as 'MariaDB 10.11.19'")
    scratch: str | None = Field(default=None, description="the server that it was restored on")
    version_differs: str | None = Field(default=None, description="what their difference leaves unproved")
    phases: dict[str, Annotated[float, Field(ge=0)]] = Field(default_factory=dict, description="seconds of each phase")
    restored: Timing | None = Field(default=None, description="the restore among that; None: it did not get there")
    comparisons: tuple[Comparison, ...] = ()
    failures: tuple[str, ...] = Field(default=(), description="objects and tables that are not what they should be")
    losses: tuple[str, ...] = Field(default=(), description="what no restore brings back as it was, by column")

    @model_validator(mode="after")
    def _no_false_green(self) -> Proof:
        if self.outcome is not Outcome.PASSED:
            if not self.reason:
                raise ValueError(f"{self.outcome.value} needs a reason")
            return self
        if self.failures or self.reason:
            raise ValueError("what has failures or a reason against it has not passed")
        if not self.count(Subject.OBJECTS, Means.READ):
            raise ValueError("what was not read to the last object has not passed")
        if self.level is Level.FULL and not self.on_a_server:
            raise ValueError("a full verification passes only by what was compared on a scratch server")
        return self

    @property
    def order(self) -> tuple[int, bool]:
        """Among those of its backup: what failed comes after what was going on at the same time."""
        return self.number, self.outcome is Outcome.FAILED

    def told(self, now: datetime) -> Proof:
        """What it tells now (aware): what was compared at a time that is still to come tells nothing."""
        if self.started <= now + SKEW:
            return self
        if self.outcome is not Outcome.PASSED:
            return self.model_copy(update={"comparisons": ()})
        when = f"{self.started:%Y-%m-%d %H:%M} UTC, which is still to come"
        reason = f"it passed at {when}: a clock is wrong, set it right and verify the backup again"
        return self.model_copy(update={"outcome": Outcome.NOT_VERIFIED, "reason": reason, "comparisons": ()})

    @property
    def on_a_server(self) -> bool:
        """Whether anything was compared on a scratch server."""
        compared = any(each.count for each in self.comparisons if each.means is not Means.READ)
        return self.scratch is not None and compared

    def count(self, subject: Subject, *means: Means) -> int | None:
        """How many of these were compared, in one of these ways or in any, the furthest going; None: not compared."""
        found = [each for each in self.comparisons if each.subject is subject and each.means in (means or tuple(Means))]
        order = list(Means)
        return max(found, key=lambda each: order.index(each.means)).count if found else None

    @property
    def seconds(self) -> float:
        """How long all phases took."""
        return sum(self.phases.values())


DOCUMENT = SealedDocument("proof", FORMAT, Proof)
