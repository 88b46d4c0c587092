"""Climbing the ladder: the same data restored into an empty server, each time by one thing more that makes it faster.

Every run has a server of its own. Its start is not part of the time where rows are restored into it, and is part of it
where files are, as nothing is there before. A time counts once the copy was compared with the original.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from chom_pipelines.benchmarks.copies import differences, read_state
from chom_pipelines.benchmarks.figures import Run, Timed
from chom_pipelines.benchmarks.materials import Materials
from chom_pipelines.benchmarks.report import Means, Place, Rung
from chom_pipelines.errors import (
    ChomError,
    ConnectionFailedError,
    DamagedError,
    NoRoomError,
    RestoreFailedError,
    ServerError,
)
from chom_pipelines.outcome import Outcome
from chom_pipelines.progress import Report, counted
from chom_pipelines.server.connection import Session
from chom_pipelines.server.endpoint import Endpoint

Say = Callable[[str], None]
"""Told of each run in a line."""

Restored = tuple[Endpoint, Run]
"""The server that has the copy, and how long it took."""

_NAMED = 3


@dataclass(frozen=True)
class Step:
    """A rung before it is measured; `restore` makes a server with the copy, which ends with the block."""

    name: str
    means: Means
    place: Place
    settings: tuple[str, ...]
    threads: int
    bytes: int
    restore: Callable[[], AbstractContextManager[Restored]]
    unavailable: str = ""
    """Why it cannot be measured at all."""


@dataclass
class _Findings:
    runs: list[Run] = field(default_factory=list)
    failed: str = ""
    unanswered: str = ""
    tables: int = 0

    @property
    def outcome(self) -> Outcome:
        if self.failed:
            return Outcome.FAILED
        return Outcome.NOT_VERIFIED if self.unanswered or not self.runs else Outcome.PASSED


def climb(materials: Materials, steps: Sequence[Step], rounds: int, progress: Report, say: Say) -> tuple[Rung, ...]:
    """Run every step once a round, and compare each copy; one that did not pass is not run again.

    Every other round goes the other way round: what one leaves to be written slows the next one down.
    """
    found = {step.name: _Findings(unanswered=step.unavailable) for step in steps}
    told = counted(progress, rounds * sum(step.bytes for step in steps), "restore again and again")
    for number in range(rounds):
        for step in steps if number % 2 == 0 else reversed(steps):
            findings = found[step.name]
            told(step.bytes)
            if findings.failed or findings.unanswered:
                continue
            which = f"round {number + 1} of {rounds}: {step.name}"
            say(f"{which} begins")  # a piped dump of gigabytes says nothing for minutes
            os.sync()
            _measure(materials, step, findings)
            took = f"{findings.runs[-1].seconds:.2f} s" if findings.outcome is Outcome.PASSED else "no figure"
            say(f"{which}: {took}")
    return tuple(_rung(step, found[step.name]) for step in steps)


def _measure(materials: Materials, step: Step, findings: _Findings) -> None:
    try:
        with step.restore() as (endpoint, run):
            with Session(endpoint) as session:
                copy = read_state(session, materials.databases)
            wrong = list(differences(materials.original, copy))
        if wrong:
            more = f" (and {len(wrong) - _NAMED} more)" if len(wrong) > _NAMED else ""
            findings.failed = "; ".join(wrong[:_NAMED]) + more
            return
        findings.runs.append(run)
        findings.tables = len(copy)
    except (RestoreFailedError, DamagedError, ServerError) as error:
        if isinstance(error, (NoRoomError, ConnectionFailedError)):  # which say nothing of the way
            findings.unanswered = error.what
        else:
            findings.failed = error.what
    except ChomError as error:
        findings.unanswered = error.what


def _rung(step: Step, findings: _Findings) -> Rung:
    passed = findings.outcome is Outcome.PASSED
    return Rung(
        name=step.name,
        outcome=findings.outcome,
        reason="" if passed else findings.failed or findings.unanswered or "no round was run",
        timed=Timed.of(findings.runs) if passed else None,
        means=step.means,
        place=step.place,
        settings=step.settings,
        threads=step.threads,
        bytes=step.bytes,
        tables=findings.tables if passed else 0,
    )
