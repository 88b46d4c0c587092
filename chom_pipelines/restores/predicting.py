"""How long a restore takes, by what was measured before. Pure.

Each phase is taken to grow with what it is about, and one that is about nothing in particular to last as long again.
What was measured by another way, or of much less, tells nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from operator import attrgetter

from chom_pipelines.log_lines import amount, duration, size
from chom_pipelines.repository.manifest import Manifest
from chom_pipelines.repository.timing import (
    APART,
    ENOUGH_TRANSACTIONS,
    REPLAY,
    Amounts,
    Predicted,
    Timing,
    Way,
)

_BYTES, _TABLES, _LINKS = attrgetter("bytes"), attrgetter("tables"), attrgetter("links")
_GROWS_WITH = {
    **dict.fromkeys(("unpack", "data", "finish", *APART), _BYTES),
    "schema": _TABLES,
    "prepare": _LINKS,
}
"""Other phases are as long as they were: a server's start, and views, routines and triggers."""

_TELLS = 100_000_000
"""Bytes by which any amount is predicted; less tells of ten times as much."""

_TIMES = 10


class Origin(StrEnum):
    """What measured."""

    VERIFICATION = "verification"
    DRILL = "drill"
    RESTORE = "restore"
    BENCHMARK = "benchmark"


@dataclass(frozen=True)
class Rate:
    """A restore that was measured, by which others are predicted; of a `backup`, unless a benchmark had other data."""

    timing: Timing
    origin: Origin
    when: datetime
    backup: str = ""

    def said(self, backup: str) -> str:
        """For people, who are told of this backup: `its own verification of 2026-01-02: 1 GB in 48.8 s`."""
        day = f"{self.when:%Y-%m-%d}"
        if self.origin is Origin.BENCHMARK:
            of = f"the benchmark of {day}"
        elif self.backup == backup:
            of = f"its own {self.origin.value} of {day}"
        else:
            of = f"the {self.origin.value} of {self.backup} of {day}"
        beside = ", while others used the machine" if self.timing.was_disturbed else ""
        return f"{of}: {size(self.timing.amounts.bytes)} in {duration(self._seconds)}{beside}"

    @property
    def _seconds(self) -> float:
        return self.timing.seconds - self.timing.phases.get(REPLAY, 0.0)

    def rank(self, backup: str) -> tuple[bool, bool, bool, datetime]:
        """Greatest of the one to predict by: of this server, undisturbed, of this very backup, and the newest."""
        return self.origin is not Origin.BENCHMARK, not self.timing.was_disturbed, self.backup == backup, self.when


def predicted(
    way: Way, amounts: Amounts, rates: Collection[Rate], backup: str, *, apart: Collection[str] = ()
) -> Predicted | None:
    """How long it takes to restore so much by that way, as far as this was measured; None: it was not.

    `apart` are phases that it has besides; the source says which of them are not known, and so left out.
    """
    fit = [rate for rate in rates if rate.timing.way == way and _tells(rate.timing.amounts, amounts)]
    fit.sort(key=lambda each: each.rank(backup), reverse=True)
    if not fit:
        return None
    own = [name for name in fit[0].timing.phases if name not in {*APART, REPLAY}]
    seconds, said = sum(_scaled(fit[0].timing, name, amounts) for name in own), [fit[0].said(backup)]
    for name in apart:
        measured = next((rate.timing for rate in fit if name in rate.timing.phases), None)
        if measured:
            seconds += _scaled(measured, name, amounts)
        else:
            said.append(f"without the time to {name}, which was not measured")
    if amounts.transactions:
        replay = _replayed(way, rates)
        if replay:
            per_second = replay.timing.amounts.transactions / replay.timing.phases[REPLAY]
            seconds += amounts.transactions / per_second
            of = f"the {replay.origin.value} of {replay.when:%Y-%m-%d}"
            said.append(f"{per_second:,.0f} transactions in a second by {of}")
        elif amounts.transactions < ENOUGH_TRANSACTIONS:  # too few to matter, and to tell anything in a drill
            said.append(f"without the replay of {amount(amounts.transactions, 'transaction')}, which was not measured")
        else:
            return None
    return Predicted(seconds=seconds, source="; ".join(said))


def every_way(manifest: Manifest, machine: str, rates: Iterable[Rate]) -> Iterator[Way]:
    """By which restores of such backups were measured on this machine: first what tells most of this very one."""
    flavour, method = manifest.source.flavour, manifest.method
    fit = (
        rate
        for rate in rates
        if (rate.timing.way.flavour, rate.timing.way.method, rate.timing.way.machine) == (flavour, method, machine)
    )
    found = sorted(fit, key=lambda each: each.rank(manifest.id), reverse=True)
    yield from dict.fromkeys(rate.timing.way for rate in found)


def _tells(measured: Amounts, wanted: Amounts) -> bool:
    """Whether it is of the same kind, a chain or a single one, and of enough bytes to tell of those."""
    if (measured.links > 1) != (wanted.links > 1):
        return False
    return measured.bytes >= min(_TELLS, wanted.bytes / _TIMES)


def _scaled(timing: Timing, phase: str, wanted: Amounts) -> float:
    about = _GROWS_WITH.get(phase)
    before = about(timing.amounts) if about else 0
    return timing.phases[phase] * (about(wanted) / before if about and before else 1.0)


def _replayed(way: Way, rates: Iterable[Rate]) -> Rate | None:
    """The newest one that tells of replays by such a server on this machine, rather by the same way.

    One session replays, which waits for its processor rather than for anything else.
    """
    fit = (
        rate
        for rate in rates
        if (rate.timing.way.flavour, rate.timing.way.machine) == (way.flavour, way.machine)
        and rate.timing.amounts.transactions >= ENOUGH_TRANSACTIONS
        and rate.timing.phases.get(REPLAY)
    )
    return max(fit, key=lambda each: (each.timing.way == way, each.when), default=None)
