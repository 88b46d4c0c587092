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

    `doubtful` is why nothing can be said of which log it needs; "" where something can.
    """

    start: datetime
    """The window's."""
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
        rests = tuple(each for each in fulls if each.id in begins or restores_from(each) > start)
        before = [each for each in backups if each.restores_from <= start]
        good_before = [each for each in good if each.restores_from <= start]
        if before and not good_before:
            last = max(before, key=lambda each: each.begun).id
            doubtful = f"the last {policy.binlog_days} days may begin with {last}, of which nothing good is known"
            return cls(start, begins | {last}, rests, doubtful)
        # one that was proved before it was spoiled may have been what the window began with
        proved = max((each.begun for each in good_before if each.outcome is Outcome.PASSED), default=None)
        doubted = [each.id for each in backups if each.doubt and (proved is None or each.begun > proved)]
        doubtful = f"{doubted[-1]} may need it, and cannot be read or believed now" if doubted else ""
        return cls(start, begins, rests, doubtful)


def restores_from(full: Full) -> datetime:
    """As of a backup that is `Held`: by two clocks, of which the later one counts."""
    identity = parse_id(full.id)
    return max(full.as_of, identity.time) if identity and identity.time else full.as_of


def _begins(good: Sequence[Held], fulls: dict[str, Full], runs: Sequence[Run], start: datetime) -> Iterator[str]:
    """The newest from before the window, and of each run of the log that reaches into it the same.

    The newest alone would not do: it may be one that nothing of the log goes on from.
    """
    before = [each for each in good if each.restores_from <= start]
    yield from _newest(before)
    of_run = {each.id: run_of(fulls[each.id], runs) for each in before if each.id in fulls}
    for run in runs:
        if max(run.last.as_of, run.last.until) >= start:
            yield from _newest([each for each in before if of_run.get(each.id) is run])


def _newest(backups: Sequence[Held]) -> Iterator[str]:
    """The newest, and the newest that was proved."""
    proved = [each for each in backups if each.outcome is Outcome.PASSED]
    yield from (each.id for each in (*backups[-1:], *proved[-1:]))
