"""A recovery that is ready to be replayed: which backup, which files, where it ends, and what must then be true."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from chom_pipelines.binlogs.archive.histories import History
from chom_pipelines.binlogs.archive.segments import Segment
from chom_pipelines.binlogs.archive.unlogged import Unlogged, unlogged
from chom_pipelines.binlogs.format.events import SYSTEM_ZONE
from chom_pipelines.binlogs.format.gtids import Executed, parse_gtids
from chom_pipelines.binlogs.format.statements import TEXT_BYTES, Does, Statement
from chom_pipelines.binlogs.format.transactions import Ending, Transaction
from chom_pipelines.binlogs.recovery.choosing import Way
from chom_pipelines.binlogs.recovery.clocks import refuse_uncertain
from chom_pipelines.binlogs.recovery.redefining import may_redefine
from chom_pipelines.binlogs.recovery.scheduled import is_of_events
from chom_pipelines.binlogs.recovery.spool import LogFile, Spool
from chom_pipelines.binlogs.recovery.stopping import Located, Stop, refuse_wrong_clock, stop
from chom_pipelines.binlogs.recovery.targets import AtTime, Target
from chom_pipelines.binlogs.recovery.windows import replayed
from chom_pipelines.errors import DamagedError, RestoreRefusedError
from chom_pipelines.log_lines import amount, utc_text
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.manifest import Position
from chom_pipelines.server.binlog_settings import TEXT_OF_OTHERS

_WORD = re.compile(r"[\w$]+")
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
    databases: frozenset[str] = frozenset()
    """Which statements in between name, or have as their default: not those of rows."""
    zones: frozenset[str] = frozenset()
    """Named time zones that statements in between depend on."""
    in_system_zone: Located | None = None
    """The first in between that depends on the time zone of its server's machine."""
    of_events: tuple[Statement, ...] = ()
    """What is in between that may say whether events of the scheduler run."""
    redefines: Located | None = None
    """The first transaction in between that may change a definition or an account; None: they are the backup's."""
    prepares: Located | None = None
    """The first transaction in between that is prepared, and committed by another one, if at all."""
    names_directory: Located | None = None
    """The first in between that says in which directory of its server a table's files lie."""
    words: frozenset[str] | None = frozenset()
    """All in statements in between that may make or rename a table, in lower case; None: not all are known."""
    crossing: tuple[tuple[Located, Statement], ...] = ()
    """What is in between that defines something and names tables of more than one database."""
    textual: Mapping[str, Located] = field(default_factory=dict)
    """The first in between that changes rows and was logged as text, by the databases whose tables it names."""

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

    def may_make(self, table: str) -> bool:
        """Whether a statement in between may have made a table of this name, without its database.

        In which character set a statement was written is not looked at.
        """
        return self.words is None or not table.isascii() or self.words.issuperset(_WORD.findall(table.lower()))

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


def prepared(
    way: Way, target: Target, history: History, spool: Spool, *, keyring: Keyring | None, report: Callable[[int], None]
) -> Recovery:
    """Write the files that are needed, and find in them where to stop.

    Raises RestoreRefusedError where the target is not among them, PreparedBeforeError where the backup lacks what it
    takes; DamagedError, also where the log at the backup's
    position is not the one that the backup was taken at; KeyUnavailableError; OSError.
    """
    begin = way.full.place
    if begin is None or not way.segments:
        raise ValueError("there is nothing to replay")
    refuse_uncertain(target, way.segments)
    followed = _Followed(way, begin)
    with closing(spool.transactions(history, way.segments, keyring, report)) as transactions:
        found = stop(followed.behind_backup(transactions), target, way.full.flavour, begin.gtid)
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
    return Recovery(
        way,
        target,
        found,
        tuple(files),
        begin,
        end,
        databases=frozenset(followed.databases),
        zones=frozenset(followed.zones - {SYSTEM_ZONE}),
        in_system_zone=followed.in_system_zone,
        of_events=tuple(followed.of_events),
        redefines=followed.redefines,
        prepares=followed.prepares,
        names_directory=followed.names_directory,
        words=frozenset(followed.words) if followed.words is not None else None,
        crossing=tuple(followed.crossing),
        textual=followed.textual,
    )


class _Followed:
    """The GTIDs that are executed, from the beginning of the first file to where who asks for transactions stops."""

    def __init__(self, way: Way, begin: Position) -> None:
        self.way, self.begin = way, begin
        self.databases: set[str] = set()
        self.zones: set[str] = set()
        self.of_events: list[Statement] = []
        self.redefines: Located | None = None
        self.prepares: Located | None = None
        self.in_system_zone: Located | None = None
        self.names_directory: Located | None = None
        self.words: set[str] | None = set()
        self.crossing: list[tuple[Located, Statement]] = []
        self.textual: dict[str, Located] = {}
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
            self._note(each)
        if not is_behind:
            self._check()

    def _note(self, each: Located) -> None:
        """Keep what a replay of it depends on."""
        done = each.transaction
        self.zones.update(done.zones)
        self.of_events += filter(is_of_events, done.statements)
        if self.in_system_zone is None and SYSTEM_ZONE in done.zones:
            self.in_system_zone = each
        if self.redefines is None and may_redefine(done):
            self.redefines = each
        if self.prepares is None and done.ending is Ending.XA_PREPARE:
            self.prepares = each
        if self.names_directory is None and any(one.names_directory for one in done.statements):
            self.names_directory = each
        self._note_words(done)
        self.textual |= dict.fromkeys(done.textual - self.textual.keys(), each)
        for statement in done.statements:
            self.databases |= {statement.database, *statement.databases} - {""}
            if len({*statement.databases, *(name for name, _ in (*statement.needs, *statement.leads_to))}) > 1:
                self.crossing.append((each, statement))

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

    def _note_words(self, transaction: Transaction) -> None:
        """A longer statement, and one of too many, may name others as well."""
        made = [each for each in transaction.statements if each.does is not Does.ROWS and not each.temporary]
        is_cut = any(len(each.text) >= TEXT_BYTES and each.does is not Does.CREATE for each in made)
        if self.words is None or is_cut or transaction.statement_count > len(transaction.statements):
            self.words = None
            return
        for each in made:
            self.words.update(_WORD.findall(each.text.lower()))

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
