"""A recovery that is ready to be replayed: which backup, which files, where it ends, and what must then be true."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from chom_pipelines.binlogs.archive.histories import History
from chom_pipelines.binlogs.archive.segments import Segment
from chom_pipelines.binlogs.archive.unlogged import Unlogged, unlogged
from chom_pipelines.binlogs.format.gtids import Executed, parse_gtids
from chom_pipelines.binlogs.format.transactions import Ending
from chom_pipelines.binlogs.recovery.choosing import Way
from chom_pipelines.binlogs.recovery.clocks import refuse_uncertain
from chom_pipelines.binlogs.recovery.notes import Notes
from chom_pipelines.binlogs.recovery.spool import LogFile, Spool
from chom_pipelines.binlogs.recovery.stop_place import Located, Stop, find_stop, refuse_wrong_clock
from chom_pipelines.binlogs.recovery.targets import AtTime, Target
from chom_pipelines.binlogs.recovery.windows import replayed
from chom_pipelines.errors import DamagedError, RestoreRefusedError
from chom_pipelines.log_lines import amount, utc_text
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.manifest import Position
from chom_pipelines.server.binlog_settings import TEXT_OF_OTHERS

_SOME_TIME = timedelta(seconds=5)
"""A transaction that may have been committed so long after the target is worth a word."""


class PreparedBeforeError(RestoreRefusedError):
    """What was prepared before the backup is committed or rolled back before the target: another backup may have it."""


@dataclass(frozen=True)
class Recovery:
    """What is replayed onto the backup of `way`: `files`, which are on disk, from `begin` to `end`.

    These are places in the log, with the GTIDs that are executed there where the server has any. Without a transaction
    in between there are no files; of a server without a binary log there are no places either.
    """

    way: Way
    target: Target
    stop: Stop
    files: tuple[LogFile, ...]
    begin: Position | None
    end: Position | None
    notes: Notes = field(default_factory=Notes)
    """Of the transactions in between."""

    @property
    def lines(self) -> tuple[str, ...]:
        """For people: what it comes to."""
        full = self.way.full
        place = f", {self.begin.file}:{self.begin.position}" if self.begin else ""
        found = [f"{full.id}, which holds all up to {utc_text(full.as_of)}{place}"]
        if self.stop.last:
            found.append(f"then {amount(self.stop.transactions, 'transaction')}, the last at {self.stop.last.label}")
        else:
            found.append("then nothing: no transaction is between it and the target")
        if next_began := self._next_began:
            late = "the last may have been committed after the target, as MariaDB notes when it began"
            found.append(f"{late}; what follows it in the log began at {utc_text(next_began)}")
        if self.stop.following:
            found.append(f"left out, with all that follows: the one at {self.stop.following.label}")
        return tuple(found)

    @property
    def _next_began(self) -> datetime | None:
        """When what follows the last transaction began, where that was some seconds after the target.

        Until then nothing says that the last one had been committed. None where the log says enough.
        """
        last, following, target = self.stop.last, self.stop.following, self.target
        if not isinstance(target, AtTime) or last is None or last.opened is None:
            return None
        began = following.time if following else self.way.segments[-1].as_of
        return began if began > max(target.moment, last.time) + _SOME_TIME else None

    @property
    def drawn(self) -> tuple[str, ...]:
        """For people: which of its values no restore has, where there are such; no replica has them either."""
        where = self.notes.draws
        if where is None:
            return ()
        what = f"the values with which the ALTER TABLE at {where.label} filled its new column"
        return (f"not in the log: {what}; a replay draws others",)

    def unlogged(self, databases: Sequence[str] | None) -> tuple[Unlogged, ...]:
        """What the log lacks of the way to the target; `databases` are backed up, None: all are."""
        following = self.stop.following
        end = (following.number, following.transaction.start) if following else None
        crossed = [
            self._without_earlier_text(each)
            for each in replayed(self.way.full, self.way.segments)
            if (end is None or each.order <= end)
            and not (isinstance(self.target, AtTime) and each.opened > self.target.moment)
        ]
        found = unlogged(crossed, databases)
        return tuple(each for each in found if each.lack != TEXT_OF_OTHERS)  # that is known of each transaction

    def _without_earlier_text(self, segment: Segment) -> Segment:
        """Changes that were logged as text before the backup are in it."""
        begin = self.begin
        is_earlier = begin and begin.file == segment.file and (segment.textual or 0) <= begin.position
        return replace(segment, textual=0) if is_earlier else segment


def plan_replay(
    way: Way, target: Target, history: History, spool: Spool, *, keyring: Keyring | None, report: Callable[[int], None]
) -> Recovery:
    """Write the files that are needed, and find in them where to stop.

    Raises RestoreRefusedError where the target is not among them, PreparedBeforeError where the backup lacks what it
    takes; DamagedError, also where the log at the backup's position is not the one that the backup was taken at;
    KeyUnavailableError; OSError.
    """
    begin = way.full.place
    if begin is None or not way.segments:
        raise ValueError("there is nothing to replay")
    refuse_uncertain(target, way.segments)
    followed = _Followed(way, begin)
    with closing(spool.transactions(history, way.segments, keyring, report)) as transactions:
        found = find_stop(followed.behind_backup(transactions), target, way.full.flavour, begin.gtid)
        executed = followed.gtids
        if isinstance(target, AtTime) and found.following:
            refuse_wrong_clock(found.following, transactions, target)
    begin = followed.begin
    if found.last is None:
        return Recovery(way, target, found, (), begin, begin)
    names = list(dict.fromkeys(each.file for each in way.segments))
    files = [LogFile(spool.directory / name) for name in names[: names.index(found.last.file) + 1]]
    end = Position(file=found.last.file, position=found.last.transaction.end, gtid=executed)
    files[0] = replace(files[0], start=begin.position)
    files[-1] = replace(files[-1], stop=end.position)
    return Recovery(way, target, found, tuple(files), begin, end, followed.notes)


class _Followed:
    """The GTIDs that are executed, and what is noted, up to where who asks for transactions stops."""

    def __init__(self, way: Way, begin: Position) -> None:
        self.way, self.begin = way, begin
        self.notes = Notes()
        before = way.segments[0].before
        self._executed = None if before is None else Executed(parse_gtids(before, way.full.flavour))

    @property
    def gtids(self) -> str | None:
        """All that are executed now; None: the log has none."""
        return str(self._executed.gtids) if self._executed else None

    def behind_backup(self, transactions: Iterable[Located]) -> Iterator[Located]:
        """Those that follow the backup; one that was yielded counts as executed when the next is asked for."""
        is_behind = False
        for each in transactions:
            if not is_behind:
                if each.file == self.begin.file and each.transaction.start < self.begin.position:
                    self._execute(each)
                    if each.transaction.end > self.begin.position:
                        raise self._another_log("is in the middle of a transaction")
                    continue
                self._check()
                is_behind = True
            yield each
            self._refuse_prepared_before(each)
            self._execute(each)
            self.notes.add(each)
        if not is_behind:
            self._check()

    def _refuse_prepared_before(self, each: Located) -> None:
        """Raise PreparedBeforeError where it ends an XA transaction of which neither backup nor log has what it did."""
        full, ended = self.way.full, each.transaction.statements[:1]
        if not ended or each.transaction.ending not in {Ending.XA_COMMIT, Ending.XA_ROLLBACK}:
            return
        prepared = next((one for one in full.prepared if one in ended[0].text), None)
        if prepared:
            does = "commits" if each.transaction.ending is Ending.XA_COMMIT else "rolls back"
            what = (
                f"{full.id} cannot be brought past {each.label}, which {does} the XA transaction {prepared}: that was "
                "prepared before the backup was taken, and is neither in it nor in the log behind it"
            )
            raise PreparedBeforeError(
                what, f"restore to the place before it, with --before {each.file}:{each.transaction.start}"
            )

    def _execute(self, each: Located) -> None:
        if each.transaction.gtid and self._executed:
            self._executed.add_text(each.transaction.gtid)

    def _check(self) -> None:
        held, gtids = self.begin.gtid, self.gtids
        if held is not None and gtids is not None and str(parse_gtids(held, self.way.full.flavour)) != gtids:
            raise self._another_log(f"comes after {gtids}, and the backup holds {held}")
        if held is None:  # MySQL's gtid_mode was another one when the backup was taken
            self.begin = self.begin.model_copy(update={"gtid": gtids or None})

    def _another_log(self, why: str) -> DamagedError:
        place = f"{self.begin.file}:{self.begin.position}"
        what = f"{place} of the archive, where {self.way.full.id} ends, {why}"
        return DamagedError(what, "this is the log of another server or time: restore with another full backup")
