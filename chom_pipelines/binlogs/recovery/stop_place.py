"""Where a replay ends: a moment, a GTID or a place, as the exact position between two transactions; pure.

The position is found in the archive before anything is replayed, so that what was reached can be compared with it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from chom_pipelines.binlogs.format.gtid_position import GtidPosition, MariadbGtid
from chom_pipelines.binlogs.format.gtid_set import GtidSet
from chom_pipelines.binlogs.format.transactions import Transaction
from chom_pipelines.binlogs.recovery.targets import AtTime, BeforePlace, Target, ThroughGtid
from chom_pipelines.errors import RestoreRefusedError
from chom_pipelines.log_lines import utc_text
from chom_pipelines.repository.log_name import InLogFile
from chom_pipelines.server.facts import Flavour


def committed(noted: datetime, opened: datetime | None) -> datetime:
    """The moment before which a transaction was not committed, by what the log noted; on MySQL it was then.

    MariaDB notes when the statement began that is the transaction, or that committed it. Transactions are in the log in
    the order of their commits, and so none was committed before its file was `opened` (None: the log notes commits).
    """
    return max(noted, opened) if opened else noted


@dataclass(frozen=True)
class Located(InLogFile):
    """A transaction of an archived log, and the file that it is in."""

    file: str
    transaction: Transaction
    opened: datetime | None
    """When the file was begun, where the log notes when statements began; None: it notes commits, as MySQL's does."""

    @property
    def time(self) -> datetime:
        """Before this moment it was not committed: see `committed`; in UTC."""
        return committed(self.transaction.time, self.opened)

    @property
    def label(self) -> str:
        """For people: `mysql-bin.000123:456, 2026-01-02 03:04:05 UTC, GTID 0-1-7`."""
        gtid = f", GTID {self.transaction.gtid}" if self.transaction.gtid else ""
        return f"{self.file}:{self.transaction.start}, {utc_text(self.time)}{gtid}"


_SKEW = timedelta(seconds=2)
"""By which transactions of one server may be out of order."""
NEIGHBOURS = 10
"""Of so many transactions in a row most have to say the same of when they were."""


@dataclass(frozen=True)
class Stop:
    """Where the replay ends: behind `last` (None: with the backup itself), in front of `following` (None: the end).

    `transactions` is how many are replayed; `anonymous` are those of them that have no GTID.
    """

    last: Located | None
    following: Located | None
    transactions: int
    anonymous: int = 0


def find_stop(found: Iterable[Located], target: Target, flavour: Flavour, executed: str | None) -> Stop:
    """Find where to stop among the transactions that follow a backup, in the order of the log.

    `executed` are the GTIDs that the backup has. Of a moment the place is in front of the first transaction that was
    committed later, by `Located.time`: where clocks went back, later ones may have earlier times, and are not replayed.
    That the log goes as far as a moment or a place is the caller's to know. Raises RestoreRefusedError where there is
    no such place.
    """
    is_there = _condition(target, flavour, executed)
    last: Located | None = None
    count = anonymous = 0
    for each in found:
        if is_there(last, each):
            return Stop(last, each, count, anonymous)
        last, count, anonymous = each, count + 1, anonymous + (each.transaction.gtid is None)
    if not isinstance(target, AtTime) and not is_there(last, None):
        what = f"{target} is not in the archive after the backup, nor at its end"
        raise RestoreRefusedError(what, "`chom windows` tells what can be restored, `chom events` finds places in it")
    return Stop(last, None, count, anonymous)


def refuse_wrong_clock(following: Located, later: Iterable[Located], target: AtTime) -> None:
    """Raise RestoreRefusedError where a replay would stop at a transaction whose time cannot be relied on.

    So it is where others behind it have a time before the moment: by SET timestamp anybody can say when, and clocks are
    set back. On MariaDB, some may have begun before the moment and taken long: that is believed while they are few
    among their neighbours. Looked at are all to the end of its file, and a few at least.
    """
    if following.time <= target.moment + _SKEW:
        return
    near: deque[bool] = deque(maxlen=NEIGHBOURS)
    seen = earlier = 0
    is_doubtful = False
    for each in later:
        if each.file != following.file and seen >= NEIGHBOURS:
            break
        seen += 1
        near.append(each.transaction.time < following.time - _SKEW)
        earlier += each.transaction.time <= target.moment
        is_doubtful |= len(near) == NEIGHBOURS and 2 * sum(near) > NEIGHBOURS
    if seen < NEIGHBOURS:
        is_doubtful = 2 * sum(near) > seen
    if earlier and (is_doubtful or not following.opened):
        what = (
            f"the transaction at {following.label} says that it came after {target}, and {earlier:,} behind it say "
            "that they came before"
        )
        why = "a session's clock was set there"
        why += ", or statements took long, of which MariaDB notes when they began" if following.opened else ""
        raise RestoreRefusedError(what, f"{why}: name the place with --before or --gtid")


_Condition = Callable[[Located | None, Located | None], bool]
"""(the transaction before, the one that follows): the place between them is the one to stop at."""


def _condition(target: Target, flavour: Flavour, executed: str | None) -> _Condition:
    if isinstance(target, AtTime):
        moment = target.moment
        return lambda _, after: after is not None and after.time > moment
    if isinstance(target, BeforePlace):
        return _before(target)
    return _through_set(target, executed) if flavour is Flavour.MYSQL else _through_position(target, executed)


def _before(target: BeforePlace) -> _Condition:
    number = target.number

    def is_there(_: Located | None, after: Located | None) -> bool:
        if after is None:  # behind the last transaction: the place is among what follows it in the archive
            return True
        if after.number < number or (after.number == number and after.transaction.start < target.position):
            if after.number == number and target.position < after.transaction.end:
                start, end = after.transaction.start, after.transaction.end
                what = f"{target} is within a transaction, which goes from {start} to {end}"
                raise RestoreRefusedError(what, f"use {target.file}:{start} to leave it out, or :{end} to have it")
            return False
        return True

    return is_there


def _through_set(target: ThroughGtid, executed: str | None) -> _Condition:
    missing = GtidSet.parse(target.gtid).difference(GtidSet.parse(executed or ""))
    if not missing:
        raise RestoreRefusedError(f"{target} is in the backup already", "restore that, or an earlier one")

    def is_there(before: Located | None, _: Located | None) -> bool:
        nonlocal missing
        if before and before.transaction.gtid:
            missing = missing.difference(GtidSet.parse(before.transaction.gtid))
        return not missing

    return is_there


def _through_position(target: ThroughGtid, executed: str | None) -> _Condition:
    wanted, there = GtidPosition.parse(target.gtid), GtidPosition.parse(executed or "")
    if there.covers(wanted):
        raise RestoreRefusedError(f"{target} is in the backup already", "restore that, or an earlier one")

    # which transactions the backup has, is known of each domain by its last one only
    missing = {gtid for domain, gtid in wanted.last.items() if not there.covers(GtidPosition({domain: gtid}))}

    def is_there(before: Located | None, _: Located | None) -> bool:
        gtid = before.transaction.gtid if before else None
        if gtid:
            found = MariadbGtid.parse(gtid)
            missing.discard(found)
            passed = next((each for each in missing if each.domain == found.domain), None)
            if passed and passed.sequence <= found.sequence:
                what = f"GTID {passed} is not in the archive, which has {found} in its place"
                raise RestoreRefusedError(what, "correct it; `chom events` tells the GTIDs of what it finds")
        return not missing

    return is_there
