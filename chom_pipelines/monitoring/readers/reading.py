"""What one collector found of one server, and what it could not find out. Pure.

A missing privilege, plugin or setting gives no figure, and a Lack that says what mends it: never a zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True)
class Lack:
    """Something that this server does not tell as it is set up, and the statement or setting that mends it.

    `capability` is its name in `chom_monitor_capability`, such as `query_histogram`.
    """

    capability: str
    why: str
    remedy: str


@dataclass(frozen=True)
class Reading(Generic[T_co]):
    """The answer of one collector. `value` is None where nothing could be told; then `lacks` or `failure` says why.

    `capabilities` are those that it needs and found. `failure` is of what has no remedy of its own, such as a time-out.
    """

    collector: str
    value: T_co | None
    seconds: float
    capabilities: tuple[str, ...] = ()
    lacks: tuple[Lack, ...] = ()
    failure: str | None = None

    @property
    def succeeded(self) -> bool:
        """All that it is for was told."""
        return self.value is not None and not self.lacks and self.failure is None
