"""What a dump's worker processes find and a manifest keeps: plain dataclasses, so that the processes start at once.

A manifest checks them as it does its models. With pydantic, workers take twice the time until they connect.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

_STRICT = {"extra": "forbid"}


class Lost(StrEnum):
    """What text cannot carry of a value in JSON: digits of a number (12.50 becomes 12.5), or the type of a value."""

    DIGITS = "digits"
    TYPE = "type"


@dataclass(frozen=True)
class Loss:
    """Values within JSON that no restore brings back as they were; `rows` hold such a value."""

    __pydantic_config__: ClassVar[dict[str, str]] = _STRICT

    column: str
    lost: Lost
    rows: int

    def __post_init__(self) -> None:
        """Raise ValueError where the number of rows cannot be."""
        if self.rows < 0:
            raise ValueError(f"a loss in {self.rows} rows cannot be")


@dataclass(frozen=True)
class SequenceCounter:
    """Where a sequence stood just after the snapshot.

    `following` is the first value that nobody can have been given yet, `cycle` how often it has begun again; `down`
    says that its values become smaller.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = _STRICT

    database: str
    name: str
    following: int
    cycle: int
    down: bool = False

    def __post_init__(self) -> None:
        """Raise ValueError where the number of cycles cannot be."""
        if self.cycle < 0:
            raise ValueError(f"a sequence that has begun again {self.cycle} times cannot be")

    @property
    def identity(self) -> tuple[str, str]:
        """What tells it from all others; names may hold dots, so that labels may be alike."""
        return (self.database, self.name)

    def is_beyond(self, value: int) -> bool:
        """It gives this value only after it has begun again, if ever."""
        return self.following < value if self.down else self.following > value
