"""How long restores take, as commands show it: predicted, with what it rests on, and beside that what they took."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from chom_pipelines.cli import output
from chom_pipelines.repository.manifest import Manifest
from chom_pipelines.repository.timing import Amounts, Into, Predicted, Timing, amounts_of
from chom_pipelines.restores.predicting import Rate, every_way, predicted
from chom_pipelines.server.machine import cpu_and_cores, machine


@dataclass(frozen=True)
class Part:
    """A part of what is done, as `into a private server in memory`; None: how long it takes is not known."""

    what: str
    predicted: Predicted | None

    @property
    def said(self) -> str:
        """For people."""
        if self.predicted is None:
            return f"not measured yet {self.what}"
        return f"about {output.duration(self.predicted.seconds)} {self.what}, by {self.predicted.source}"

    def as_json(self) -> dict[str, Any]:
        """For a document."""
        found = self.predicted.model_dump() if self.predicted else {"seconds": None, "source": None}
        return {"what": self.what, **found}


def forecasts(chain: Sequence[Manifest], rates: Collection[Rate]) -> Iterator[Part]:
    """Of a backup, the last one, with all that it builds on: by each way that was measured here, the best first."""
    last, amounts = chain[-1], amounts_of(chain)
    for way in every_way(last, machine(*cpu_and_cores()), rates):
        if found := predicted(way, amounts, rates, last.id):
            yield Part(way.said, found)


def in_private(manifest: Manifest, amounts: Amounts, rates: Collection[Rate], apart: Collection[str]) -> Part:
    """Of a recovery on a private server: by the best way that was measured, as where it will be is not known before."""
    ways = every_way(manifest, machine(*cpu_and_cores()), rates)
    for way in ways:
        if way.into is Into.PRIVATE and (found := predicted(way, amounts, rates, manifest.id, apart=apart)):
            return Part(way.said, found)
    return Part(f"into {Into.PRIVATE.value}", None)


def total(parts: Sequence[Part]) -> float | None:
    """Seconds of all parts; None where those of one are not known."""
    known = [part.predicted.seconds for part in parts if part.predicted]
    return sum(known) if len(known) == len(parts) else None


def forecast_lines(parts: Sequence[Part]) -> Iterator[str]:
    """For people, of the parts of one restore."""
    seconds = total(parts)
    if seconds is None:
        yield "how long it takes is not known: `chom verify --level full`, `chom drill` and restores measure it"
    elif len(parts) == 1:
        yield f"how long it takes: {parts[0].said}"
        return
    else:
        yield f"how long it takes: about {output.duration(seconds)}"
    yield from (f"  {part.said}" for part in parts)


def forecast_json(parts: Sequence[Part]) -> dict[str, Any]:
    """The same for a document."""
    return {"seconds": total(parts), "parts": [part.as_json() for part in parts]}


def checked(timing: Timing | None) -> str:
    """What a restore took beside what was predicted of it; empty where nothing was."""
    if timing is None or timing.predicted is None or timing.ratio is None:
        return ""
    foretold = f"{output.duration(timing.predicted.seconds)} were predicted by {timing.predicted.source}"
    off = ", which is more than 25 % off" if timing.is_off else ""
    if timing.was_disturbed and timing.elsewhere is not None:
        off += f" (others took {100 * timing.elsewhere:.0f} % of this machine meanwhile)"
    took = output.duration(timing.seconds)
    return f"the restore {timing.way.said} took {took}, {timing.ratio:.2f} times what was predicted{off}: {foretold}"


def timing_json(timing: Timing | None) -> dict[str, Any] | None:
    """All of a timing, with what follows from it."""
    if timing is None:
        return None
    return {**timing.model_dump(mode="json"), "seconds": timing.seconds, "ratio": timing.ratio, "is_off": timing.is_off}
