"""The record of one verification of a backup: what was done, how it ended, and how long each part took.

It is sealed as the backup's manifest is, so that an edited or copied record is not believed.
"""

from enum import StrEnum
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, NonNegativeInt, model_validator

from chom_pipelines.repository.sealing import SealedDocument

FORMAT = 1


class Level(StrEnum):
    """How far a verification goes: every byte authenticated and decoded, or also restored and compared."""

    BASIC = "basic"
    FULL = "full"


class Outcome(StrEnum):
    """How a verification ended."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_VERIFIED = "not_verified"


class Proof(BaseModel):
    """One verification of one backup; the combinations that would be a false green cannot be built."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = FORMAT
    server: str = Field(description="its name in the inventory")
    backup: str = Field(description="the id")
    level: Level
    outcome: Outcome
    reason: str = Field(default="", description="why it is not passed; empty where it is")
    started: AwareDatetime
    source: str = Field(description="the server that was backed up, as 'MariaDB 10.11.19'")
    scratch: str | None = Field(default=None, description="the server that it was restored on")
    version_differs: str | None = Field(default=None, description="what their difference leaves unproved")
    phases: dict[str, Annotated[float, Field(ge=0)]] = Field(default_factory=dict, description="seconds of each phase")
    objects: NonNegativeInt = Field(description="stored objects that were checked")
    tables: NonNegativeInt = Field(default=0, description="tables that were compared")
    rows: NonNegativeInt = Field(default=0, description="rows of those tables")
    failures: tuple[str, ...] = Field(default=(), description="objects and tables that are not what they should be")

    @model_validator(mode="after")
    def _no_false_green(self) -> "Proof":
        if self.outcome is Outcome.PASSED:
            if self.failures or self.reason:
                raise ValueError("what has failures or a reason against it has not passed")
            if self.level is Level.FULL and self.scratch is None:
                raise ValueError("a full verification passes only on a scratch server")
        elif not self.reason:
            raise ValueError(f"{self.outcome.value} needs a reason")
        return self

    @property
    def seconds(self) -> float:
        """How long all phases took."""
        return sum(self.phases.values())


DOCUMENT = SealedDocument("proof", FORMAT, Proof)
