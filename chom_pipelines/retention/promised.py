"""What the promised window rests on: each moment of the last `binlog_days` that could be restored still can; pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from chom_pipelines.binlogs.archive.chain import Run
from chom_pipelines.binlogs.recovery.windows import Full, run_of
from chom_pipelines.inventory.policies import Retention
from chom_pipelines.outcome import Outcome
from chom_pipelines.repository.layout import parse_id
from chom_pipelines.retention.backups_kept import Held, may_be_good


@dataclass(frozen=True)
class Promised:
    """The backups with which the window begins, by their ids, and all that restores within it begin with.

    `doubtful` is why nothing can be said of where it begins; "" where something can.
    """

    begins: frozenset[str]
    fulls: tuple[Full, ...]
    doubtful: str = ""

    @classmethod
    def of(
        cls, backups: Sequence[Held], fulls: Sequence[Full], runs: Sequence[Run], policy: Retention, now: datetime
    ) -> Promised:
        """Of these backups, of which `fulls` can be used, incremental ones of files among them; `runs` are in order."""
        start = now - timedelta(days=policy.binlog_days)
        good = may_be_good(backups)
        begins = frozenset(_begins(good, {each.id: each for each in fulls}, runs, start))
        rests = tuple(each for each in fulls if each.id in begins or _begun(each) > start)
        before = [each for each in backups if each.begun <= start]
        if not before or any(each.id in begins for each in before):
            return cls(begins, rests)
        last = max(before, key=lambda each: each.begun).id
        return cls(begins | {last}, rests, f"the window may begin with {last}, of which nothing good is known")


def _begins(good: Sequence[Held], fulls: dict[str, Full], runs: Sequence[Run], start: datetime) -> Iterator[str]:
    """The newest from before the window, and of each run of the log that reaches into it the same, or else the oldest.

    The newest alone would not do: it may be one that nothing of the log goes on from.
    """
    yield from _needed([each for each in good if each.begun <= start], start)
    of_run = {each.id: run_of(fulls[each.id], runs) for each in good if each.id in fulls}
    for run in runs:
        if run.last.as_of >= start:
            yield from _needed([each for each in good if of_run.get(each.id) is run], start)


def _needed(backups: Sequence[Held], start: datetime) -> Iterator[str]:
    """To get to any moment from `start` on: the newest from before it, or the oldest; and of those proved the same."""
    for some in (backups, [each for each in backups if each.outcome is Outcome.PASSED]):
        before = [each for each in some if each.begun <= start]
        yield from (each.id for each in (before[-1:] or some[:1]))


def _begun(full: Full) -> datetime:
    identity = parse_id(full.id)
    return identity.time if identity and identity.time else full.as_of
