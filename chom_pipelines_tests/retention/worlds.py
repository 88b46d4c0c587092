"""What a server's repository may hold after some days, as values: backups, and a log that was lost and begun anew."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property

from hypothesis import strategies as st

from chom_pipelines.binlogs.archive.chain import Chain, Run, chained, lined_up
from chom_pipelines.binlogs.archive.segments import Segment
from chom_pipelines.binlogs.recovery.windows import Full, Windows, windows
from chom_pipelines.inventory.policies import Retention
from chom_pipelines.outcome import Outcome
from chom_pipelines.repository.layout import BACKUPS, Kind, timed_id
from chom_pipelines.repository.manifest import Position
from chom_pipelines.retention import backups_kept, segments_kept
from chom_pipelines.retention.backups_kept import Held
from chom_pipelines.retention.decisions import Decision, Plan
from chom_pipelines.retention.promised import Promised
from chom_pipelines_tests.binlogs.segments import at, full, segment

STEP = 6
"""Hours that a file of the log is written."""


@dataclass(frozen=True)
class World:
    """Backups, what those of them can be used for, the segments, when it is, and what is to stay."""

    held: tuple[Held, ...]
    fulls: tuple[Full, ...]
    segments: tuple[Segment, ...]
    now: datetime
    policy: Retention

    @cached_property
    def chains(self) -> tuple[Chain, ...]:
        """Of all histories."""
        names = sorted({each.history for each in self.segments}, key=len)
        return lined_up(chained((s for s in self.segments if s.history == name), {}) for name in names)

    @cached_property
    def runs(self) -> tuple[Run, ...]:
        return tuple(run for chain in self.chains for run in chain.runs)

    @cached_property
    def windows(self) -> Windows:
        return windows(self.fulls, self.chains)

    @property
    def begins(self) -> datetime:
        """The promised window does so."""
        return self.now - timedelta(days=self.policy.binlog_days)

    @cached_property
    def promised(self) -> Promised:
        return Promised.of(self.held, self.fulls, self.runs, self.policy, self.now)

    def backups(self) -> tuple[Decision, ...]:
        return backups_kept.decided(self.held, self.promised.begins, self.policy, self.now)

    def log(self) -> tuple[Decision, ...]:
        return tuple(segments_kept.decided(self.runs, self.promised, self.policy, self.now))

    def plan(self, oldest: timedelta = timedelta(days=365)) -> Plan:
        unhealthy = backups_kept.nothing_because(self.held, self.now, oldest)
        return Plan.of((*self.backups(), *self.log()), unhealthy)

    def after(self, plan: Plan) -> World:
        """What is left when the plan was carried out."""
        gone = {(each.stream, each.id) for each in plan.goes}
        backups = {name for stream, name in gone if stream == BACKUPS}
        return replace(
            self,
            held=tuple(each for each in self.held if each.id not in backups),
            fulls=tuple(each for each in self.fulls if each.id not in backups),
            segments=tuple(each for each in self.segments if (each.stream, each.id) not in gone),
        )


def log_segment(step: int, history: str = "11", first: int = 0) -> Segment:
    """The file of the log that is written from that step on; the history began to count at step `first`."""
    head = f"{step + 1000 * len(history):064x}"
    before = f"{step - 1 + 1000 * len(history):064x}" if step > first else None
    return segment(
        step - first,
        history=history,
        opened=at(step * STEP),
        as_of=at(step * STEP + STEP) + timedelta(seconds=1),
        written=at(step * STEP + STEP),
        head=head,
        previous=before,
    )


def backup(hours: float, kind: Kind = Kind.FULL, outcome: Outcome = Outcome.PASSED, **changes: object) -> Held:
    return replace(Held(timed_id(kind, at(hours)).text, kind, at(hours), outcome, bytes=1000), **changes)  # type: ignore[arg-type]


def usable(held: Held, segments: tuple[Segment, ...]) -> Full:
    """The same as what a restore begins with; its place is in the file that was written then, if that is known."""
    hours = (held.restores_from - at(0)) / timedelta(hours=1)
    written = next((each for each in segments if each.opened <= at(hours) < each.as_of), None)
    place = Position(file=written.file, position=500) if written else None
    return full(hours, id=held.id, place=place, head=written.head if written else None, proof=held.outcome)


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Some days of a server's backups, with whatever may have happened to them and to the log."""
    steps = draw(st.integers(1, 60))
    anew = draw(st.none() | st.integers(1, steps))
    whole = tuple(
        log_segment(step) if anew is None or step < anew else log_segment(step, "11.2", anew) for step in range(steps)
    )
    lost = draw(st.sets(st.integers(0, steps - 1), max_size=4))
    held: list[Held] = []
    fulls: list[Full] = []
    outcomes = st.sampled_from([Outcome.PASSED, Outcome.PASSED, Outcome.NOT_VERIFIED, Outcome.FAILED])
    for hours in sorted(draw(st.sets(st.integers(0, steps * STEP), max_size=12))):
        parent = draw(st.none() | st.sampled_from(held)) if held else None
        one = backup(
            hours + 0.25,
            Kind.INCREMENTAL if parent else Kind.FULL,
            Outcome.FAILED if parent and parent.outcome is Outcome.FAILED else draw(outcomes),
            parent=parent.id if parent else None,
            doubt=(parent.doubt if parent else "") or draw(st.sampled_from([""] * 8 + ["its seal does not match"])),
            as_of=at(hours + 0.25 + draw(st.sampled_from([0, 0, 0, 5]))),
            pinned=draw(st.sampled_from([None] * 8 + ["the audit"])),
        )
        held.append(one)
        if not one.doubt and one.outcome is not Outcome.FAILED:
            fulls.append(usable(one, whole))
    days = st.integers(1, 12)
    policy = Retention(
        full_days=draw(days),
        incremental_days=draw(days),
        binlog_days=draw(days),
        weekly=draw(st.integers(0, 2)),
        monthly=draw(st.integers(0, 2)),
    )
    segments = tuple(each for step, each in enumerate(whole) if step not in lost)
    now = at(steps * STEP + draw(st.integers(6, 200)))
    if draw(st.booleans()):  # a stream has heard that the server wrote nothing since
        segments = tuple(replace(each, heard=now) if each is segments[-1] else each for each in segments)
    return World(tuple(held), tuple(fulls), segments, now, policy)
