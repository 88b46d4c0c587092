"""Which full and incremental backups stay, and why; pure.

The first reason that holds is the one that is told. What no reason keeps goes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from chom_pipelines.inventory.policies import Retention
from chom_pipelines.log_lines import duration
from chom_pipelines.outcome import Outcome
from chom_pipelines.repository.layout import BACKUPS, Kind
from chom_pipelines.repository.proof import SKEW
from chom_pipelines.retention.decisions import Decision


@dataclass(frozen=True)
class Held:
    """A full or incremental backup, as far as retention has to know it; `begun` is aware, by its id."""

    id: str
    kind: Kind
    begun: datetime
    outcome: Outcome
    """What is known about it, and against what it builds on, without reading them."""
    as_of: datetime | None = None
    """What it restores to, where that is known: of a copy of files hours after it was begun."""
    parent: str | None = None
    bytes: int | None = None
    doubt: str = ""
    """Why what it says of itself cannot be believed."""
    pinned: str | None = None
    """Why somebody has it stay; None: nobody does."""

    @property
    def restores_from(self) -> datetime:
        """The earliest moment to which a restore can get that begins with it, aware."""
        return max(self.begun, self.as_of or self.begun)


def decided(backups: Sequence[Held], begins: Collection[str], policy: Retention, now: datetime) -> tuple[Decision, ...]:
    """What becomes of each, oldest first; `begins` are ids of those with which the window does so, `now` is aware."""
    ordered = sorted(backups, key=_age)
    reasons: dict[str, str] = {}
    for rule in (_pinned, _doubted, _young, _last_proved, _unproved, _tiers):
        for one, why in rule(ordered, policy, now):
            reasons.setdefault(one.id, why)
    reasons = {**dict.fromkeys(begins, f"the window of {policy.binlog_days} days begins with it"), **reasons}
    _with_bases(ordered, reasons)
    return tuple(_decision(each, reasons.get(each.id), policy) for each in ordered)


def may_be_good(backups: Sequence[Held]) -> list[Held]:
    """Those of which nothing bad is known, nor of what they build on; oldest first."""
    return sorted((each for each in backups if not each.doubt and each.outcome is not Outcome.FAILED), key=_age)


def nothing_because(backups: Sequence[Held], now: datetime, oldest: timedelta) -> str:
    """Why nothing may be deleted at all now; "" where there is no such reason.

    That is so after an unhealthy run: where the newest full backup is older than `oldest`, has failed or cannot be
    believed; and where a backup is of the future, as one of the clocks is wrong.
    """
    ordered = sorted(backups, key=_age)
    if ordered and ordered[-1].begun > now + SKEW:
        return f"{ordered[-1].id} is dated in the future, so that a clock is wrong"
    fulls = [each for each in ordered if each.kind is Kind.FULL]
    if not fulls:
        return "there is no full backup"
    last = fulls[-1]
    if last.doubt:
        return f"the newest full backup, {last.id}, cannot be read or believed: {last.doubt}"
    if last.outcome is Outcome.FAILED:
        return f"the newest full backup, {last.id}, has failed"
    age = now - last.begun
    if age > oldest:
        hours = oldest.total_seconds() / 3600
        return (
            f"the newest full backup, {last.id}, is {duration(age.total_seconds())} old (backup_age_hours is {hours:g})"
        )
    return ""


_Kept = tuple[Held, str]
"""A backup that stays, and why."""


def _pinned(backups: Sequence[Held], _policy: Retention, _now: datetime) -> Iterator[_Kept]:
    yield from ((each, f"pinned: {each.pinned}") for each in backups if each.pinned is not None)


def _doubted(backups: Sequence[Held], _policy: Retention, _now: datetime) -> Iterator[_Kept]:
    yield from ((each, f"it cannot be read or believed: {each.doubt}") for each in backups if each.doubt)


def _young(backups: Sequence[Held], policy: Retention, now: datetime) -> Iterator[_Kept]:
    for each in backups:
        days = _days(each, policy)
        if now - each.restores_from <= timedelta(days=days):
            yield each, f"not older than {days} days"


def _last_proved(backups: Sequence[Held], _policy: Retention, _now: datetime) -> Iterator[_Kept]:
    proved = [each for each in _good_fulls(backups) if each.outcome is Outcome.PASSED]
    yield from ((each, "the last full backup that was proved") for each in proved[-1:])


def _unproved(backups: Sequence[Held], _policy: Retention, _now: datetime) -> Iterator[_Kept]:
    good = _good_fulls(backups)
    if not any(each.outcome is Outcome.PASSED for each in good):
        yield from ((each, "no full backup was proved, so that any may be the only good one") for each in good)


def _tiers(backups: Sequence[Held], policy: Retention, _now: datetime) -> Iterator[_Kept]:
    """The last good full backup of each of so many weeks, months and years that have one; a proved one before others.

    Weeks begin on Monday, and all are of UTC, as ids are.
    """
    tiers: tuple[tuple[int, Callable[[datetime], str]], ...] = (
        (policy.weekly, "week {:%G-%V}".format),
        (policy.monthly, "month {:%Y-%m}".format),
        (policy.yearly, "year {:%Y}".format),
    )
    good = _good_fulls(backups)
    by_proof = sorted(good, key=lambda each: each.outcome is Outcome.PASSED)
    for count, of in tiers:
        best = {of(each.begun): each for each in by_proof}  # the last of each that is put there
        latest = list(dict.fromkeys(of(each.begun) for each in reversed(good)))[:count]
        yield from ((best[each], f"kept for the {each}") for each in latest)


def _with_bases(backups: Sequence[Held], reasons: dict[str, str]) -> None:
    """Add what those that stay build on; of one whose manifest cannot be read that may be anything older."""
    parents = {each.id: each.parent for each in backups}
    for each in backups:
        child = each.id
        while child in reasons and (parent := parents.get(child)) and parent not in reasons:
            reasons[parent] = f"{child} builds on it"
            child = parent
    for unknown in (each for each in backups if each.kind is Kind.INCREMENTAL and not each.parent):
        for each in backups:
            if _age(each) < _age(unknown):
                reasons.setdefault(each.id, f"{unknown.id} may build on it, as its manifest cannot be read")


def _good_fulls(backups: Sequence[Held]) -> list[Held]:
    return [each for each in may_be_good(backups) if each.kind is Kind.FULL]


def _age(backup: Held) -> tuple[datetime, str]:
    return backup.begun, backup.id


def _days(backup: Held, policy: Retention) -> int:
    """The window's at the least: restores to a moment of it may begin with any backup of that time."""
    return max(policy.binlog_days, policy.full_days if backup.kind is Kind.FULL else policy.incremental_days)


def _decision(backup: Held, why: str | None, policy: Retention) -> Decision:
    if why:
        return Decision(BACKUPS, backup.id, stays=True, why=why, bytes=backup.bytes)
    why = f"older than {_days(backup, policy)} days"
    return Decision(BACKUPS, backup.id, stays=False, why=why, bytes=backup.bytes)
